"""Child processes: the one place that starts and stops them, for every command and for the tests.

A child never outlives us: it is stopped by `end`, or by itself when we have exited (`checkin/files/lifeline.py`).
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

from setproctitle import setproctitle

from checkin.files.durable import open_private
from checkin.files.lifeline import GRACE_SECONDS, end_with_supervisor

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_STDIN, _STDOUT, _STDERR = 0, 1, 2


@cache
def fork_server() -> ForkServerContext:
    """A process that has imported what services need, once, and holds nothing else: no key, no thread, no file of ours.
    Importing takes a service three times as long as all that it does until it answers."""
    context = multiprocessing.get_context("forkserver")
    services = [entry.module for entry in entry_points(group="checkin.services")]
    context.set_forkserver_preload(["checkin.cli.serve", "uvicorn.loops.auto", *services])
    # Our signals are not for it: it exits when we have, after the services, as it reports how they ended.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _run(arguments: Sequence[str], log: Path) -> None:
    """In the new process: `checkin` with these arguments, in a session of its own."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    setproctitle(shlex.join(["checkin", *arguments]))
    with os.fdopen(open_private(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as output:
        os.dup2(output.fileno(), _STDOUT)
        os.dup2(output.fileno(), _STDERR)
    os.dup2(os.open(os.devnull, os.O_RDONLY), _STDIN)
    sys.stdin = os.fdopen(_STDIN, closefd=False)  # uvicorn hands its number on to workers
    end_with_supervisor()
    sys.argv = ["checkin", *arguments]
    import_module("checkin.cli").main()


class Child:
    """One `checkin` command in a process of its own, and in a session of its own: Ctrl-C reaches only us."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """`log`: where its output is added."""
        self.log = log
        self._process = fork_server().Process(target=_run, args=(tuple(arguments), log.absolute()))
        self._process.start()
        assert self._process.pid  # noqa: S101 - it was started; 0 would be our own group
        self.pid = self._process.pid
        """Of the process, and of its session."""
        atexit.register(self.kill)  # otherwise our end would wait for its

    @property
    def ended(self) -> bool:
        return self._process.exitcode is not None

    @property
    def ending(self) -> str:
        status = self._process.exitcode or 0
        return f"signal {-status}" if status < 0 else f"status {status}"

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def kill(self) -> None:
        """End it and its workers at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # it may have no session of its own yet
        self._process.join()
        atexit.unregister(self.kill)


def end(children: Sequence[Child]) -> None:
    """All of them, together, in an orderly way where they let us."""
    for child in children:
        child._process.terminate()
    for child in children:
        child._process.join(GRACE_SECONDS)
        child.kill()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside it SIGTERM and SIGHUP end the command as Ctrl-C does: through every `finally`. SIGHUP that is ignored
    (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
