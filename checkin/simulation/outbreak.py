"""An order about an ill person of the town, executed as the authority executes any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from checkin.clock import STOPWATCH
from checkin.demo.investigation import MEASLES
from checkin.demo.stage import execute, write_order
from checkin.keys.officer_folder import load_signer
from checkin.orders.part import MAX_ROWS
from checkin.simulation.plan import Plan, contacts, patient_of
from checkin.simulation.town import Town

FIRST_DAY: Final = 20  # by number: late enough for habits, early enough for the contacts' access notices
_EVERY_DAYS: Final = 7
_ASKED_DAYS: Final = 3


@dataclass(frozen=True)
class Outbreak:
    """An order about one ill person, held against what the town knows of itself. The order's days by number, and people
    by number: those it found, and those who were there."""

    made: int
    first: int
    last: int
    found: frozenset[int]
    true: frozenset[int]
    seconds: float
    """From the two signatures to the people."""

    @property
    def precision(self) -> float:
        return len(self.found & self.true) / len(self.found) if self.found else 1.0

    @property
    def recall(self) -> float:
        return len(self.found & self.true) / len(self.true) if self.true else 1.0

    def summary(self) -> dict[str, Any]:
        """For programs; without names."""
        return {
            "day": self.made,
            "about": [self.first, self.last],
            "contacts": len(self.true),
            "found": len(self.found),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "seconds": round(self.seconds, 2),
        }


def days_of_outbreaks(plan: Plan) -> range:
    """In the evenings of these days orders are made."""
    return range(min(plan.size.days - 1, FIRST_DAY), plan.size.days, _EVERY_DAYS)


def break_out(town: Town, made: int) -> Outbreak:
    """Today's order about the days before: everything that was queued on them has been uploaded."""
    last = max(0, made - 1)
    first = max(0, last - _ASKED_DAYS + 1)
    patient = patient_of(town.plan, first, last)
    start = town.stage.day
    phone, days = town.plan.phone(patient), (start + first, start + last)
    request = replace(MEASLES, case=f"town-{made}", limit=MAX_ROWS, phone=phone, days=days)
    folder, begun = write_order(town.stage, f"order-{made}", request), STOPWATCH.boot()
    folder.sign([load_signer(path) for path in town.stage.deployment.officers()[:2]])
    result = execute(town.stage, folder)
    took = STOPWATCH.boot() - begun
    who = {town.plan.phone(number): number for number in range(town.plan.size.people)}
    found = frozenset(who[person.phone] for person in result.people)
    return Outbreak(made, first, last, found, frozenset(contacts(town.plan, patient, first, last)), took)
