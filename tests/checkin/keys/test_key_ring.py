"""Day keys: fresh, wrapped, committed to, and gone for every process at once."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from checkin.errors import CheckinError, DayDestroyed, KeyDestroyed, KeyExists, KeyMissing, SealBroken
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.slots import Slot
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, SigningKey, commit, derive, verify

MASTER = bytes(range(32))
NAME = KeyName(Purpose.DAY, 20779)
USES: list[Callable[[KeyRing, KeyName], object]] = [
    KeyRing.use,
    lambda ring, name: ring.subkey(name, Label.SUB_ROW),
    KeyRing.signing_key,
    KeyRing.opening_key,
    KeyRing.commitment,
]


def ring(path: Path, master: bytes = MASTER) -> KeyRing:
    return KeyRing(path / "keys", master, allow_unfit=True)


def bury(target: KeyRing, name: KeyName = NAME) -> None:
    target.entomb(name, {"reason": "due"})
    target.destroy(name)


def test_every_key_is_fresh_and_its_commitment_binds_it(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    commitments = {keys.make(KeyName(purpose, day), oldest=0) for purpose in Purpose for day in range(3)}
    values = {keys.use(name) for name in keys.names()}
    assert len(commitments) == len(values) == len(keys.names()) == 15
    assert {len(value) for value in values} == {32}
    assert commit(bytes(16), bytes(32)) == hashlib.sha256(b"ck1/key" + bytes(48)).hexdigest()
    assert {keys.commitment(name) for name in keys.names()} == commitments


def test_a_slot_that_an_earlier_version_wrote_is_opened(tmp_path: Path) -> None:
    """`ck1/slot`, a nonce of 12 bytes, then salt and key sealed under the wrapping key with the name as the data."""
    keys, nonce, secret = ring(tmp_path), bytes(range(12)), bytes(range(100, 148))
    sealed = AESGCM(derive(MASTER, Label.SUB_SLOT)).encrypt(nonce, secret, str(NAME).encode())
    (tmp_path / "keys" / f"{NAME}.slot").write_bytes((b"ck1/slot" + nonce + sealed).ljust(4096, b"\0"))
    assert keys.use(NAME) == secret[16:]
    assert keys.commitment(NAME) == commit(secret[:16], secret[16:])


def test_uses_of_a_key_are_derivations_of_its_bytes(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(NAME, oldest=0)
    key = keys.use(NAME)
    assert keys.subkey(NAME, Label.SUB_MAC) == derive(key, Label.SUB_MAC) == keys.subkey(NAME, Label.SUB_MAC)
    verify(SigningKey(key).public, b"x", keys.signing_key(NAME).sign(b"x"))
    assert keys.opening_key(NAME).open(SealingKey(OpeningKey(key).public).seal(b"y", b""), b"") == b"y"


def test_a_restart_finds_the_same_key(tmp_path: Path) -> None:
    commitment = ring(tmp_path).make(NAME, oldest=0)
    assert ring(tmp_path).commitment(NAME) == ring(tmp_path).ensure(NAME, oldest=0) == commitment
    with pytest.raises(KeyExists):
        ring(tmp_path).make(NAME, oldest=0)


def test_no_file_of_the_ring_holds_a_key_in_the_clear(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(NAME, oldest=0)
    secrets = {keys.use(NAME), keys.subkey(NAME, Label.SUB_ROW), MASTER}
    for file in (tmp_path / "keys").iterdir():
        assert not any(secret in file.read_bytes() for secret in secrets)
    assert repr(keys.use(NAME)) not in repr(vars(keys))


def test_a_stolen_disk_without_the_master_key_opens_nothing_and_destroys_nothing(tmp_path: Path) -> None:
    commitment = ring(tmp_path).make(NAME, oldest=0)
    stranger = ring(tmp_path, bytes(32))
    for use in USES:
        with pytest.raises(SealBroken, match="master key"):
            use(stranger, NAME)
    with pytest.raises(SealBroken):
        stranger.ensure(NAME, oldest=0)
    assert ring(tmp_path).commitment(NAME) == commitment


def test_a_slot_moved_to_another_name_does_not_open(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(NAME, oldest=0)
    (tmp_path / "keys/day-20779.slot").rename(tmp_path / "keys/intake-20779.slot")
    with pytest.raises(SealBroken):
        keys.use(KeyName(Purpose.INTAKE, 20779))


def test_a_key_that_never_was_is_missing_and_one_that_was_destroyed_is_destroyed(tmp_path: Path) -> None:
    keys, other = ring(tmp_path), ring(tmp_path)
    for use in USES:
        with pytest.raises(KeyMissing):
            use(keys, NAME)
    keys.make(NAME, oldest=0)
    for use in USES:
        use(other, NAME)
    bury(keys)
    for use in USES:
        for view in (keys, other, ring(tmp_path)):
            with pytest.raises(KeyDestroyed):
                use(view, NAME)
    assert keys.names() == [] and keys.tombstones() == [NAME] and keys.tombstone(NAME) == {"reason": "due"}


def test_a_destroyed_or_overdue_day_never_gets_a_key_again(tmp_path: Path) -> None:
    keys, other = ring(tmp_path), ring(tmp_path)
    keys.make(NAME, oldest=0)
    other.use(NAME)
    bury(keys)
    for again in (keys.make, keys.ensure, other.make, other.ensure):
        with pytest.raises(DayDestroyed):
            again(NAME, oldest=0)
    for late in (keys.make, keys.ensure):
        with pytest.raises(DayDestroyed):
            late(KeyName(Purpose.DAY, 20780), oldest=20781)
    assert keys.names() == []


def test_a_day_destroyed_without_ever_having_had_a_key_gets_none_either(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    bury(keys)
    with pytest.raises(DayDestroyed):
        keys.ensure(NAME, oldest=0)


def test_an_overdue_key_that_is_still_there_is_not_handed_out_by_ensure(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(NAME, oldest=NAME.day)
    with pytest.raises(DayDestroyed):
        keys.ensure(NAME, oldest=NAME.day + 1)


def test_a_slot_caught_while_it_is_overwritten_counts_as_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may copy half of the old bytes and half of the new: not a broken ring, but a destroyed key."""
    keys = ring(tmp_path)
    keys.make(NAME, oldest=0)
    monkeypatch.setattr(Slot, "body", lambda _: bytes(76))
    monkeypatch.setattr(Slot, "live", lambda _: False)
    with pytest.raises(KeyDestroyed):
        keys.use(NAME)


