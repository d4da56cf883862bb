"""How far long work has come."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from checkin.clock import SystemClock

LINES: Final = 10  # so many where there is no terminal


class Progress:
    """A bar with the time left in a terminal, a line now and then without one. A context
    manager; inside it `reach` says how many of `total` are done."""

    def __init__(self, console: Console, total: int, unit: str) -> None:
        """`unit`: what is counted, in the plural."""
        self._console = console
        self._total = max(total, 1)
        self._unit = unit
        self._clock = SystemClock()
        self._begun = self._clock.boot()
        self._line = 0
        columns = (TextColumn("    {task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
        self._bars = Bars(*columns, console=console, transient=True) if console.is_terminal else None
        self._task = self._bars.add_task("", total=self._total, pace="") if self._bars else None

    def __enter__(self) -> Progress:
        shown: AbstractContextManager[Any] = self._bars or nullcontext()
        shown.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._bars:
            self._bars.__exit__(*error)

    def reach(self, done: int, where: str) -> None:
        """`done` units, and where that is in words."""
        if self._bars and self._task is not None:
            self._bars.update(self._task, completed=done, description=where, pace=self.pace(done))
        elif done * LINES >= (self._line + 1) * self._total:
            self._line = done * LINES // self._total
            self._console.print(f"    {where}: {self.pace(done)}", soft_wrap=True)

    def pace(self, done: int) -> str:
        """`512 of 1,640 batches and scans, 41 a second, 0:28 left`."""
        spent = max(self._clock.boot() - self._begun, 0.001)
        left = int(spent / max(done, 1) * (self._total - done))
        counted = f"{done:,} of {self._total:,} {self._unit}, {done / spent:.0f} a second"
        return f"{counted}, {left // 60}:{left % 60:02} left"
