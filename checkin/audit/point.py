"""The lines of an audit: what was checked, of which party, the result, and what was seen (docs/spec/audit.md §2).

Public for good, so a line names no person, no place and no time finer than a day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from checkin.errors import NoteMalformed
from checkin.protocol.statement import CLOCK, Field, StatementType, many

MAX_EVIDENCE: Final = 300
_POINT: Final = Field("point", repeated=True)
SELF_AUDIT: Final = StatementType("checkin/self-audit/v1", "service", "day", _POINT, CLOCK)
AUDIT: Final = StatementType(
    "checkin/audit/v1",
    "service",
    "day",
    "result",
    "size",
    "root",
    "previous",
    Field("self-audit", repeated=True, optional=True),
    _POINT,
    CLOCK,
)
_LINE = re.compile(r"(pass|fail|not-run) ([a-z][a-z-]{0,40}) ([^ ]{1,255}) (.+)", re.DOTALL)
_PLAIN = re.compile(r"[^ -~–…]")


class PointResult(StrEnum):
    """The result of a line. `NOT_RUN` where it could not be checked; the evidence says what is missing."""

    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    NOT_RUN = "not-run"


@dataclass(frozen=True)
class Point:
    """One line. `evidence` is a sentence."""

    name: str
    service: str
    result: PointResult
    evidence: str

    def line(self) -> str:
        """`pass oldest-day registry.example The oldest day held is 2026-11-23.`"""
        return f"{self.result} {self.name} {self.service} {self.evidence}"

    @classmethod
    def read(cls, line: str) -> Point:
        """Inverse of `line`; raises `NoteMalformed`."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise NoteMalformed("A line of an audit is pass, fail or not-run, a point, a service and a sentence.")
        result, name, service, evidence = match.groups()
        return cls(name, service, PointResult(result), evidence)


def seen(name: str, service: str, faults: Iterable[str], good: str) -> Point:
    """A line that fails with what was found, or passes with `good`."""
    found = list(faults)
    if not found:
        return Point(name, service, PointResult.PASS, good)
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return Point(name, service, PointResult.FAIL, plain("; ".join(found[:3]) + more))


def not_run(name: str, service: str, missing: str) -> Point:
    """A line about something that could not be looked at."""
    return Point(name, service, PointResult.NOT_RUN, plain(missing))


def plain(text: str) -> str:
    """What may stand in a public line: printable ASCII, not too long."""
    text = " ".join(_PLAIN.sub("?", text).split())
    return text if len(text) <= MAX_EVIDENCE else text[: MAX_EVIDENCE - 1] + "…"


def overall(points: Iterable[Point]) -> PointResult:
    """Fails if any line fails; lines that were not run are counted beside."""
    return PointResult.FAIL if any(point.result is PointResult.FAIL for point in points) else PointResult.PASS


def points_of(values: Mapping[str, str | list[str]]) -> list[Point]:
    """The lines of a statement of either kind; raises `NoteMalformed`."""
    return [Point.read(line) for line in many(values, "point")]
