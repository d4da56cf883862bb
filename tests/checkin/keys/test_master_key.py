"""A master key is exchanged for another one under its ring: every key stays, and the former opens none of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from checkin.errors import KeyDestroyed, SealBroken, SettingsInvalid
from checkin.keys import key_ring
from checkin.keys.key_ring import KeyName, KeyRing, Purpose, change_master, next_master
from checkin.keys.secret_file import make_secret, read_secret

NAMES = [KeyName(purpose, day) for purpose in (Purpose.DAY, Purpose.SIGNING) for day in (20779, 20780)]


class Volume:
    """A ring of four keys and its master key."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.path = folder / "keys", folder / "master.key"
        make_secret(self.path)
        self.commitments = {name: self.ring().make(name, oldest=0) for name in NAMES}

    def ring(self, master: bytes | None = None) -> KeyRing:
        return KeyRing(self.keys, master or read_secret(self.path), allow_unfit=True)

    def change(self) -> int:
        return change_master(self.keys, self.path, allow_unfit=True)

    def files(self) -> dict[Path, bytes]:
        """All that lies there."""
        return {path: path.read_bytes() for path in (self.path.parent).rglob("*") if path.is_file()}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_every_key_stays_and_opens_under_the_new_master_key_alone(volume: Volume) -> None:
    former, before = read_secret(volume.path), volume.files()
    inodes = {path: path.stat().st_ino for path in before}
    assert volume.change() == len(NAMES)
    assert {name: volume.ring().commitment(name) for name in NAMES} == volume.commitments
    for name in NAMES:
        with pytest.raises(SealBroken, match=str(name)):
            volume.ring(former).use(name)
    after = volume.files()
    assert after.keys() == before.keys() and {path: path.stat().st_ino for path in after} == inodes
    assert not any(content[8:84] in found for content in before.values() for found in after.values())
    assert not any(before[volume.path] in found for found in after.values())


def test_a_key_that_waits_to_be_destroyed_does_not_open_under_the_former_one(volume: Volume) -> None:
    """A process died between its tombstone and its end."""
    volume.ring().entomb(NAMES[0], {"rows": 1})
    slot = volume.keys / f"{NAMES[0]}.slot"
    wrapped = slot.read_bytes()[8:84]
    assert volume.change() == len(NAMES) - 1
    assert wrapped not in slot.read_bytes() and volume.ring().is_gone(NAMES[0])
    with pytest.raises(KeyDestroyed):
        volume.ring().use(NAMES[0])
    volume.ring().destroy(NAMES[0])
    assert volume.ring().names() == sorted(NAMES[1:]) and volume.ring().tombstone(NAMES[0]) == {"rows": 1}


def test_nothing_is_changed_under_a_master_key_that_does_not_open_every_slot(volume: Volume) -> None:
    """A wrong path in the settings must not cost a key, nor another ring its master key."""
    for wrong in (b"A" * 43 + b"=\n", b"nonsense\n"):
        volume.path.write_bytes(wrong)
        before = volume.files()
        with pytest.raises((SealBroken, SettingsInvalid)):
            volume.change()
        assert volume.files() == before


def test_a_slot_whose_write_did_not_reach_the_disk_is_written_again(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells of a failed fsync once, and the page is clean from then on: what is read back is in memory alone."""
    written: list[str] = []
    fsync, pwrite = os.fsync, os.pwrite

    def place(fd: int) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name

    def failing(fd: int) -> None:
        if place(fd) == f"{NAMES[0]}.slot" and f"{NAMES[0]}.slot" in written:
            raise OSError(5, "Input/output error")
        fsync(fd)

    def seen(fd: int, content: bytes, at: int) -> int:
        written.append(place(fd))
        return pwrite(fd, content, at)

    monkeypatch.setattr("os.pwrite", seen)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", failing)
        with pytest.raises(OSError, match="Input"):
            volume.change()
    assert volume.ring(read_secret(next_master(volume.path))).use(NAMES[0])
    del written[:]
    assert volume.change() == len(NAMES)
    assert {f"{name}.slot" for name in NAMES} <= {*written}
    assert {name: volume.ring().commitment(name) for name in NAMES} == volume.commitments


def test_a_master_key_that_cannot_be_written_is_found_before_the_first_slot(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the slots would open under a key that lies in the next file alone."""
    before = volume.files()

    def read_only(path: Path, _: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(key_ring, "replace_secret", read_only)
    with pytest.raises(PermissionError):
        volume.change()
    assert volume.files() == before
