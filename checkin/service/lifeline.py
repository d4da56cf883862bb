"""A process that ends when whoever started it is gone, also when that was killed and could end nothing itself.

The starter holds the other end of this process's standard input, which the kernel closes whatever the starter dies of.
Unlike Linux's parent-death signal that works on every system, whichever thread started the process, and has no moment
at the beginning at which a death goes unseen.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Final

GRACE_SECONDS: Final = 15.0  # the server gives requests ten
_STDIN: Final = 0


def end_with_stdin() -> None:
    """From now on this process ends when its standard input does."""
    threading.Thread(target=_watch_stdin, name="lifeline", daemon=True).start()


def end_with_supervisor() -> None:
    """In a worker process: from now on it ends when the process that started it does, if there is one."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_watch_supervisor, name="lifeline", daemon=True).start()


def _watch_stdin() -> None:
    with suppress(OSError):
        while os.read(_STDIN, 4096):
            pass
    _end()


def _watch_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()
        _end()


def _end() -> None:
    """In an orderly way, if that does not take too long."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
