"""Who runs a deployment's folder: one process at a time, and it can be asked who."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checkin.errors import FolderInUse
from checkin.files.durable import open_private

LOCK: Final = "running.json"
_LONGEST: Final = 4096


@dataclass(frozen=True)
class Hold:
    """The folder is ours until the block ends. `unclean`: whoever had it before was killed, and its services may take
    some seconds more to end."""

    unclean: bool
    _descriptor: int

    def tell(self, addresses: Sequence[str]) -> None:
        """What somebody is told who wants the folder, too."""
        content = json.dumps({"pid": os.getpid(), "addresses": list(addresses)}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


@contextmanager
def held(folder: Path) -> Iterator[Hold]:
    """Raises `FolderInUse`, with who runs it, unless the folder is free. The kernel lets go when the holder dies."""
    path = folder / LOCK
    descriptor = _locked(path)
    try:
        hold = Hold(os.fstat(descriptor).st_size > 0, descriptor)
        hold.tell(())
        yield hold
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """A descriptor of the file that has this name, locked: between opening and locking its holder may remove it."""
    while True:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BlockingIOError:
            sentence = _who(os.pread(descriptor, _LONGEST, 0))
            os.close(descriptor)
            raise FolderInUse(f"The folder {path.parent} is run by {sentence}: end that, or choose another.") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _who(content: bytes) -> str:
    try:
        told = json.loads(content)
        pid, addresses = int(told["pid"]), [str(address) for address in told["addresses"]]
    except (ValueError, KeyError, TypeError):
        return "another process"
    return f"process {pid}" + (f" at {', '.join(addresses)}" if addresses else "")
