"""Locks for one person at a time, among threads and processes, without a lock for everybody.

A person's key picks one of 256 bytes of a file; whoever holds that byte works for that person (and now and then
somebody else waits for the same byte). Nothing is written: the file says nothing about anybody.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from checkin.files.durable import open_private

_STRIPES: Final = 256


class Stripes:
    """Record locks (fcntl(2)) between processes, a lock of its own between the threads of one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        self._threads = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def held(self, key: bytes) -> Iterator[None]:
        """Waits for its turn; `key` is a hash, so that its first byte is evenly spread. Not reentrant."""
        stripe = key[0]
        with self._threads[stripe]:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, stripe)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, stripe)

    def close(self) -> None:
        """Gives back the file."""
        os.close(self._descriptor)
