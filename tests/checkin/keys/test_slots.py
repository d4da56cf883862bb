"""A slot file is written once, watched by everyone, and overwritten where it lies."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from checkin.errors import DayDestroyed, KeyDestroyed, KeyExists, KeyMissing, SealBroken, StorageUnfit
from checkin.keys import slots
from checkin.keys.slots import SLOT_SIZE, SlotFolder
from checkin.protocol.primitives import sha256

MAGIC, BODY, NAME = b"ck1/test", bytes(range(100, 164)), "day-20779"


def folder(path: Path) -> SlotFolder:
    return SlotFolder(path / "keys", MAGIC, len(BODY), allow_unfit=True)


def slot_file(path: Path, name: str = NAME) -> Path:
    return path / "keys" / f"{name}.slot"


def place(fd: int) -> str:
    """The path behind a descriptor: what is patched here is called by other threads, too."""
    return str(Path(f"/proc/self/fd/{fd}").readlink())


def pwrite_in(ring: SlotFolder, written: Callable[[bytes], int]) -> Callable[[int, bytes, int], int]:
    """`os.pwrite` that writes nothing to this folder, and says that it wrote so much."""
    real = os.pwrite

    def pwrite(fd: int, data: bytes, at: int) -> int:
        return written(data) if Path(place(fd)).parent == ring.folder else real(fd, data, at)

    return pwrite


def test_a_slot_fills_a_block_of_its_own_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """4096 bytes: smaller, and ext4 keeps the bytes inside the inode, whose old copies lie in the journal."""
    folder(tmp_path).write(NAME, BODY)
    info = slot_file(tmp_path).stat()
    assert info.st_size == SLOT_SIZE and stat.S_IMODE(info.st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert slot_file(tmp_path).read_bytes() == (MAGIC + BODY).ljust(SLOT_SIZE, b"\0")
    assert folder(tmp_path).map(NAME).body() == BODY


def test_a_folder_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)
    folder(tmp_path)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_the_folder_above_may_be_a_link(tmp_path: Path) -> None:
    """A service's data often lie on another volume, under the place where they are looked for."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "data").symlink_to("volume")
    folder(tmp_path / "data").write(NAME, BODY)
    assert slot_file(tmp_path / "volume").is_file()


def test_a_slot_is_never_written_twice(tmp_path: Path) -> None:
    folder(tmp_path).write(NAME, BODY)
    with pytest.raises(KeyExists):
        folder(tmp_path).write(NAME, bytes(len(BODY)))
    assert folder(tmp_path).map(NAME).body() == BODY


def test_a_body_is_rewritten_where_it_lies_and_the_former_one_lies_nowhere(tmp_path: Path) -> None:
    """The same file and the same sector: there is no moment with two of them, and none with neither."""
    ring, other = folder(tmp_path), bytes(reversed(BODY))
    ring.write(NAME, BODY)
    made, seen = slot_file(tmp_path).stat().st_ino, ring.map(NAME)
    assert ring.rewrite(NAME, lambda body: other if body == BODY else b"")
    assert seen.body() == other == folder(tmp_path).map(NAME).body()
    assert slot_file(tmp_path).read_bytes() == (MAGIC + other).ljust(SLOT_SIZE, b"\0")
    assert slot_file(tmp_path).stat().st_ino == made
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [f"{NAME}.slot"]


def test_a_rewriting_that_fails_leaves_the_body_as_it_is_and_one_that_was_not_written_is_told(tmp_path: Path) -> None:
    ring = folder(tmp_path)
    ring.write(NAME, BODY)
    for changed in (b"", BODY + b"x"):
        with pytest.raises(ValueError, match="size"):
            ring.rewrite(NAME, lambda _, changed=changed: changed)  # type: ignore[misc]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.pwrite", pwrite_in(ring, len))
        with pytest.raises(OSError, match="other bytes"):
            ring.rewrite(NAME, lambda body: bytes(len(body)))
    assert ring.map(NAME).body() == BODY


def test_what_has_a_tombstone_is_not_rewritten_but_overwritten_and_destroyed_as_ever(tmp_path: Path) -> None:
    """Its tombstone may stand behind it, because there was no room, and stays. What is gone is passed over."""
    ring, record = folder(tmp_path), dict[str, str | int](rows=7)
    for name in (NAME, "day-20780"):
        ring.write(name, BODY)
    ring.entomb(NAME, record)
    with full_disk(ring):
        ring.entomb("day-20780", record)
    for name in (NAME, "day-20780"):
        for _ in range(2):
            assert not ring.rewrite(name, lambda _: BODY)
        assert BODY not in slot_file(tmp_path, name).read_bytes()
        assert ring.is_gone(name) and ring.tombstone(name) == record
        ring.destroy(name)
        assert ring.overwritten(name)
        assert not ring.rewrite(name, lambda _: BODY)
    assert ring.names() == []


