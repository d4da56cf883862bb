"""A folder of slot files, each with one secret body, and their tombstones (docs/spec/keys.md §2).

A slot is 4096 bytes: magic 8 ‖ body ‖ zeros. Never smaller, or ext4 would keep it inside the inode, whose old
copies lie in the journal. Magic and body fit one 512-byte sector, which a disk writes whole or not at all, so
a slot that shows its magic is complete and one that does not was never acknowledged.

A slot is never renamed or copied. It is written over where it lies: to destroy it, or by the same key wrapped anew,
which is one write within that sector. Every step of making, rewriting and destroying runs under a lock on the folder
and can be repeated after a crash.

Destroying needs no free space. A tombstone for which there is no room stands in its slot, behind the key (magic 8 ‖
length u32be ‖ SHA-256 of the record, first 8 ‖ record, at offset 512): that block is the slot's already. The key is
overwritten all the same, and what is left of the slot waits until there is room for the tombstone's own file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from checkin.errors import DayDestroyed, KeyDestroyed, KeyExists, KeyMissing, SealBroken
from checkin.files.durable import SECTOR, opened, sync_folder
from checkin.keys.file_system import check_storage
from checkin.protocol.encoding import u32be
from checkin.protocol.primitives import random_bytes, sha256

SLOT_SIZE: Final = 4096
MAGIC_SIZE: Final = 8
BODY_LIMIT: Final = SECTOR - MAGIC_SIZE
_INSIDE: Final = b"ck1/tomb"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_SLOT, _TOMB, _MARK = ".slot", ".tombstone", ".overwritten"
_NAME = re.compile(r"[a-z]{1,32}-(0|[1-9][0-9]{0,9})")


class Slot:
    """One slot mapped into this process (MAP_SHARED): it shows at once what any process does to the file."""

    def __init__(self, fd: int, magic: bytes, size: int) -> None:
        self._map = mmap.mmap(fd, SLOT_SIZE, access=mmap.ACCESS_READ)
        self._magic, self._size = magic, size

    def live(self) -> bool:
        """Whether the slot is not destroyed; costs no system call."""
        return self._map[:MAGIC_SIZE] == self._magic

    def body(self) -> bytes:
        """The body as it is now; raises `KeyDestroyed`."""
        content = self._map[: MAGIC_SIZE + self._size]
        if content[:MAGIC_SIZE] != self._magic:
            raise KeyDestroyed
        return content[MAGIC_SIZE:]


class SlotFolder:
    """Slots of one kind in one folder (0700, files 0600). Names are a word, a dash and a day: `day-20779`."""

    def __init__(self, folder: Path, magic: bytes, size: int, *, allow_unfit: bool = False) -> None:
        """`magic` 8 bytes, `size` of every body ≤ 504; raises `StorageUnfit` unless allowed."""
        if len(magic) != MAGIC_SIZE or not any(magic) or not 0 < size <= BODY_LIMIT:
            raise ValueError("a slot has a magic of 8 bytes and a body of at most 504")
        if not allow_unfit:
            check_storage(folder)
        self.folder, self._magic, self._size = folder, magic, size
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        sync_folder(folder.parent)
        with self._locked() as held:
            for name in self.names():
                # A crash left it half made; one half destroyed has a tombstone and waits for `destroy`.
                if not _entombed(held, name) and not self._whole(held, _file(name)):
                    _destroy(held, _file(name))

    def write(self, name: str, body: bytes) -> None:
        """A new slot, on disk when this returns. Raises `KeyExists`, or `DayDestroyed` if it has a tombstone.

        On `OSError` nothing was made: what was begun is destroyed, at the latest by the next `write`.
        """
        if len(body) != self._size:
            raise ValueError("the body has another size")
        with self._locked() as folder:
            if _entombed(folder, name):
                raise DayDestroyed
            if self._whole(folder, _file(name)):
                raise KeyExists
            _destroy(folder, _file(name))
            try:
                with opened(_file(name), os.O_RDWR | os.O_CREAT | os.O_EXCL, folder) as fd:
                    _put(fd, (self._magic + body).ljust(SLOT_SIZE, b"\0"))
                os.fsync(folder)
            except OSError:
                # The key may be in the page cache and not on disk: it must not be taken for an acknowledged one.
                with contextlib.suppress(OSError):
                    _destroy(folder, _file(name))
                raise

    def map(self, name: str) -> Slot:
        """The slot, to be looked at before each use. Raises `KeyMissing`, or `KeyDestroyed` if it has a tombstone."""
        with self._locked() as folder:
            if _entombed(folder, name):
                raise KeyDestroyed
            if not self._whole(folder, _file(name)):
                raise KeyMissing
            with opened(_file(name), os.O_RDONLY, folder) as fd:
                # Its maker may have died before these: a key that a power cut could take away must not be used.
                os.fsync(fd)
                os.fsync(folder)
                return Slot(fd, self._magic, self._size)

    def rewrite(self, name: str, change: Callable[[bytes], bytes]) -> bool:
        """Another body of the same size in the place of this one, on disk when it returns; whether there was one.

        The sector is written also where nothing changes: an fsync that failed before may have left it in memory alone.
        With a tombstone it is overwritten with noise, and waits for `destroy`.
        """
        with self._locked() as folder:
            if not self._whole(folder, _file(name)):
                return False
            if _entombed(folder, name):
                _overwrite_key(folder, _file(name))
                return False
            with opened(_file(name), os.O_RDWR, folder) as fd:
                body = change(os.pread(fd, self._size, MAGIC_SIZE))
                if len(body) != self._size:
                    raise ValueError("the body has another size")
                _overwrite(fd, self._magic + body)
            return True

    def destroy(self, name: str) -> None:
        """Overwrite in place, mark, unlink, each on the disk, then look. `ValueError` without a tombstone; repeatable.

        The mark says that the slot was overwritten, not merely unlinked: an audit looks for it. `OSError` without room
        for tombstone or mark: the key is overwritten, the slot is left, and a repetition goes on from there.
        """
        with self._locked() as folder:
            if not _exists(folder, _file(name, _TOMB)):
                record = _inside(folder, _file(name))
                if record is None:
                    raise ValueError("a tombstone comes before destroying")
                _overwrite_key(folder, _file(name))
                _write_record(folder, _file(name, _TOMB), record)
                os.fsync(folder)
            _destroy(folder, _file(name), _file(name, _MARK))

    def discard(self, name: str) -> None:
        """Overwrite and unlink a slot that was never acknowledged; another key may take the name. Repeatable.

        `ValueError` for one that has a tombstone."""
        with self._locked() as folder:
            if _entombed(folder, name):
                raise ValueError("what has a tombstone is destroyed, and its name stays taken")
            if self._whole(folder, _file(name)):
                _destroy(folder, _file(name))

    def is_gone(self, name: str) -> bool:
        """Whether no key can be read from the slot any more: it has a tombstone, and is overwritten or not there."""
        with self._locked() as folder:
            return _entombed(folder, name) and not self._whole(folder, _file(name))

    def overwritten(self, name: str) -> bool:
        """Whether `destroy` left its mark: the whole slot was overwritten before it was unlinked."""
        return (self._record(_file(name, _MARK)) or {}).get("bytes") == SLOT_SIZE

    def entomb(self, name: str, record: Mapping[str, str | int]) -> None:
        """Say for good that `name` is to be destroyed and why; `record` holds no secret. The first record stays."""
        with self._locked() as folder:
            if not _entombed(folder, name):
                try:
                    _write_record(folder, _file(name, _TOMB), record)
                except OSError as error:
                    if error.errno not in _NO_ROOM or not _exists(folder, _file(name)):
                        raise
                    _write_inside(folder, _file(name), record)
            os.fsync(folder)

    def tombstone(self, name: str) -> dict[str, str | int] | None:
        """The record of `entomb`, or None."""
        record = self._record(_file(name, _TOMB))
        return _inside(None, str(self.folder / _file(name))) if record is None else record

    def names(self) -> list[str]:
        """Names that still have a slot file, sorted, those with a tombstone included."""
        return self._stems(_SLOT)

    def tombstones(self) -> list[str]:
        """Names that have a tombstone, sorted, whether or not the slot is still there."""
        found = set(self._stems(_TOMB))
        others = (name for name in self.names() if name not in found)
        return sorted(found.union(name for name in others if _inside(None, f"{self.folder}/{_file(name)}") is not None))

    def _record(self, file: str) -> dict[str, str | int] | None:
        try:
            record: dict[str, str | int] = json.loads((self.folder / file).read_text())
        except FileNotFoundError:
            return None
        return record

    def _stems(self, suffix: str) -> list[str]:
        files = os.listdir(self.folder)  # noqa: PTH208 - names alone, at a fraction of the cost, for every batch
        stems = (name.removesuffix(suffix) for name in files if name.endswith(suffix))
        return sorted(stem for stem in stems if _NAME.fullmatch(stem))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The folder's descriptor under an exclusive lock, held against threads and processes alike."""
        with opened(self.folder, os.O_RDONLY | os.O_DIRECTORY) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder

    def _whole(self, folder: int, file: str) -> bool:
        """Whether the slot is complete; `SealBroken` for one of another kind, which is not ours to destroy."""
        try:
            with opened(file, os.O_RDONLY, folder) as fd:
                size, magic = os.fstat(fd).st_size, os.pread(fd, MAGIC_SIZE, 0)
        except FileNotFoundError:
            return False
        if size < SLOT_SIZE or not any(magic):
            return False
        if magic != self._magic:
            raise SealBroken("The folder holds slots of another kind: is it the key ring of another party?")
        return True


