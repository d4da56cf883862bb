"""Periodic tasks of a service, and the threads that run them: no failure stops a thread (docs/operating.md).

A task runs once before anything is served, then by its period. Tasks of one *lane* share a thread and run in the order
in which they are given, so a task waits only for those of its own lane: destroying has a lane of its own, and what
queries other parties never holds up what needs the disk alone. Each thread looks after the others and starts those anew
that have ended, as do /readyz and /metrics.

Time is the boot clock's: a simulated or a wrong wall clock neither hides nor invents a task that hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from checkin.clock import STOPWATCH
from checkin.errors import CheckinError

PERIOD_SECONDS: Final = 20.0
SIMULATED_PERIOD_SECONDS = 1.0  # under a simulated clock, which may jump at any moment; other periods in proportion
LOOKS: Final = 10  # in such a period, whether the simulated clock shows another day: then everything is due at once
URGENT_PERIOD_SECONDS = 0.5
URGENT_SECONDS: Final = 60.0  # for so long what is new is urgent, then it comes by its period
LATE_SECONDS: Final = 300.0
JOIN_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 1.0  # after a loop that ended, so that one that always stops at once costs nothing
log = structlog.get_logger()


@dataclass(frozen=True)
class Task:
    """Work that is done again and again. `run` is repeatable; whatever it raises is reported and changes nothing."""

    name: str
    """As it stands in /readyz, in /metrics and in the log."""
    run: Callable[[], object]
    every: float = PERIOD_SECONDS
    urgent: Callable[[], bool] | None = None
    """While it says so the task is run every half second, under a simulated clock sooner."""
    lane: str = "disk"
    vital: bool = False
    """Whether the service is not ready while the task is late; otherwise that is a warning."""
    patience: float = LATE_SECONDS
    """It is late when its last good round is older than its period and this, in seconds."""
    at_start: bool = True
    """Whether nothing is served before it was tried once."""


class Tasks(Collector):
    """The tasks of one process. As a collector of Prometheus it gives the age of each one's last good round."""

    def __init__(self, tasks: Iterable[Task], simulated_day: Callable[[], int] | None = None) -> None:
        """`simulated_day`: which day a simulated clock shows, if the service has one."""
        self._tasks = tuple(tasks)
        self._simulated_day = simulated_day
        self._begun = STOPWATCH.boot()
        self._tried: dict[str, tuple[float, int]] = {}  # boot seconds, and the simulated day
        self._good: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._restarts = 0
        self._threads: dict[str, threading.Thread] = {}
        self._watching = threading.Lock()
        self._stopped = threading.Event()
        self._running = False

    def run_all(self) -> dict[str, str]:
        """What is done at start, once, in its order; the codes of what failed. A failure keeps nothing else from it."""
        tasks = [task for task in self._tasks if task.at_start]
        return {task.name: failure for task in tasks if (failure := self._attempt(task))}

    def start(self) -> None:
        self._running = True
        self.revive()

    def stop(self) -> None:
        """Stops the threads, and waits for what they are doing, but not for long."""
        self._stopped.set()
        for thread in list(self._threads.values()):
            thread.join(timeout=JOIN_SECONDS)

    def revive(self) -> None:
        """Starts every thread anew that has ended, by whatever."""
        with self._watching:
            for lane in dict.fromkeys(task.lane for task in self._tasks):
                known = self._threads.get(lane)
                if not self._running or self._stopped.is_set() or (known is not None and known.is_alive()):
                    continue
                self._restarts += known is not None
                thread = threading.Thread(target=self._live, args=(lane,), name=f"tasks-{lane}", daemon=True)
                self._threads[lane] = thread
                thread.start()

    def late(self) -> Iterator[tuple[Task, float, str]]:
        """Tasks without a good round for too long: seconds, and the code of what each failed with last, if it did."""
        self.revive()
        ages = self.ages()
        for task in self._tasks:
            if (age := ages[task.name]) > self._period(task) + task.patience:
                yield task, age, self._failures.get(task.name, "")

    def ages(self) -> dict[str, float]:
        """Seconds since each task's last good round; before the first, since the start."""
        now = STOPWATCH.boot()
        return {task.name: now - self._good.get(task.name, self._begun) for task in self._tasks}

    def collect(self) -> Iterator[Metric]:
        self.revive()
        ages = GaugeMetricFamily("checkin_task_age_seconds", "Since the last good round of a task.", labels=["task"])
        for name, age in self.ages().items():
            ages.add_metric([name], round(age))
        yield ages
        yield CounterMetricFamily("checkin_task_threads_restarted", "Threads started anew.", value=self._restarts)

    def _live(self, lane: str) -> None:
        tasks = [task for task in self._tasks if task.lane == lane]
        while not self._stopped.is_set():
            try:
                self._loop(tasks)
            except BaseException as error:  # also what is meant to end a thread: the next round must come
                _tell(log.error, "task_loop_failed", lane=lane, type=type(error).__name__)
                self._stopped.wait(_AGAIN_SECONDS)

    def _loop(self, tasks: Sequence[Task]) -> None:
        while not self._stopped.wait(self._left(tasks)):
            self.revive()
            for task in tasks:
                if not self._stopped.is_set() and self._due(task, self._day()) <= STOPWATCH.boot():
                    self._attempt(task)

    def _left(self, tasks: Sequence[Task]) -> float:
        """Seconds until one of them is due, or until the next look at a simulated clock."""
        today = self._day()
        left = max(0.0, min(self._due(task, today) for task in tasks) - STOPWATCH.boot())
        return min(left, SIMULATED_PERIOD_SECONDS / LOOKS) if self._simulated_day else left

    def _due(self, task: Task, today: int) -> float:
        tried, day = self._tried.get(task.name, (self._begun, 0))
        return self._begun if day != today else tried + self._pause(task)

    def _day(self) -> int:
        """As the simulated clock has it; the same all the time under a real one, or where it cannot be read."""
        with suppress(CheckinError):
            return self._simulated_day() if self._simulated_day else 1
        return 1

    def _period(self, task: Task) -> float:
        return task.every * SIMULATED_PERIOD_SECONDS / PERIOD_SECONDS if self._simulated_day else task.every

    def _pause(self, task: Task) -> float:
        period = self._period(task)
        if task.urgent is None:
            return period
        try:
            soon = SIMULATED_PERIOD_SECONDS / LOOKS if self._simulated_day else URGENT_PERIOD_SECONDS
            return soon if task.urgent() else period
        except Exception as error:  # the next round must come
            _tell(log.error, "urgency_not_known", task=task.name, type=type(error).__name__)
            return period

    def _attempt(self, task: Task) -> str:
        """What it failed with, '' if it did not."""
        self._tried[task.name] = (STOPWATCH.boot(), self._day())
        try:
            task.run()
        except CheckinError as error:
            failure, tell = error.code, log.warning
        except Exception as error:  # the next task must come
            failure, tell = type(error).__name__, log.error
        else:
            self._good[task.name] = STOPWATCH.boot()
            self._failures.pop(task.name, None)
            return ""
        self._failures[task.name] = failure
        _tell(tell, "task_failed", task=task.name, code=failure)
        return failure


def _tell(tell: Callable[..., Any], event: str, **values: object) -> None:
    """Logs a line, if it can be written: what cannot be logged must still be done."""
    with suppress(Exception):
        tell(event, **values)
