"""Files for their owner alone, whole or not there, also after a power cut; private folders; locks between processes.

Every file of a party is made here: mode 0600, never through a link that another user has put in its place. The umask
of our processes (keys/hardening) is the second line, for what libraries make.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from checkin.errors import FileTrouble, FolderInUse, SettingsInvalid
from checkin.protocol.primitives import random_bytes
from checkin.shown import shown

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
SECTOR: Final = 512
_SECRETS: Final = (".key", ".token")
_SHARE: Final = "share.txt"


def file_trouble(error: OSError) -> FileTrouble:
    """The error that a person sees: which file, and what the system said."""
    name = f" {shown(error.filename)}" if error.filename else ""
    return FileTrouble(f"The file{name} could not be read or written: {error.strerror or 'unknown reason'}.")


def sync_folder(folder: Path) -> None:
    """Makes new and removed names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """The file has this content and nothing else, on disk when this returns. Never for a key: the old bytes stay."""
    draft = _draft(path, content)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create_file(path: Path, content: bytes) -> bool:
    """As `replace_file`, but the first writer wins: False if the file is there already."""
    draft = _draft(path, content)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        draft.unlink(missing_ok=True)
        sync_folder(path.parent)


def overwrite_file(path: Path, content: bytes) -> None:
    """As `replace_file`, but in place: once the file is there it takes no free space, so it works on a full disk.

    `content` fits a sector, which a disk writes whole or not at all; it is filled up with blanks. A reader without a
    lock may see a mixture meanwhile.
    """
    if len(content) > SECTOR:
        raise ValueError("what is overwritten in place fits a sector")
    content = content.ljust(SECTOR)
    try:
        write_over(path, content)
    except FileNotFoundError:
        replace_file(path, content)


def write_over(path: Path, content: bytes) -> None:
    """So many first bytes of a file that is there, in place, on disk when this returns; `FileNotFoundError`."""
    with opened(path, os.O_WRONLY) as descriptor:
        if os.pwrite(descriptor, content, 0) != len(content):
            raise OSError(errno.EIO, "the file was written in part", str(path))
        os.fsync(descriptor)


def open_private(path: Path | str, flags: int, folder: int | None = None) -> int:
    """A descriptor of the file, which is made with mode 0600; `OSError` where a link stands in its place. `folder`: the
    descriptor of the one that the path begins in."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=folder)


@contextmanager
def opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    """The descriptor of `open_private`, closed when the block ends."""
    descriptor = open_private(path, flags, folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Writes a file that is not there yet, mode 0600; on the disk when the block ends."""
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def make_private(path: Path) -> None:
    """An empty file with mode 0600 unless there is a file, which only gets that mode: nothing of it is opened.

    For databases: closing a descriptor of our own would drop SQLite's locks (sqlite.org/howtocorrupt.html §2.2).
    """
    try:
        os.close(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        require_private(path)


def private_folder(folder: Path) -> None:
    """Makes the folder, mode 0700, unless it is there; one that others can enter is closed to them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(folder)


def require_private(path: Path) -> bool:
    """Takes others' rights on the file or folder away; whether they had any. Raises `SettingsInvalid`, with what to
    run, when that is not ours to do."""
    mode = path.stat().st_mode
    if not mode & _OTHERS:
        return False
    try:
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except OSError:
        wanted = 700 if stat.S_ISDIR(mode) else 600
        raise SettingsInvalid(f"Others can read {path}: run chmod {wanted} on it.") from None
    return True


def secret_text(path: Path, wrong: str, encoding: str = "ascii") -> str:
    """What a secret file holds, without blanks at its ends. Raises `SettingsInvalid` with `wrong`, or where others can
    read the file."""
    try:
        refuse_public(path)
        return path.read_text(encoding=encoding).strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(wrong) from None


def refuse_public(path: Path) -> None:
    """Raises `SettingsInvalid`, with what to run, when others can read the file: for secrets that people bring."""
    if path.stat().st_mode & _OTHERS:
        raise SettingsInvalid(f"Others can read the secret file {path.name}: run chmod 600 {path}")


def close_folder(folder: Path) -> int:
    """Makes the folder and all in it private; how many files and folders others had rights on.

    Links are left alone, and secrets: reading one refuses it, because others may have read it. Folders of another
    user are closed, but not what is in them: that user could put a link in its place meanwhile.
    """
    private_folder(folder)
    return sum(_close(path) for path in _inside(folder, folder.stat().st_uid))


def _inside(folder: Path, owner: int) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        yield from (Path(where) / name for name in [*folders, *files])
        folders[:] = [name for name in folders if _owner(Path(where) / name) == owner]


def _owner(folder: Path) -> int | None:
    try:
        return folder.lstat().st_uid
    except FileNotFoundError:  # another process has just removed it
        return None


def _close(path: Path) -> bool:
    try:
        secret = path.suffix in _SECRETS or path.name == _SHARE
        return not secret and not path.is_symlink() and require_private(path)
    except FileNotFoundError:  # another process has just removed it
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One holder at a time among threads and processes; the kernel lets go when the holder dies (flock(2))."""
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def hold_shared(path: Path) -> int:
    """A descriptor that keeps `held_alone` off until it is closed, or its process exits; raises `FolderInUse`."""
    return _held(path, fcntl.LOCK_SH)


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Holds the file exclusively; raises `FolderInUse` at once when another process holds it."""
    descriptor = _held(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _held(path: Path, how: int) -> int:
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUse(f"Another process runs {path.parent}: end it first, or wait until it is done.") from None
    return descriptor


def locked_beside(path: Path) -> AbstractContextManager[None]:
    """`locked` for a file that is replaced while it is held: the lock is a file beside it."""
    return locked(path.with_name(path.name + ".lock"))


@contextmanager
def locked_if_possible(path: Path) -> Iterator[None]:
    """As `locked`, but without a lock where its file cannot be made: for what must be done on a full disk, too, and can
    be repeated."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(locked(path))
        yield


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{random_bytes(8).hex()}.new")
    with new_file(draft) as file:
        file.write(content)
    return draft