def test_destroying_overwrites_the_very_file_that_was_made_before_it_is_unlinked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No rename, no new inode: otherwise the old block stays on the disk with the key in it."""
    ring = folder(tmp_path)
    ring.write(NAME, BODY)
    ring.entomb(NAME, {"why": "due"})
    made, seen, unlink = slot_file(tmp_path).stat().st_ino, [], os.unlink

    def watched(file: str, *, dir_fd: int) -> None:
        path = tmp_path / "keys" / file
        seen.append((file, path.stat().st_ino, path.stat().st_size, path.read_bytes()))
        unlink(file, dir_fd=dir_fd)

    monkeypatch.setattr("os.unlink", watched)
    ring.destroy(NAME)
    [(file, inode, size, content)] = seen
    assert (file, inode, size) == (f"{NAME}.slot", made, SLOT_SIZE)
    assert not content.startswith(MAGIC) and BODY not in content and len(set(content[8:])) > 200
    assert not slot_file(tmp_path).exists()


def test_a_mapped_slot_shows_at_once_that_it_was_destroyed(tmp_path: Path) -> None:
    mine, theirs = folder(tmp_path), folder(tmp_path)
    mine.write(NAME, BODY)
    slot = theirs.map(NAME)
    assert slot.live()
    mine.entomb(NAME, {})
    mine.destroy(NAME)
    assert not slot.live()
    with pytest.raises(KeyDestroyed):
        slot.body()


def test_nothing_is_destroyed_before_its_tombstone_is_on_disk(tmp_path: Path) -> None:
    ring = folder(tmp_path)
    ring.write(NAME, BODY)
    with pytest.raises(ValueError, match="tombstone"):
        ring.destroy(NAME)
    assert ring.map(NAME).body() == BODY


def test_the_first_tombstone_stays_and_no_slot_is_made_or_mapped_behind_it(tmp_path: Path) -> None:
    ring = folder(tmp_path)
    ring.write(NAME, BODY)
    assert ring.tombstone(NAME) is None
    ring.entomb(NAME, {"rows": 7, "why": "만료"})
    ring.entomb(NAME, {"rows": 8})
    assert ring.tombstone(NAME) == {"rows": 7, "why": "만료"} and ring.tombstones() == [NAME]
    with pytest.raises(KeyDestroyed):
        ring.map(NAME)
    assert ring.names() == [NAME], "its bytes are still to be destroyed"
    ring.destroy(NAME)
    ring.destroy(NAME)
    assert ring.names() == [] and ring.tombstones() == [NAME]
    with pytest.raises(DayDestroyed):
        ring.write(NAME, BODY)


@pytest.mark.parametrize(
    "left", [b"", bytes(100), bytes(SLOT_SIZE), MAGIC + BODY], ids=["empty", "short", "zeros", "no whole block"]
)
def test_what_a_crash_left_half_made_was_never_a_key_and_is_swept_away(tmp_path: Path, left: bytes) -> None:
    ring = folder(tmp_path)
    slot_file(tmp_path).write_bytes(left)
    with pytest.raises(KeyMissing):
        ring.map(NAME)
    ring.write(NAME, BODY)
    assert ring.map(NAME).body() == BODY
    slot_file(tmp_path, "day-3").write_bytes(left)
    assert folder(tmp_path).names() == [NAME]


def test_a_folder_of_another_party_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong path in the settings must not cost a key."""
    folder(tmp_path).write(NAME, BODY)
    before = slot_file(tmp_path).read_bytes()
    with pytest.raises(SealBroken, match="another"):
        SlotFolder(tmp_path / "keys", b"ck1/else", len(BODY), allow_unfit=True)
    assert slot_file(tmp_path).read_bytes() == before


def test_a_symbolic_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    ring = folder(tmp_path)
    (tmp_path / "target").write_bytes((MAGIC + BODY).ljust(SLOT_SIZE, b"\0"))
    slot_file(tmp_path).symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        ring.map(NAME)


