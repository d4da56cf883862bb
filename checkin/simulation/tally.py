"""What happened in the town, counted as it happens, and how long each part of it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from checkin.clock import SystemClock
from checkin.parties.scanner import ScanResult

_STOPWATCH = SystemClock()


@dataclass
class Tally:
    """`scans`: codes held before a scanner. Each is accepted, refused, or in a queue until it is uploaded."""

    batches: int = 0
    scans: int = 0
    accepted: int = 0
    conflicts: int = 0
    queued: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    told: set[int] = field(default_factory=set)
    """Who learned from a later batch that an order had found them."""
    hours: Counter[int] = field(default_factory=Counter)
    """Scans by the hour of the day."""
    seconds: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds what it takes to the part's seconds."""
        begun = _STOPWATCH.boot()
        try:
            yield
        finally:
            self.seconds[part] += _STOPWATCH.boot() - begun  # type: ignore[assignment]  # a Counter adds any number

    def scanned(self, minute: int, results: list[str]) -> None:
        """What scanners said in a minute of the day: results, or codes of refusals."""
        self.scans += len(results)
        self.hours[minute // 60] += len(results)
        for result in results:
            if result == ScanResult.QUEUED:
                self.queued += 1
            elif result in (ScanResult.ACCEPTED, ScanResult.REPEATED):
                self.accepted += 1
            else:
                self.refused[result] += 1

    def uploaded(self, results: list[dict[str, str]]) -> None:
        """The registry's answers to a queue."""
        for result in results:
            self.queued -= 1
            if result["result"] in ("accepted", "repeated"):
                self.accepted += 1
            elif result["result"] == "conflict":
                self.conflicts += 1
            else:
                self.refused[result["code"]] += 1

    def rate(self, number: int, part: str) -> float:
        """A second, of a part."""
        return round(number / self.seconds[part], 1) if self.seconds[part] else 0.0

    def summary(self) -> dict[str, Any]:
        """The counts, and how many a second."""
        return {
            "batches": self.batches,
            "check_ins": self.scans,
            "accepted": self.accepted,
            "refused": dict(sorted(self.refused.items())),
            "conflicts": self.conflicts,
        }
