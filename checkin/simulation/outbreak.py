"""An outbreak: an order about one ill person, executed as the authority executes any, and held against what the town
knows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from checkin.demo.investigation import execute, write_order
from checkin.keys.officers import load_signer
from checkin.orders.order import OrderRequest
from checkin.orders.part import MAX_ROWS
from checkin.simulation.plan import Plan, contacts, patient_of
from checkin.simulation.town import Town

LATEST_DAY: Final = 20  # by number: late enough for habits, early enough for the contacts to be told
_ASKED_DAYS: Final = 3


@dataclass(frozen=True)
class Outbreak:
    """The order's days by number, and people by number: whom it found, and who was there."""

    made: int
    first: int
    last: int
    patient: int
    found: frozenset[int]
    true: frozenset[int]

    @property
    def precision(self) -> float:
        """How many of those who were found were there."""
        return len(self.found & self.true) / len(self.found) if self.found else 1.0

    @property
    def recall(self) -> float:
        """How many of those who were there were found."""
        return len(self.found & self.true) / len(self.true) if self.true else 1.0

    def summary(self) -> dict[str, Any]:
        """For programs; nobody's name."""
        return {
            "day": self.made,
            "about": [self.first, self.last],
            "contacts": len(self.true),
            "found": len(self.found),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
        }


def day_of_outbreak(plan: Plan) -> int:
    """In the evening of this day the order is made."""
    return min(plan.size.days - 1, LATEST_DAY)


def break_out(town: Town) -> Outbreak:
    """Today's order about the days before: everything that was queued on them has been uploaded."""
    made = day_of_outbreak(town.plan)
    last = max(0, made - 1)
    first = max(0, last - _ASKED_DAYS + 1)
    patient = patient_of(town.plan, first, last)
    start = town.stage.day
    wish = OrderRequest(
        case="town-1",
        purpose="contacts of a person with measles",
        basis="Infectious Disease Control and Prevention Act, Article 76-2",
        limit=MAX_ROWS,
        phone=town.plan.phone(patient),
        days=(start + first, start + last),
    )
    folder = write_order(town.stage, "order", wish)
    folder.sign([load_signer(path) for path in town.stage.deployment.officers()[:2]])
    result = execute(town.stage, folder)
    who = {town.plan.phone(number): number for number in range(town.plan.size.people)}
    found = frozenset(who[person.phone] for person in result.people)
    return Outbreak(made, first, last, patient, found, frozenset(contacts(town.plan, patient, first, last)))
