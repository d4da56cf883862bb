"""The plan of a town's visits: made from a seed alone, before any code or service is there.

People have one to three places of their own and an hour at which they like to be there; now and then they go somewhere
else. What the town knows of itself (`contacts`) is worked out from this plan, so it can be held against what a trace
finds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

DAY_MINUTES: Final = 1440
NEAR_MINUTES: Final = 120  # said here once more, so that the town's truth does not follow the code it judges
_OPENS, _CLOSES = 8 * 60, 22 * 60
_PAUSE: Final = 20  # minutes between two visits of a person
_OUTINGS: Final = (0, 1, 1, 2, 2, 3)  # a day, all equally likely
_ELSEWHERE: Final = 0.3
_TWICE, _FROZEN, _OUTAGE = 0.03, 0.03, 0.1
_FAMILIES: Final = ("Kim", "Lee", "Park", "Choi", "Jung", "Kang", "Cho", "Yoon", "Jang", "Lim")
_GIVEN: Final = ("Ji-woo", "Seo-yeon", "Min-jun", "Ha-eun", "Do-yun", "Seo-jun", "Ji-ho", "Su-bin", "Ye-jun", "Yu-na")
_KINDS: Final = ("Café", "Bookshop", "Library", "Gym", "Bakery", "Cinema", "Clinic", "Restaurant", "Church", "Office")


class Mishap(Enum):
    """What else happens at a door; in the end the person is in."""

    NONE = "none"
    TWICE = "twice"
    """The steward scans the same code once more, at another gate if there is one."""
    FROZEN = "frozen"
    """The phone shows a picture of half a minute ago first."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the town is, and the seed of everything in it."""

    people: int
    venues: int
    days: int
    seed: int


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """Person, venue and gate by number; `day` counts from the first one, `minute` from its midnight."""

    day: int
    minute: int
    who: int
    where: int
    gate: int
    mishap: Mishap = Mishap.NONE

    @property
    def moment(self) -> int:
        """Minutes since the first midnight."""
        return self.day * DAY_MINUTES + self.minute


Habit = list[tuple[int, int]]
"""The minute of the day at which one likes to be there, and the venue, of each of one's own places."""


class Plan:
    """All visits of all days, in order, and which gates are without a network for a day."""

    def __init__(self, size: Size) -> None:
        """The same size has the same plan, on every machine."""
        dice = random.Random(size.seed)  # noqa: S311 - a town's habits are no secret
        self.size = size
        self.people = [f"{dice.choice(_FAMILIES)} {dice.choice(_GIVEN)}" for _ in range(size.people)]
        self.venues = [f"{_KINDS[number % len(_KINDS)]} {number + 1}" for number in range(size.venues)]
        habits = [_habit(dice, size.venues) for _ in range(size.people)]
        self.days = [
            sorted(_day(dice, size, habits, day), key=lambda one: (one.minute, one.who)) for day in range(size.days)
        ]
        self.outages = {
            (day, where, gate) for day in range(size.days) for where, gate in self.gates() if dice.random() < _OUTAGE
        }

    def gates(self) -> list[tuple[int, int]]:
        """(venue, gate) of all doors."""
        return [(where, gate) for where in range(self.size.venues) for gate in range(gates_of(where))]

    def phone(self, who: int) -> str:
        """E.164."""
        return f"+8210{20_000_000 + who}"


def gates_of(where: int) -> int:
    """Every third venue has a back gate."""
    return 2 if where % 3 == 0 else 1


def contacts(plan: Plan, patient: int, first: int, last: int) -> set[int]:
    """The people with visits where the patient was from day `first` to `last`, from two hours before to two hours
    after. From the plan alone."""
    around = [visit for day in plan.days[max(0, first - 1) : last + 2] for visit in day]
    mine = [visit for visit in around if visit.who == patient and first <= visit.day <= last]
    found = set()
    for visit in mine:
        near = (other for other in around if other.where == visit.where)
        found |= {other.who for other in near if abs(other.moment - visit.moment) <= NEAR_MINUTES}
    return found - {patient}


def patient_of(plan: Plan, first: int, last: int) -> int:
    """The person with contacts nearest to half the town: then a trace can miss people, and can find too many."""
    half = plan.size.people / 2
    return min(range(plan.size.people), key=lambda who: abs(len(contacts(plan, who, first, last)) - half))


def _habit(dice: random.Random, venues: int) -> Habit:
    places = dice.sample(range(venues), min(venues, dice.randint(1, 3)))
    return [(dice.randrange(_OPENS, _CLOSES), place) for place in places]


def _day(dice: random.Random, size: Size, habits: list[Habit], day: int) -> Iterator[PlannedVisit]:
    for who, habit in enumerate(habits):
        latest = -_PAUSE
        for minute, where in sorted(_outing(dice, size, habit) for _ in range(dice.choice(_OUTINGS))):
            if minute - latest >= _PAUSE:
                yield PlannedVisit(day, minute, who, where, dice.randrange(gates_of(where)), _mishap(dice))
                latest = minute


def _outing(dice: random.Random, size: Size, habit: Habit) -> tuple[int, int]:
    """Minute and venue."""
    if dice.random() < _ELSEWHERE:
        return dice.randrange(_OPENS, _CLOSES), dice.randrange(size.venues)
    usual, place = dice.choice(habit)
    return min(max(usual + dice.randint(-30, 30), _OPENS), _CLOSES - 1), place


def _mishap(dice: random.Random) -> Mishap:
    chance = dice.random()
    if chance < _TWICE:
        return Mishap.TWICE
    return Mishap.FROZEN if chance < _TWICE + _FROZEN else Mishap.NONE
