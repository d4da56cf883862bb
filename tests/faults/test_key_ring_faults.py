"""A process killed, or a disk that fails, at every single step of making and destroying a key."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import DayDestroyed, KeyDestroyed, KeyMissing, SettingsInvalid
from checkin.keys.key_ring import KeyName, KeyRing, Purpose, change_master
from checkin.keys.secret_file import make_secret, read_secret
from tests.faults.injections import memory

NAME = KeyName(Purpose.DAY, 20779)
STEPS = ("open", "pwrite", "fsync", "unlink", "rename", "link", "pread", "stat", "fstat")
CHANGES = ("pwrite", "unlink", "rename", "link")  # a process that is killed leaves no other traces
MOST = 200  # more steps than any of these works has


def ring(path: Path) -> KeyRing:
    return KeyRing(path / "keys", bytes(32), allow_unfit=True)


@contextmanager
def failing(number: int, fail: Callable[[], None], *, before: bool, of: tuple[str, ...] = STEPS) -> Iterator[list[str]]:
    """Step `number` of what runs inside fails, before it is done or after; yields the names of the steps so far."""
    steps: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            steps.append(name)
            mine = len(steps) - 1
            if mine == number and before:
                fail()
            try:
                return real(*args, **kwargs)
            finally:
                if mine == number and not before:
                    fail()

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in of:
            patch.setattr(os, name, wrap(name, getattr(os, name)))
        yield steps


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[], object], number: int, *, before: bool, of: tuple[str, ...] = STEPS) -> str | None:
    """What `work` answered in a process of its own, killed at that step; None if it did not get to answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with failing(number, die, before=before, of=of):
                answer = work()
            os.write(writer, str(answer).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read() or None


def until_it_survives(work: Callable[[int], bool]) -> int:
    """Fail step 0, 1, 2, … until a run has fewer steps; how many steps there were."""
    for number in range(MOST):
        if work(number):
            return number
    raise AssertionError("the work has no end")


def check_whole(path: Path, acknowledged: str | None) -> str:
    """After a crash: one ring, one key, and the acknowledged one if there was one."""
    found = ring(path).ensure(NAME, oldest=0)
    assert acknowledged in (None, found)
    assert ring(path).commitment(NAME) == found and len(ring(path).use(NAME)) == 32
    assert [file.name for file in (path / "keys").iterdir()] == ["day-20779.slot"]
    return found


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_step_of_making_a_ring_has_the_acknowledged_key_or_makes_one(
    tmp_path: Path, before: bool
) -> None:
    def attempt(number: int) -> bool:
        path = tmp_path / str(number)
        answer = killed(lambda: ring(path).make(NAME, oldest=0), number, before=before)
        check_whole(path, answer)
        return answer is not None

    assert until_it_survives(attempt) > 10


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_step_of_destroying_the_key_never_comes_back_and_a_repetition_finishes(
    tmp_path: Path, before: bool
) -> None:
    def attempt(number: int) -> bool:
        path = tmp_path / str(number)
        keys = ring(path)
        keys.make(NAME, oldest=0)
        keys.entomb(NAME, {"reason": "due"})
        sealed = (path / "keys/day-20779.slot").read_bytes()[8:84]
        answer = killed(lambda: keys.destroy(NAME), number, before=before)
        again = ring(path)
        with pytest.raises(KeyDestroyed):
            again.use(NAME)
        with pytest.raises(DayDestroyed):
            again.ensure(NAME, oldest=0)
        again.destroy(NAME)
        assert again.names() == [] and again.tombstones() == [NAME]
        assert not any(sealed in file.read_bytes() for file in (path / "keys").iterdir())
        return answer is not None

    assert until_it_survives(attempt) > 8


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_step_of_entombing_the_record_is_whole_or_absent_and_a_repetition_finishes(
    tmp_path: Path, before: bool
) -> None:
    record: dict[str, str | int] = {"rows": 12}

    def attempt(number: int) -> bool:
        path = tmp_path / str(number)
        keys = ring(path)
        keys.make(NAME, oldest=0)
        answer = killed(lambda: keys.entomb(NAME, record), number, before=before)
        assert ring(path).tombstone(NAME) in ((record,) if answer else (None, record))
        ring(path).entomb(NAME, record)
        ring(path).destroy(NAME)
        assert ring(path).tombstone(NAME) == record and ring(path).names() == []
        return answer is not None

    assert until_it_survives(attempt) > 5


def broken_disk(code: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("before", [True, False], ids=["not persisted", "persisted but reported failed"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_at_any_step_of_making_leaves_no_key_that_was_not_acknowledged(
    tmp_path: Path, code: int, before: bool
) -> None:
    def attempt(number: int) -> bool:
        path = tmp_path / str(number)
        keys = ring(path)
        answer = None
        try:
            with failing(number, broken_disk(code), before=before) as steps:
                answer = keys.make(NAME, oldest=0)
        except OSError:
            with pytest.raises(KeyMissing):
                keys.use(NAME)
        check_whole(path, answer)
        return number >= len(steps)

    assert until_it_survives(attempt) > 5


@pytest.mark.parametrize("before", [True, False], ids=["not persisted", "persisted but reported failed"])
def test_a_disk_that_fails_at_any_step_of_destroying_is_reported_and_a_repetition_finishes(
    tmp_path: Path, before: bool
) -> None:
    def attempt(number: int) -> bool:
        path = tmp_path / str(number)
        keys = ring(path)
        keys.make(NAME, oldest=0)
        keys.use(NAME)
        keys.entomb(NAME, {})
        reported = False
        with failing(number, broken_disk(errno.EIO), before=before) as steps:
            try:
                keys.destroy(NAME)
            except OSError:
                reported = True
        assert reported == (number < len(steps))
        keys.destroy(NAME)
        for view in (keys, ring(path)):
            with pytest.raises(KeyDestroyed):
                view.use(NAME)
        assert keys.names() == []
        return number >= len(steps)

    assert until_it_survives(attempt) > 8


def two_keys(path: Path) -> list[str]:
    """A new ring with a master key in a file, of which one key waits to be destroyed; the commitments of the others."""
    path.mkdir()
    make_secret(path / "master.key")
    keys, names = master_ring(path), [KeyName(Purpose.DAY, day) for day in range(3)]
    made = [keys.make(name, oldest=0) for name in names]
    keys.entomb(names[2], {})
    return made[:2]


def master_ring(path: Path) -> KeyRing:
    return KeyRing(path / "keys", read_secret(path / "master.key"), allow_unfit=True)


def change_again(path: Path, made: list[str], before: dict[str, bytes]) -> None:
    """A repetition finishes: the keys are there under the new master key, and nothing of before opens any of them."""
    change_master(path / "keys", path / "master.key", allow_unfit=True)
    assert [master_ring(path).commitment(KeyName(Purpose.DAY, day)) for day in range(2)] == made
    assert {file.name for file in path.iterdir() if not file.name.startswith(".")} == {"keys", "master.key"}
    left = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
    assert not any(secret in content for secret in before.values() for content in left)


def secrets_of(path: Path) -> dict[str, bytes]:
    """The master key, and each key as it is wrapped under it."""
    wrapped = {file.name: file.read_bytes()[8:84] for file in (path / "keys").glob("*.slot")}
    return {"master.key": (path / "master.key").read_bytes(), **wrapped}


@pytest.fixture
def room() -> Iterator[Path]:
    """Where syncs are free, if there is such a place."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        yield Path(name)


def test_killed_at_any_step_of_exchanging_the_master_key_no_key_is_lost_and_a_repetition_finishes(room: Path) -> None:
    def attempt(number: int) -> bool:
        path = room / str(number)
        made, held = two_keys(path), secrets_of(path)
        work = partial(change_master, path / "keys", path / "master.key", allow_unfit=True)
        answer = killed(work, number, before=True, of=CHANGES)
        change_again(path, made, held)
        return answer is not None

    assert until_it_survives(attempt) >= 9


@pytest.mark.parametrize("before", [True, False], ids=["not persisted", "persisted but reported failed"])
def test_a_disk_that_fails_at_any_step_of_exchanging_the_master_key_is_reported_and_loses_no_key(
    room: Path, before: bool
) -> None:
    def attempt(number: int) -> bool:
        path = room / str(number)
        made, held = two_keys(path), secrets_of(path)
        reported = False
        with failing(number, broken_disk(errno.EIO), before=before) as steps:
            try:
                change_master(path / "keys", path / "master.key", allow_unfit=True)
            except (OSError, SettingsInvalid):
                reported = True
        assert reported == (number < len(steps))
        change_again(path, made, held)
        return number >= len(steps)

    assert until_it_survives(attempt) > 50


def test_a_full_disk_keeps_no_key_alive(tmp_path: Path) -> None:
    """Overwriting takes no new room: only what a slot already has is written."""
    keys = ring(tmp_path)
    keys.make(NAME, oldest=0)
    keys.entomb(NAME, {})
    slot = tmp_path / "keys/day-20779.slot"
    slot.write_bytes(b"")
    keys.destroy(NAME)
    assert not slot.exists()
