"""Telling a story in a terminal: chapters, steps with a check or a cross, tables; plain lines without a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from checkin.clock import STOPWATCH
from checkin.errors import CheckinError
from checkin.shown import lines

WIDTH: Final = 100  # where there is no terminal
_INDENT: Final = "    "
T = TypeVar("T")


class Narrator:
    """Prints as it goes and remembers every step."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = WIDTH
        self.steps: list[dict[str, Any]] = []
        self._begun = STOPWATCH.boot()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return round(STOPWATCH.boot() - self._begun, 2)

    def summary(self) -> dict[str, Any]:
        """{ok, seconds, steps: [{name, ok, seconds}]}."""
        ok = bool(self.steps) and all(step["ok"] for step in self.steps)
        return {"ok": ok, "seconds": self.seconds, "steps": self.steps}

    def chapter(self, title: str, sentence: str) -> None:
        """A heading and the sentence under it."""
        self.console.print()
        self.console.print(Text(title, style="bold cyan"))
        self.console.print(Text(sentence, style="dim"), soft_wrap=not self.console.is_terminal)

    @contextmanager
    def step(self, name: str, happens: str, proves: str) -> Iterator[None]:
        """One thing that happens, and what it proves; a failure is printed, remembered and passed on."""
        begun = STOPWATCH.boot()
        ok = False
        try:
            yield
            ok = True
        finally:
            seconds = round(STOPWATCH.boot() - begun, 3)
            self.steps.append({"name": name, "ok": ok, "seconds": seconds})
            mark = Text("  ✓ ", style="bold green") if ok else Text("  ✗ ", style="bold red")
            line = Table.grid(Column(no_wrap=True), Column(), Column(no_wrap=True))
            line.add_row(mark, happens, Text(f"  {seconds:.2f} s", style="dim"))
            self.console.print(line)
            self.console.print(_indented(Text(proves, style="dim italic")))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        whole = (Column(name, overflow="fold") for name in columns)
        table = Table(*whole, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*(Text(lines(cell)) for cell in row))
        self.console.print()
        self.console.print(_indented(table))
        self.console.print()

    def block(self, text: str) -> None:
        """Something drawn, as it is: only where there is a terminal to look at it."""
        if self.console.is_terminal and self.console.width < max(map(len, text.split("\n"))):
            self.say("(The terminal is too narrow to draw the code; it is among the artifacts.)")
        elif self.console.is_terminal:
            self.console.print(Text(text, style="bright_white on black"), soft_wrap=True)

    def say(self, text: str) -> None:
        """Lines, broken between words at the terminal's width: a path or an address is copied in one piece."""
        for line in lines(text).splitlines():
            width = self.console.width - len(_INDENT) if self.console.is_terminal else len(line) + 1
            for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False):
                self.console.print(Text(_INDENT + part), soft_wrap=True)


def _indented(drawn: RenderableType) -> Padding:
    return Padding(drawn, (0, 0, 0, len(_INDENT)), expand=False)


class StoryFailedError(CheckinError):
    """A step of the story did not do what it should."""

    code = "story_failed"
    default = "A step of the demonstration failed."


def expect(found: T | None, sentence: str) -> T:
    """What is there, or holds; raises `StoryFailedError` with the sentence if it is not, or does not."""
    if not found:
        raise StoryFailedError(sentence)
    return found
