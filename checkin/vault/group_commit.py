"""Many check-ins in one commit: what waits while the disk is busy goes to it together.

One fsync costs the same for one row and for a thousand. A writer thread takes everything that waits, up to
`max_rows`, and commits it; a caller that waits on a future hears of it only after its commit is on the disk.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import structlog

from checkin.clock import STOPWATCH
from checkin.errors import NotReady
from checkin.vault.engines import Row
from checkin.vault.vault import Vault

PATIENCE_SECONDS: Final = 60.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _QueuedRow:
    day: int
    row: Row
    answer: Future[bool] = field(default_factory=Future)


class GroupCommit:
    """The one writer of a process into a vault. Thread-safe."""

    def __init__(self, vault: Vault, max_rows: int = 1000, max_waiting: int = 10_000) -> None:
        """At most `max_rows` in a commit; of more than `max_waiting` rows the next are refused."""
        self._vault = vault
        self._max_rows = max_rows
        self._queue: queue.Queue[_QueuedRow | None] = queue.Queue(max_waiting)
        self._closing = threading.Lock()
        self._closed = False
        self._writer = self._start()

    def submit(self, day: int, row: Row) -> Future[bool]:
        """True: the row is on the disk; False: its key was there already. The future raises what `Vault.insert`
        does: of two equal keys one is True, and an error reaches every row of its commit.

        Raises `NotReady` at once when too many wait or after `close`.
        """
        waiting = _QueuedRow(day, row)
        with self._closing:
            if self._closed:
                raise NotReady("The service is stopping: try again in a moment.")
            try:
                self._queue.put_nowait(waiting)
            except queue.Full:
                raise NotReady("Too many check-ins wait for the disk: try again in a moment.") from None
        return waiting.answer

    def check(self) -> None:
        """A periodic task: starts the writer anew if it has died; raises `NotReady` while what waits is not taken."""
        with self._closing:
            if not self._closed and not self._writer.is_alive():
                self._writer = self._start()
                log.error("writer_started_anew", writer="group-commit")
        if not self._queue.empty() and STOPWATCH.boot() - self._taken > PATIENCE_SECONDS:
            raise NotReady("The disk has not taken what waits for a minute: look at it.")

    def _start(self) -> threading.Thread:
        self._taken = STOPWATCH.boot()
        writer = threading.Thread(target=self._write, name="group-commit", daemon=True)
        writer.start()
        return writer

    def close(self) -> None:
        """Commits what waits, then stops; repeatable."""
        with self._closing:
            first, self._closed = not self._closed, True
        if first:
            self._queue.put(None)
        self._writer.join()

    def _write(self) -> None:
        going = True
        while going:
            taken = self._take()
            going = None not in taken
            by_day: dict[int, list[_QueuedRow]] = {}
            for waiting in taken:
                if waiting is not None and waiting.answer.set_running_or_notify_cancel():
                    by_day.setdefault(waiting.day, []).append(waiting)
            for day, together in by_day.items():
                self._commit(day, together)

    def _take(self) -> list[_QueuedRow | None]:
        """Waits for one, then takes what else is there. The None of `close` is always the last in the queue."""
        taken = [self._queue.get()]
        self._taken = STOPWATCH.boot()
        while len(taken) < self._max_rows and taken[-1] is not None:
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return taken

    def _commit(self, day: int, together: list[_QueuedRow]) -> None:
        try:
            added = self._vault.insert(day, [waiting.row for waiting in together])
        except BaseException as error:  # propagate any failure to all waiters
            for waiting in together:
                waiting.answer.set_exception(error)
            return
        for waiting, new in zip(together, added, strict=True):
            waiting.answer.set_result(new)
