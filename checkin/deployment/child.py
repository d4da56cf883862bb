"""Processes that we start: the one place that starts and ends them, for every command and for the tests.

A child never outlives us: it is ended by `end`, or by itself when we are gone (`checkin/service/lifeline.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from checkin.files.durable import open_private
from checkin.service.lifeline import GRACE_SECONDS

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class Child:
    """One `checkin` command in a process of its own, and in a session of its own: Ctrl-C reaches only us."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        """`arguments` of a command that knows `--end-with-stdin`; `log`: where its output is added."""
        self.log = log
        command = [sys.executable, "-P", "-m", "checkin", *arguments, "--end-with-stdin"]
        with os.fdopen(open_private(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Of the process, and of its session."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended, by whatever."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The last line of its output."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def wait(self, seconds: float) -> int:
        """Its exit status, negative for a signal; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it and its workers at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._close()

    def _close(self) -> None:
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _ask_to_end(self) -> None:
        self._process.terminate()

    def _await_end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_SECONDS)
        self.kill()


def end(children: Sequence[Child]) -> None:
    """All of them, together, in an orderly way where they let us."""
    for child in children:
        child._ask_to_end()
    for child in children:
        child._await_end()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside it SIGTERM and SIGHUP end the command as Ctrl-C does: through every `finally`. SIGHUP that somebody set
    aside (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