@pytest.mark.parametrize("name", ["", "day", "../day-1", "day-01", "day--1", "Day-1", "day-1.slot", "day-1\n"])
def test_only_a_word_and_a_day_name_a_slot(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        folder(tmp_path).write(name, BODY)


@pytest.mark.parametrize(("magic", "size"), [(b"short", 1), (bytes(8), 1), (MAGIC, 0), (MAGIC, 505)])
def test_a_kind_of_slot_whose_secret_would_not_fit_one_sector_cannot_be_declared(
    tmp_path: Path, magic: bytes, size: int
) -> None:
    with pytest.raises(ValueError, match="magic"):
        SlotFolder(tmp_path / "keys", magic, size, allow_unfit=True)


def test_a_body_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size"):
        folder(tmp_path).write(NAME, BODY + b"x")


def test_unfit_storage_is_refused_unless_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit(_: Path) -> None:
        raise StorageUnfit

    monkeypatch.setattr(slots, "check_storage", unfit)
    with pytest.raises(StorageUnfit):
        SlotFolder(tmp_path / "keys", MAGIC, 1)
    assert not (tmp_path / "keys").exists()
    SlotFolder(tmp_path / "keys", MAGIC, 1, allow_unfit=True)


def test_a_disk_that_takes_only_part_of_a_slot_gets_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", pwrite_in(ring, lambda _: 100))
        with pytest.raises(OSError, match="part"):
            ring.write(NAME, BODY)
    with pytest.raises(KeyMissing):
        ring.map(NAME)


def test_destroying_looks_whether_the_bytes_and_the_file_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = folder(tmp_path)
    ring.write(NAME, BODY)
    ring.entomb(NAME, {})
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", pwrite_in(ring, len))
        with pytest.raises(OSError, match="other bytes"):
            ring.destroy(NAME)
    unlink = os.unlink

    def elsewhere(file: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is None or place(dir_fd) != str(ring.folder):
            unlink(file, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr("os.unlink", elsewhere)
        with pytest.raises(OSError, match="still there"):
            ring.destroy(NAME)
    ring.destroy(NAME)
    assert ring.names() == []


def test_what_was_overwritten_bears_a_mark_and_what_was_only_unlinked_does_not(tmp_path: Path) -> None:
    """So an audit can tell the two apart; the mark's hash is that of the noise which lies in the key's place."""
    ring = folder(tmp_path)
    for name in (NAME, "day-20780"):
        ring.write(name, BODY)
        ring.entomb(name, {})
    with slot_file(tmp_path).open("rb") as still_open:
        ring.destroy(NAME)
        noise = still_open.read()
    slot_file(tmp_path, "day-20780").unlink()
    ring.destroy("day-20780")
    mark = json.loads((tmp_path / "keys" / f"{NAME}.overwritten").read_text())
    assert mark == {"bytes": SLOT_SIZE, "sha256": sha256(noise).hex()}
    assert ring.overwritten(NAME) and not ring.overwritten("day-20780")


@contextmanager
def full_disk(ring: SlotFolder) -> Iterator[None]:
    """No new file; what there is may be overwritten."""
    real = os.open

    def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and dir_fd is not None and place(dir_fd) == str(ring.folder):
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(path, flags, mode, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.open", opened)
        yield


def test_on_a_full_disk_the_tombstone_stands_in_the_slot_and_the_key_is_gone(tmp_path: Path) -> None:
    ring, record = folder(tmp_path), dict[str, str | int](rows=7, why="만료")
    ring.write(NAME, BODY)
    with full_disk(ring):
        with pytest.raises(OSError, match="space"):
            ring.entomb("day-3", record)
        ring.entomb(NAME, record)
        assert ring.tombstone(NAME) == record and ring.tombstones() == [NAME]
        with pytest.raises(KeyDestroyed):
            ring.map(NAME)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="other bytes"):
            patch.setattr("os.pwrite", pwrite_in(ring, len))
            ring.destroy(NAME)
        assert not ring.is_gone(NAME)
        with pytest.raises(OSError, match="space"):
            ring.destroy(NAME)
        assert ring.is_gone(NAME) and BODY not in slot_file(tmp_path).read_bytes()
        assert folder(tmp_path).tombstone(NAME) == record
    ring.destroy(NAME)
    assert ring.names() == [] and ring.tombstone(NAME) == record


def opened(path: Path) -> list[str]:
    """What below a folder this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # another thread's, closed meanwhile
            found.append(str(descriptor.readlink()))
    return [file for file in found if file.startswith(str(path))]


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """A service lives for years, and has a thousand."""

    def live(name: str) -> None:
        ring.write(name, BODY)
        ring.map(name)
        ring.entomb(name, {})
        ring.destroy(name)

    ring = folder(tmp_path)
    live("day-1")
    live("day-2")
    ring.write("day-3", BODY)
    with full_disk(ring):
        ring.entomb("day-3", {})
        ring.tombstone("day-3")
    ring.destroy("day-3")
    folder(tmp_path)
    assert opened(tmp_path) == []


def test_each_step_of_destroying_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    """Also where another process unlinked the file and died before that was."""
    ring, steps, keys = folder(tmp_path), [], str(tmp_path / "keys")
    ring.write(NAME, BODY)
    ring.write("day-3", BODY)
    real = {name: getattr(os, name) for name in ("fsync", "unlink", "rename")}

    def synced(fd: int) -> None:
        if place(fd).startswith(keys):
            steps.append("folder" if place(fd) == keys else "file")
        real["fsync"](fd)

    def unlinked(file: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None and place(dir_fd) == keys:
            steps.append("unlink")
        real["unlink"](file, dir_fd=dir_fd)

    def renamed(draft: str, file: str, **folders: int) -> None:
        if folders and place(folders["dst_dir_fd"]) == keys:
            steps.append(file.partition(".")[2])
        real["rename"](draft, file, **folders)

    with pytest.MonkeyPatch.context() as patch:
        for name, seen in (("fsync", synced), ("unlink", unlinked), ("rename", renamed)):
            patch.setattr(f"os.{name}", seen)
        ring.entomb(NAME, {})
        ring.destroy(NAME)
        assert steps == ["file", "tombstone", "folder", "file", "file", "overwritten", "folder", "unlink", "folder"]
        ring.entomb("day-3", {})
        slot_file(tmp_path, "day-3").unlink()
        steps.clear()
        ring.destroy("day-3")
        assert steps == ["folder"]
