"""After a purge the raw disk holds no key: every byte of a real ext4 image is searched, journal included.

What is searched for is the sealed body of a slot, because whoever has the disk may have the master key too.
Controls that must be found show that the search would find them: keys that were only unlinked, and keys that
were rewritten by way of a temporary file and a rename.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkin.errors import DayDestroyed, KeyDestroyed
from checkin.keys.key_ring import KeyName, KeyRing, Purpose, change_master
from checkin.keys.secret_file import make_secret, read_secret
from tests.faults.disk import INSTALL, Needs, can_mount, found, mounted, new_image

DESTROYED, UNLINKED, RENAMED = range(1000), range(1000, 1200), range(1200, 1400)


def needle(slot: Path) -> bytes:
    """8 bytes out of the sealed body that grep can take as a line: no newline, no zero. Of 12 bytes in a row, one body
    in a billion has none, and here are a thousand bodies."""
    body = slot.read_bytes()[8:84]
    return next(part for at in range(68) if not {0, 10} & set(part := body[at : at + 8]))


@pytest.fixture
def image(tmp_path: Path, needs: Needs) -> Path:
    needs("an ext4 image on a loop device", can_mount(tmp_path), INSTALL)
    return new_image(tmp_path / "disk.img", 128)


def slot(folder: Path, day: int) -> Path:
    return folder / "keys" / f"day-{day}.slot"


def rewrite_by_rename(path: Path) -> None:
    """How programs usually replace a file, and why a slot never is."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(bytes(4096))
    fresh.replace(path)
    path.unlink()


def test_no_key_is_left_on_the_raw_disk_while_keys_only_unlinked_or_renamed_over_are_all_there(
    image: Path, tmp_path: Path
) -> None:
    needles: dict[int, bytes] = {}
    with mounted(image, tmp_path / "disk") as disk:
        keys = KeyRing(disk / "keys", bytes(32))
        for day in (*DESTROYED, *UNLINKED, *RENAMED):
            keys.make(KeyName(Purpose.DAY, day), oldest=0)
            needles[day] = needle(slot(disk, day))
    assert found(image, needles, tmp_path) == set(needles), "control: live keys are found"

    with mounted(image, tmp_path / "disk") as disk:
        keys = KeyRing(disk / "keys", bytes(32))
        for day in DESTROYED:
            keys.entomb(KeyName(Purpose.DAY, day), {"reason": "due"})
            keys.destroy(KeyName(Purpose.DAY, day))
        for day in UNLINKED:
            slot(disk, day).unlink()
        for day in RENAMED:
            rewrite_by_rename(slot(disk, day))
        assert keys.names() == []
    # Every tombstone and renamed file takes a block, so a few of the freed blocks are used anew.
    left = found(image, needles, tmp_path)
    assert left & set(DESTROYED) == set()
    assert len(left & set(UNLINKED)) > 130 and len(left & set(RENAMED)) > 130, "controls"


def test_power_lost_the_moment_a_call_returns_loses_no_acknowledged_key_and_revives_no_destroyed_one(
    needs: Needs, tmp_path: Path
) -> None:
    """The machine stops right after `make` or `destroy` answered: the disk has what a copy of the live image has."""
    needs("an ext4 image on a loop device", can_mount(tmp_path), INSTALL)
    image, copy = new_image(tmp_path / "disk.img", 16), tmp_path / "copy.img"
    needles: dict[int, bytes] = {}
    with mounted(image, tmp_path / "disk") as disk:
        keys = KeyRing(disk / "keys", bytes(32))
        for day in range(15):
            name = KeyName(Purpose.DAY, day)
            commitment = keys.make(name, oldest=0)
            shutil.copyfile(image, copy)
            needles[day] = needle(slot(disk, day))
            with mounted(copy, tmp_path / "copy") as after:
                assert KeyRing(after / "keys", bytes(32)).commitment(name) == commitment
            keys.entomb(name, {})
            keys.destroy(name)
            shutil.copyfile(image, copy)
            assert found(copy, needles, tmp_path) == set()
            with mounted(copy, tmp_path / "copy") as after:
                again = KeyRing(after / "keys", bytes(32))
                with pytest.raises(KeyDestroyed):
                    again.use(name)
                with pytest.raises(DayDestroyed):
                    again.ensure(name, oldest=0)


def test_a_former_master_key_and_what_was_wrapped_under_it_lie_nowhere_on_the_raw_disk(
    needs: Needs, tmp_path: Path
) -> None:
    """The new one lies in one place: the file in which it waited is overwritten, too."""
    needs("an ext4 image on a loop device", can_mount(tmp_path), INSTALL)
    image = new_image(tmp_path / "disk.img", 16)
    needles: dict[int | str, bytes] = {}
    with mounted(image, tmp_path / "disk") as disk:
        make_secret(disk / "master.key")
        keys = KeyRing(disk / "keys", read_secret(disk / "master.key"))
        for day in range(30):
            keys.make(KeyName(Purpose.DAY, day), oldest=0)
            needles[day] = needle(slot(disk, day))
        needles["former"] = (disk / "master.key").read_bytes().strip()
    assert found(image, needles, tmp_path) == set(needles), "control: live keys are found"

    with mounted(image, tmp_path / "disk") as disk:
        assert change_master(disk / "keys", disk / "master.key") == 30
        fresh = (disk / "master.key").read_bytes().strip()
    assert found(image, needles, tmp_path) == set()
    assert image.read_bytes().count(fresh) == 1
