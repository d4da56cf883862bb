"""Writers of a folder take turns, in the order in which they came.

SQLite's own lock keeps them apart already, but a writer that finds it taken sleeps and looks again, longer each
time: of two busy processes one waited up to 1.5 s (measured). Here the kernel wakes the next one. It is about
waiting only: nothing breaks where a writer goes past it, and the kernel ends the turn of one that died.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checkin.errors import NotReady


class Turn:
    """flock(2) on the folder itself between processes, and a lock between the threads of this one."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._threads = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for its turn and has it while the block runs. Raises `NotReady` after `close`."""
        with self._threads:
            if self._descriptor < 0:
                raise NotReady("The service is stopping: try again in a moment.")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Ends after the turn that is taken; repeatable."""
        with self._threads:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's
