"""An outbreak whose ground truth is worked out from the schedule alone, and what tracing finds of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlite_utils

from tests.support.deployment_in_threads import SECOND, Country, Person, country, person_order, venue_order
from tests.support.registry_service import Enrolled
from tests.support.service_folder import CALENDAR, DAY

PEOPLE, VENUES = 22, 4


@dataclass(frozen=True)
class Visited:
    """One line of the schedule: who, where, and when, as numbers."""

    who: int
    where: int
    minute: int
    """Since the first day's midnight."""


def schedule(seed: int) -> list[Visited]:
    """Two days: everybody goes somewhere a few times, also shortly before and after midnight."""
    dice = random.Random(seed)
    visits = {(0, where, minute) for where, minute in ((0, 700), (1, 1435), (2, 1500), (0, 2500))}
    for who in range(1, PEOPLE):
        for _ in range(dice.randint(1, 4)):
            minute = dice.choice([dice.randrange(480, 1200), dice.randrange(1300, 1600)])
            visits.add((who, dice.randrange(VENUES), minute))
            visits.add((who, dice.randrange(VENUES), dice.randrange(1440 + 480, 2880 - 60)))
    # The edges of two hours: in, in, out, out.
    visits |= {(1, 0, 700 - 120), (2, 0, 700 + 120), (3, 0, 700 - 121), (4, 0, 700 + 121)}
    return sorted((Visited(*visit) for visit in visits), key=lambda visit: visit.minute)


def contacts(visits: list[Visited], patient: int) -> set[int]:
    """Who was at the same place within two hours of the patient. Shares nothing with the code under test."""
    found = set()
    for mine in visits:
        for other in visits:
            near = mine.who == patient != other.who and mine.where == other.where
            if near and abs(mine.minute - other.minute) <= 120:
                found.add(other.who)
    return found


@dataclass(frozen=True)
class Outbreak:
    """What happened, and to whom."""

    country: Country
    people: list[Person]
    doors: list[Enrolled]
    visits: list[Visited]

    def phones(self, who: set[int]) -> set[str]:
        """Of people by number."""
        return {self.people[number].phone for number in who}


@pytest.fixture(scope="module")
def outbreak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outbreak]:
    """Half of the people are with each issuer; every visit is a code at a door."""
    midnight = CALENDAR.start(DAY)
    with country(tmp_path_factory.mktemp("outbreak") / "c", midnight + 6 * 3600) as made:
        people = [made.person("issuer" if number % 2 else SECOND) for number in range(PEOPLE)]
        doors = [made.door(f"Venue {number}") for number in range(VENUES)]
        for person in people:  # tomorrow's batch is taken today, as wallets do
            person.fetch(DAY)
            person.fetch(DAY + 1)
        visits = schedule(5)
        for visit in visits:
            made.visit(people[visit.who], doors[visit.where], midnight + 60 * visit.minute + 30)
        made.set(midnight + 2 * 86400 - 60)
        yield Outbreak(made, people, doors, visits)


def test_everybody_who_was_near_the_patient_is_found_and_nobody_else(outbreak: Outbreak) -> None:
    """Precision and recall are 1.0, over two issuers, two days and a midnight."""
    result = outbreak.country.trace("person", person_order(outbreak.people[0], DAY, DAY + 1))
    truth = contacts(outbreak.visits, 0)
    assert 5 < len(truth) < PEOPLE - 1
    assert {person.phone for person in result.people} == outbreak.phones(truth)
    assert {1, 2} <= truth
    names = {person.phone: person.name for person in outbreak.people}
    assert all(person.name == names[person.phone] for person in result.people)
    assert (result.unopened, result.unknown, result.gone) == (0, 0, [])
    assert sorted(place.name for place in result.places) == ["Venue 0", "Venue 0", "Venue 1", "Venue 2"]


def test_everybody_is_a_patient_once_and_is_traced_exactly(outbreak: Outbreak) -> None:
    """Not one lucky patient: several, with their own places."""
    for patient in (3, 8, 13):
        wish = person_order(outbreak.people[patient], DAY, DAY + 1)
        found = {person.phone for person in outbreak.country.trace(f"person-{patient}", wish).people}
        assert found == outbreak.phones(contacts(outbreak.visits, patient))


def test_everybody_who_was_at_a_venue_in_its_hours_is_found_and_nobody_else(outbreak: Outbreak) -> None:
    """Also around midnight, where two service days meet."""
    midnight = CALENDAR.start(DAY)
    for name, where, first, last in (("noon", 0, 600, 840), ("midnight", 1, 1320, 1560)):
        wish = venue_order(outbreak.doors[where], midnight + 60 * first, midnight + 60 * last)
        result = outbreak.country.trace(f"venue-{name}", wish)
        truth = {visit.who for visit in outbreak.visits if visit.where == where and first <= visit.minute <= last}
        assert truth
        assert {person.phone for person in result.people} == outbreak.phones(truth)
        assert {person.place for person in result.people} == {f"Venue {where}"}


def test_who_met_the_patient_around_midnight_is_found_by_an_order_about_one_day(outbreak: Outbreak) -> None:
    """The contact's code was of the day before the only one that the order is about."""
    result = outbreak.country.trace("one-day", person_order(outbreak.people[0], DAY + 1, DAY + 1))
    own = [visit for visit in outbreak.visits if visit.who == 0 and visit.minute >= 1440]
    pairs = [(mine, other) for mine in own for other in outbreak.visits if other.who != 0 and mine.where == other.where]
    near = [other for mine, other in pairs if abs(mine.minute - other.minute) <= 120]
    assert any(other.minute < 1440 for other in near)
    assert {person.phone for person in result.people} == outbreak.phones({other.who for other in near})


def test_z_recall_falls_when_one_row_of_the_ledger_is_dropped(outbreak: Outbreak) -> None:
    """So that a perfect score says something: an issuer that loses a row hides people. Last, because it breaks."""
    wish = person_order(outbreak.people[0], DAY, DAY + 1)
    before = {person.phone for person in outbreak.country.trace("before", wish).people}
    issuer = outbreak.country.apps[SECOND].state.issuer
    (subject,) = issuer.identities.subjects_of(outbreak.people[0].phone)
    group = issuer.vault.mac(DAY, subject.to_bytes(8, "big"))
    path: Path = outbreak.country.deployment.folder / SECOND / "data" / "ledger" / f"day-{DAY}.db"
    with closing(sqlite_utils.Database(path)) as database, database.conn:
        assert database.execute('DELETE FROM "rows" WHERE "group" = ?', [group]).rowcount == 1
    after = {person.phone for person in outbreak.country.trace("after", wish).people}
    assert after < before