def _file(name: str, ending: str = _SLOT) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not the name of a slot")
    return name + ending


def _exists(folder: int, file: str) -> bool:
    try:
        os.stat(file, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _put(fd: int, content: bytes) -> None:
    if os.pwrite(fd, content, 0) != len(content):
        raise OSError(errno.EIO, "the slot was written in part")
    os.fsync(fd)


def _overwrite(fd: int, content: bytes) -> None:
    _put(fd, content)
    if os.pread(fd, len(content), 0) != content:
        raise OSError(errno.EIO, "the slot still shows other bytes after it was overwritten")


def _write_record(folder: int, file: str, record: Mapping[str, str | int]) -> None:
    """Whole or not at all; the caller syncs the folder."""
    text = json.dumps(dict(record), ensure_ascii=False, indent=1) + "\n"
    try:
        with opened("draft", os.O_RDWR | os.O_CREAT | os.O_TRUNC, folder) as fd:
            _put(fd, text.encode())
        os.rename("draft", file, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink("draft", dir_fd=folder)
        raise


def _write_inside(folder: int, file: str, record: Mapping[str, str | int]) -> None:
    """Behind the key, in the slot's own block; whole or, after a crash within it, as if it were not there."""
    text = json.dumps(dict(record), ensure_ascii=False).encode()
    content = _INSIDE + u32be(len(text)) + sha256(text)[:8] + text
    if len(content) > SLOT_SIZE - SECTOR:
        raise ValueError("a tombstone has at most 3500 bytes")
    with opened(file, os.O_RDWR, folder) as fd:
        if os.pwrite(fd, content, SECTOR) != len(content):
            raise OSError(errno.EIO, "the tombstone was written in part")
        os.fsync(fd)


def _inside(folder: int | None, file: str) -> dict[str, str | int] | None:
    """The tombstone that stands in the slot, or None."""
    try:
        with opened(file, os.O_RDONLY, folder) as fd:
            content = os.pread(fd, SLOT_SIZE - SECTOR, SECTOR)
    except FileNotFoundError:
        return None
    head, length, digest = content[:8], int.from_bytes(content[8:12], "big"), content[12:20]
    text = content[20 : 20 + length]
    if head != _INSIDE or sha256(text)[:8] != digest:
        return None
    record: dict[str, str | int] = json.loads(text)
    return record


def _entombed(folder: int, name: str) -> bool:
    return _exists(folder, _file(name, _TOMB)) or _inside(folder, _file(name)) is not None


def _overwrite_key(folder: int, file: str) -> None:
    """The sector that holds magic and body; the tombstone behind it stays."""
    noise = bytes(MAGIC_SIZE) + random_bytes(SECTOR - MAGIC_SIZE)
    with opened(file, os.O_RDWR, folder) as fd:
        _overwrite(fd, noise)


def _destroy(folder: int, file: str, mark: str | None = None) -> None:
    """Overwrites what the file has and no more, so that a full disk never keeps a key alive."""
    try:
        with opened(file, os.O_RDWR, folder) as fd:
            noise = (bytes(MAGIC_SIZE) + random_bytes(SLOT_SIZE))[: os.fstat(fd).st_size]
            _overwrite(fd, noise)
    except FileNotFoundError:
        os.fsync(folder)  # it may have been unlinked by a process that died before this
        return
    if mark is not None:
        # On the disk before the name is removed: without it this would look like a slot that was only unlinked.
        _write_record(folder, mark, {"bytes": len(noise), "sha256": sha256(noise).hex()})
        os.fsync(folder)
    os.unlink(file, dir_fd=folder)
    os.fsync(folder)
    if _exists(folder, file):
        raise OSError(errno.EIO, "the slot is still there after it was unlinked")
