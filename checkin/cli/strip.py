"""Days as lines of blocks: what is held and how full it is, what was destroyed, what is overdue. Every state has a sign
of its own, a colour where the terminal has colours, and its word and number in the line below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from checkin.audit.words import STATES
from checkin.shown import shown

COLUMNS: Final = 30  # with the first and last date it fits a terminal of 60
FULL: Final = 8
_FILLED: Final = " ▁▂▃▄▅▆▇█"
_SIGNS: Final = {
    "held": _FILLED[FULL],
    "destroyed": "░",
    "early": "▓",
    "late": "▒",
    "awaited": "◇",
    "missing": "✗",
    "overdue": "✗",
    "none": "·",
}
_WORDS: Final = {state: words[0] for state, words in STATES.items()} | {"overdue": "overdue and still held"}
_STYLES: Final = {
    "held": "cyan",
    "destroyed": "dim",
    "early": "yellow",
    "late": "yellow",
    "awaited": "yellow",
    "missing": "bold red",
    "overdue": "bold red",
}


@dataclass(frozen=True)
class DrawnDay:
    """A day (ISO date), its state, and how full it is, 1 to 8, if it is held."""

    day: str
    state: str
    filled: int = FULL


def levels(rows: Mapping[str, int]) -> dict[str, int]:
    """Eighths of the fullest day; whatever holds anything, and a day that holds nothing, shows."""
    fullest = max(rows.values(), default=0)
    return {day: max(1, round(FULL * count / fullest)) if fullest else 1 for day, count in rows.items()}


def draw_days(out: Console, name: str, days: Sequence[DrawnDay]) -> None:
    """The days of one service, oldest first, and what the signs mean."""
    out.print(shown(name))
    for at in range(0, len(days), COLUMNS):
        part = days[at : at + COLUMNS]
        line = Text(f"  {part[0].day} ")
        for day in part:
            sign = _FILLED[day.filled] if day.state == "held" else _SIGNS[day.state]
            line.append(sign, _STYLES.get(day.state, ""))
        out.print(line.append(f" {part[-1].day}"), soft_wrap=True)
    counts = Counter(day.state for day in days)
    told = [f"{_SIGNS[state]} {counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    out.print("  " + "   ".join(told), soft_wrap=True)
