"""Ring nodes that die at any single step of making, fetching and destroying a key: in the end all is done, once.

A normal run takes each seventh step, `pytest -m explore` every one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from checkin.clock import RETENTION_DAYS
from checkin.errors import NotReady
from checkin.protocol import ring_messages as messages
from checkin.protocol.note import open_note
from checkin.protocol.statement import Values, one
from tests.support.ring_in_process import NODES, Ring, day_key
from tests.support.service_folder import CALENDAR, DAY

pytestmark = pytest.mark.explore
STEPS = ("open", "pwrite", "fsync", "unlink", "rename", "replace", "link")
MOST = 400
STATEMENT = f"key-destroyed-day-{CALENDAR.date(DAY)}"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a process that dies loses nothing there either, and syncs are free."""
    shared = Path("/dev/shm")  # noqa: S108 - made by mkdtemp inside it
    folder = Path(tempfile.mkdtemp(dir=shared if os.access(shared, os.W_OK) else tmp_path))
    yield folder
    shutil.rmtree(folder)


def make(ring: Ring) -> dict[str, Values]:
    """What the nodes signed."""
    return ring.held(ring.ask("a", messages.MAKE_REQUEST, key=str(day_key())))


def fetch(ring: Ring) -> None:
    ring.node("c").fill()


def destroy(ring: Ring) -> None:
    for letter in NODES:
        ring.node(letter).purge()


def die_at(number: int, folder: Path, work: Callable[[Ring], object]) -> bool:
    """Works in a process that ends abruptly at that step, the nodes being up; whether it got through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                ring = opened(folder, patch)
                arm(patch, number)
                work(ring)
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 77), "the work failed by itself"
    return code == 0


def arm(patch: pytest.MonkeyPatch, number: int) -> None:
    taken = iter(range(10**9))

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if next(taken) == number:
                os._exit(77)
            return real(*args, **kwargs)

        return step

    for name in STEPS:
        patch.setattr(os, name, wrap(getattr(os, name)))


def opened(folder: Path, patch: pytest.MonkeyPatch) -> Ring:
    """The nodes as after a start, their clocks looked at."""
    ring = Ring(folder)
    ring.serve(patch, direct=True)
    for letter in NODES:
        ring.node(letter)._guard.tick()
    return ring


Crashes = Callable[[Callable[[Ring], object], int], Iterator[Ring]]


@pytest.fixture
def crashes(memory: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Crashes:
    """The nodes of `memory / "ring"` after a crash at each step of some work in turn, started again; given the work,
    and a number of steps that it has at least."""
    stride = 1 if "explore" in str(request.config.getoption("-m")) else 7
    return lambda work, fewest: each_crash(memory, monkeypatch, stride, work, fewest)


def each_crash(
    memory: Path, monkeypatch: pytest.MonkeyPatch, stride: int, work: Callable[[Ring], object], fewest: int
) -> Iterator[Ring]:
    for number in range(0, MOST, stride):
        folder = memory / "work"
        shutil.copytree(memory / "ring", folder)
        through = die_at(number, folder, work)
        yield opened(folder, monkeypatch)
        shutil.rmtree(folder)
        if through:
            assert number > fewest, "the steps were not all met"
            return
    raise AssertionError("the work has no end")


def check_held(ring: Ring) -> None:
    """One key, everywhere, whole."""
    held = make(ring)
    assert len(held) == 3
    assert len({one(values, "commitment") for values in held.values()}) == 1
    assert len({ring.keys(letter).use(day_key()) for letter in NODES}) == 1


def test_a_make_that_dies_at_any_step_is_finished_by_the_next(
    memory: Path, monkeypatch: pytest.MonkeyPatch, crashes: Crashes
) -> None:
    """Also by the nodes alone, where two had the key already."""
    opened(memory / "ring", monkeypatch)
    for ring in crashes(make, 20):
        there = [letter for letter in NODES if day_key() in ring.keys(letter).names()]
        for letter in NODES:
            ring.node(letter).fill()
        if len(there) >= 2:
            assert len({ring.keys(letter).use(day_key()) for letter in NODES}) == 1
        check_held(ring)


def test_a_fetch_that_dies_at_any_step_is_finished_by_the_next(
    memory: Path, monkeypatch: pytest.MonkeyPatch, crashes: Crashes
) -> None:
    """A node that was away, or has a key that nobody was ever told of."""
    ring = opened(memory / "ring", monkeypatch)
    ring.keys("c").make(day_key(), oldest=0)
    ring.down = {"c"}
    make(ring)
    for again in crashes(fetch, 6):
        again.node("c").fill()
        check_held(again)


def test_a_destruction_that_dies_at_any_step_is_finished_by_the_next(
    memory: Path, monkeypatch: pytest.MonkeyPatch, crashes: Crashes
) -> None:
    """On each node: gone, overwritten, stated once; and what was stated before the crash stays as it was."""
    ring = opened(memory / "ring", monkeypatch)
    [commitment] = {one(values, "commitment") for values in make(ring).values()}
    ring.go(DAY + RETENTION_DAYS)
    ring.trust()
    for again in crashes(destroy, 30):
        stated = {letter: again.node(letter)._book.get(STATEMENT) for letter in NODES}
        for letter in NODES:
            if stated[letter] is not None:
                assert again.keys(letter).is_gone(day_key()), "nothing is stated before it is done"
        destroy(again)
        for letter in NODES:
            keys, note = again.keys(letter), again.node(letter)._book.get(STATEMENT)
            assert keys.is_gone(day_key()) and keys.overwritten(day_key()) and keys.names() == []
            assert note is not None and stated[letter] in (None, note)
            text = open_note(note, [again.verifier(letter)]).text
            assert messages.NODE_DESTROYED.read(text)["commitment"] == commitment
        again.node("a").fill()
        assert again.keys("a").names() == []


def test_a_maker_that_dies_and_another_one_leave_one_key(
    memory: Path, monkeypatch: pytest.MonkeyPatch, crashes: Crashes
) -> None:
    """At each step of the first; the other takes the role while the first is away, and the first comes back."""
    opened(memory / "ring", monkeypatch)
    for ring in crashes(make, 20):
        ring.maker, ring.down = "b", {"a"}
        ring.forget()
        with suppress(NotReady):
            held = ring.held(ring.ask("b", messages.MAKE_REQUEST, key=str(day_key())))
            assert len(held) == 2
            ring.down = set()
            for letter in NODES:
                ring.node(letter).fill()
            assert len({ring.keys(letter).use(day_key()) for letter in NODES}) == 1