def test_names_are_written_one_way(tmp_path: Path) -> None:
    assert str(NAME) == "day-20779" and KeyName.parse("day-20779") == NAME
    assert sorted([KeyName(Purpose.DAY, 10), KeyName(Purpose.DAY, 9)])[0].day == 9
    for text in ("day-020779", "day", "night-1", "day-1 ", "DAY-1", "day-٣"):
        with pytest.raises(ValueError, match=r"name|Purpose"):
            KeyName.parse(text)
    keys = ring(tmp_path)
    for purpose in (Purpose.INTAKE, Purpose.DAY):
        keys.make(KeyName(purpose, 5), oldest=0)
    assert keys.names(Purpose.DAY) == [KeyName(Purpose.DAY, 5)] and len(keys.names()) == 2


def test_a_master_key_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32"):
        ring(tmp_path, b"short")


def spawn(work: Callable[[], None]) -> int:
    """A child process that does `work` and ends; its id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def join(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_when_one_process_destroys_a_key_no_other_uses_it_once_more(tmp_path: Path) -> None:
    """Six workers use a key without pause; one more destroys it. Successes that began after that: none."""
    ring(tmp_path).make(NAME, oldest=0)
    workers = 6
    board = mmap.mmap(-1, 3 * workers + 1)  # a byte each: has used it, used it too late, was refused; and: destroyed

    def worker(number: int) -> None:
        keys, use, late = ring(tmp_path), USES[number % len(USES)], 0
        while late < 5000:
            destroyed = board[3 * workers]
            try:
                use(keys, NAME)
                board[number] = 1
                if destroyed:
                    board[workers + number] = 1
            except KeyDestroyed:
                board[2 * workers + number] = 1
            late += destroyed

    children = [spawn(lambda number=number: worker(number)) for number in range(workers)]  # type: ignore[misc]
    deadline = time.monotonic() + 300
    while not all(board[:workers]) and time.monotonic() < deadline:
        time.sleep(0.01)
    bury(ring(tmp_path))
    board[3 * workers] = 1
    assert join(children) == [0] * workers
    assert board[:workers] == b"\1" * workers, "every worker had the key"
    assert board[workers : 2 * workers] == bytes(workers), "no worker used it after it was destroyed"
    assert board[2 * workers : 3 * workers] == b"\1" * workers, "every worker was refused"


def test_processes_that_need_a_key_at_the_same_moment_get_the_same_one(tmp_path: Path) -> None:
    ring(tmp_path)
    reader, writer = os.pipe()

    def worker() -> None:
        keys = ring(tmp_path)
        for day in range(10):
            name = KeyName(Purpose.DAY, day)
            commitment, digest = keys.ensure(name, oldest=0), hashlib.sha256(keys.use(name)).hexdigest()
            os.write(writer, f"{day} {commitment} {digest}\n".encode())

    assert join([spawn(worker) for _ in range(4)]) == [0] * 4
    os.close(writer)
    with os.fdopen(reader) as lines:
        answers = lines.read().splitlines()
    assert len(answers) == 40 and len(set(answers)) == 10


def test_making_and_destroying_at_the_same_moment_ends_with_no_key(tmp_path: Path) -> None:
    for day in range(20):
        name = KeyName(Purpose.DAY, day)

        def maker(name: KeyName = name) -> None:
            with_key = ring(tmp_path)
            try:
                with_key.ensure(name, oldest=0)
            except CheckinError as error:
                assert isinstance(error, DayDestroyed)

        children = [spawn(maker), spawn(maker)]
        bury(ring(tmp_path), name)
        assert join(children) == [0, 0]
        assert name not in ring(tmp_path).names()
