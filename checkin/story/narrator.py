"""Telling a story in a terminal: chapters, steps with a check or a cross, tables; plain lines without a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checkin.clock import SystemClock
from checkin.errors import CheckinError


@dataclass
class Step:
    """What `summary.json` says of a step."""

    name: str
    ok: bool
    seconds: float


class Narrator:
    """Prints as it goes and remembers every step."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.steps: list[Step] = []
        self._clock = SystemClock()
        self._begun = self._clock.boot()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return round(self._clock.boot() - self._begun, 2)

    def summary(self) -> dict[str, Any]:
        """{ok, seconds, steps: [{name, ok, seconds}]}."""
        ok = bool(self.steps) and all(step.ok for step in self.steps)
        return {"ok": ok, "seconds": self.seconds, "steps": [asdict(step) for step in self.steps]}

    def chapter(self, title: str, sentence: str) -> None:
        """A heading and the sentence under it."""
        self.console.print()
        self.console.print(Text(title, style="bold cyan"))
        self.console.print(Text(sentence, style="dim"))

    @contextmanager
    def step(self, name: str, happens: str, proves: str) -> Iterator[None]:
        """One thing that happens, and what it proves; a failure is printed, remembered and passed on."""
        begun = self._clock.boot()
        ok = False
        try:
            yield
            ok = True
        finally:
            seconds = round(self._clock.boot() - begun, 3)
            self.steps.append(Step(name, ok, seconds))
            mark = Text("  ✓ ", style="bold green") if ok else Text("  ✗ ", style="bold red")
            self.console.print(mark + Text(happens) + Text(f"  {seconds:.2f} s", style="dim"))
            self.console.print(Text(f"    {proves}", style="dim italic"))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """What something holds."""
        table = Table(*columns, title=title, title_justify="left", title_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (1, 0, 1, 4)))

    def block(self, text: str) -> None:
        """Something drawn, as it is: only where there is a terminal to look at it."""
        if self.console.is_terminal and self.console.width < max(map(len, text.split("\n"))):
            self.say("(The terminal is too narrow to draw the code; it is among the artifacts.)")
        elif self.console.is_terminal:
            self.console.print(Text(text, style="black on white"), soft_wrap=True)

    def say(self, text: str) -> None:
        """A line."""
        self.console.print(Text(f"    {text}"), soft_wrap=True)


class StoryFailedError(CheckinError):
    """A step of the story did not do what it should."""

    code = "story_failed"
    default = "A step of the demonstration failed."


def expect(condition: object, sentence: str) -> None:
    """Raises `StoryFailedError` with the sentence unless the condition holds."""
    if not condition:
        raise StoryFailedError(sentence)
