"""Ends a process when its parent has died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from functools import cache
from multiprocessing.process import BaseProcess
from typing import Final

GRACE_SECONDS: Final = 30.0  # the server gives requests ten, and may first wait for a worker that is silent


@cache
def end_with_supervisor() -> None:
    """From now on this process exits when the process that started it does, if there is one, also when that was killed
    and could end nothing itself.

    The parent holds the other end of a pipe of this process, which the kernel closes whatever the parent dies of.
    Unlike Linux's parent-death signal that works on every system, whichever thread started the process, and has no
    moment at the beginning at which a death goes unseen.
    """
    if supervisor := multiprocessing.parent_process():
        threading.Thread(target=_watch, args=(supervisor,), name="lifeline", daemon=True).start()


def _watch(supervisor: BaseProcess) -> None:
    """Ends this process after that one, in an orderly way if that does not take too long."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
