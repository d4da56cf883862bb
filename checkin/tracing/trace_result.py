"""What a trace found, for a person and for programs: CSV, JSON, and a page that prints on A4."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, Final

from checkin.orders.order import Order
from checkin.orders.part import BATCHES, STEPS
from checkin.protocol.statement import one
from checkin.shown import FORMULA
from checkin.templates import template

_FORMULA: Final = FORMULA | set("\t\r\n")


@dataclass(frozen=True)
class TracedContact:
    """A person in the room: when (local date; the time, where the registry answers it), minutes from the patient."""

    name: str
    phone: str
    place: str
    date: str
    time: str
    minutes_apart: str
    issuer: str
    notice: str
    """The number that the person's own notice will bear."""


@dataclass(frozen=True)
class PatientVisit:
    """Where the patient was, and when (RFC 3339, to the minute)."""

    name: str
    time: str


@dataclass(frozen=True)
class AskedStep:
    """A query to a party: what for, what it did not learn, and how much went each way."""

    audience: str
    asked: str
    not_told: str
    items: int
    rows: int


@dataclass(frozen=True)
class FailedStep:
    """A party that failed at a query, with a stable code and a sentence."""

    audience: str
    asked: str
    code: str
    reason: str


@dataclass(frozen=True)
class TraceResult:
    """A finished trace. `unopened`: seals that did not open; `unknown`: people that their issuer knows no more;
    `gone`: dates that were destroyed before the order was executed."""

    order: Order
    people: list[TracedContact]
    places: list[PatientVisit]
    asked: list[AskedStep]
    unopened: int
    unknown: int
    gone: list[str]
    failed: list[FailedStep] = field(default_factory=list)
    """Missing answers: the same order fetches them again."""

    @property
    def without_batches(self) -> list[str]:
        """Issuers with nothing of the person: no account there has the number, or took a code in these days."""
        return [step.audience for step in self.asked if step.asked == STEPS[BATCHES].told and not step.rows]

    def csv(self) -> str:
        """RFC 4180 with a header; every cell quoted, and none begins like a formula."""
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(column.name for column in fields(TracedContact))
        writer.writerows(map(neutral, astuple(person)) for person in self.people)
        return out.getvalue()

    def json(self) -> dict[str, Any]:
        """Everything, as it was said."""
        about = {name: one(self.order.values, name) for name in ("order", "kind", "case", "purpose")}
        return about | {name: value for name, value in asdict(self).items() if name != "order"}

    def html(self) -> str:
        """A page of its own, without scripts or anything to fetch; prints on A4."""
        return template("trace.html").render(result=self, order=self.order.values)


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (names with formulas reached health offices in 2021)."""
    return f"'{cell}" if cell[:1] in _FORMULA else cell


def merge(people: Iterable[TracedContact]) -> list[TracedContact]:
    """One line for a person, place and day: the one nearest to the patient; by place, date, time, name."""
    nearest: dict[tuple[str, str, str, str], TracedContact] = {}
    for person in people:
        key = (person.phone, person.name, person.place, person.date)
        if key not in nearest or int(person.minutes_apart or 0) < int(nearest[key].minutes_apart or 0):
            nearest[key] = person
    return sorted(nearest.values(), key=lambda person: (person.date, person.time, person.place, person.name))
