"""Second uses of a code: whoever uploads first hides nobody's true place, and nobody can fill a day with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from checkin.files.tables import SqliteTables
from checkin.orders.part import CONTACTS, VISITS
from checkin.orders.rows import ListedVisit, PlaceRow, VenueRow, VisitRow
from checkin.protocol.primitives import random_bytes
from checkin.service.identity import ServiceIdentity
from checkin.service.time_peers import clock_guard
from checkin.vault.visit import CONFLICT, CONFLICTS, Visit, open_visit
from tests.support.orders import part_of, person_order, venue_order
from tests.support.registry_service import Enrolled, Phone, sealed, upload
from tests.support.service_folder import CALENDAR, DAY, NOON
from tests.venue.conftest import Scene
from tests.venue.test_checkins import vault_of
from tests.venue.test_scan_batches import entry, flags
from venue.checkins import Visits
from venue.database import REGISTRY
from venue.order_steps import Traces
from venue.settings import VenueSettings


@contextmanager
def traces(scene: Scene) -> Iterator[Traces]:
    """What the registry would answer, without an order's signatures around it."""
    party = ServiceIdentity(VenueSettings.load(scene.registry.config), scene.registry.clock)
    vault = vault_of(scene.registry)
    database = SqliteTables(party.data, REGISTRY)
    try:
        yield Traces(party, clock_guard(party), vault, database)
    finally:
        vault.store.close()
        database.close()


def queued(scene: Scene, at: Enrolled, phone: Phone, moment: float) -> str:
    """A scan at another venue's door."""
    return sealed(at, scene.intake, phone.bytes_at(moment), moment)


def places_of(scene: Scene, phone: Phone) -> list[tuple[int, str]]:
    """Minute and venue of every place that a person's order finds for a code."""
    part = part_of(person_order(DAY, DAY), CONTACTS)
    with traces(scene) as found:
        rows = found.contacts(part, [ListedVisit(phone.issuer.number, DAY, phone.visit_id).line()]).rows
    places = [PlaceRow.read(row) for row in rows if row.startswith("place ")]
    return [(place.minute, place.venue.hex()) for place in places]


def visits_at(scene: Scene, at: Enrolled) -> list[str]:
    """The rows that a venue's order finds."""
    part = part_of(venue_order(at.venue_id, NOON - 3600, NOON + 3600), VISITS)
    with traces(scene) as found:
        return found.visits(part, []).rows


def test_a_false_place_that_is_uploaded_first_does_not_hide_the_true_one(scene: Scene) -> None:
    """A thief photographs a code in a café and uploads it from his own venue before the café does: both are found."""
    scene.registry.set(NOON + 900)
    phone, thief = scene.phone(), scene.venue("Thief")
    assert upload(scene.client, thief, [queued(scene, thief, phone, NOON)]) == ["accepted"]
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON + 60)]) == ["conflict"]
    minute = NOON // 60
    assert places_of(scene, phone) == [(minute, thief.venue_id), (minute + 1, scene.at.venue_id)]


def test_who_was_near_the_true_place_is_found_although_it_was_uploaded_second(scene: Scene) -> None:
    scene.registry.set(NOON + 900)
    patient, contact, thief = scene.phone(), scene.phone(), scene.venue("Thief")
    upload(scene.client, thief, [queued(scene, thief, patient, NOON)])
    upload(scene.client, scene.at, [entry(scene, patient, NOON), entry(scene, contact, NOON + 600)])
    part = part_of(person_order(DAY, DAY), CONTACTS)
    with traces(scene) as found:
        rows = found.contacts(part, [ListedVisit(scene.issuer.number, DAY, patient.visit_id).line()]).rows
    assert [VisitRow.read(row).visit_id for row in rows if row.startswith("visit ")] == [contact.visit_id]
    assert len([VenueRow.read(row) for row in rows if row.startswith("venue ")]) == 2


def test_one_code_and_one_scanner_cannot_fill_a_day(scene: Scene) -> None:
    """A thief with one scanner uploads one code as a thousand scans: one row and one conflict are kept, and his
    venue's order has one line, not one too many."""
    phone = scene.phone()
    results = upload(scene.client, scene.at, [entry(scene, phone, NOON + n % 3) for n in range(300)])
    assert Counter(results) == {"accepted": 1, "conflict": 299}
    assert flags(scene) == [0, CONFLICT]
    assert len([row for row in visits_at(scene, scene.at) if row.startswith("visit ")]) == 1


def test_one_scanner_cannot_use_up_the_places_of_a_code(scene: Scene) -> None:
    """The thief has the first row and floods: the true venue's conflict is kept all the same."""
    phone, thief = scene.phone(), scene.venue("Thief")
    for _ in range(CONFLICTS + 2):
        upload(scene.client, thief, [queued(scene, thief, phone, NOON)])
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON)]) == ["conflict"]
    assert {venue for _, venue in places_of(scene, phone)} == {thief.venue_id, scene.at.venue_id}


def test_a_code_has_at_most_eight_conflicts_and_later_ones_are_answered_alike(scene: Scene) -> None:
    phone, scan = scene.phone(), random_bytes(16)
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON, scan)]) == ["accepted"]
    for number in range(CONFLICTS + 2):
        other = scene.venue(f"Venue {number}")
        one = queued(scene, other, phone, NOON)
        assert upload(scene.client, other, [one, one]) == ["conflict"] * 2
        assert upload(scene.client, other, [one]) == ["conflict"]
    assert flags(scene) == [0] + [CONFLICT] * CONFLICTS
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON, scan)]) == ["repeated"]
    assert len(places_of(scene, phone)) == 1 + CONFLICTS


def test_a_place_that_another_process_takes_first_is_passed_over(scene: Scene) -> None:
    """Two workers keep conflicts of one code at the same moment: both are kept, in places of their own."""
    upload(scene.client, scene.at, [entry(scene, scene.phone())])  # so that the day has its key
    vault = vault_of(scene.registry)
    visits, code = Visits(vault, CALENDAR), random_bytes(16)
    venues = b"venue--1", b"venue--2"
    mine, other = (Visit(venue, NOON // 60, 1, code, random_bytes(16), bytes(72)) for venue in venues)
    insert = vault.insert

    def late(day: int, rows: Any) -> list[bool]:
        vault.insert = insert  # type: ignore[method-assign]
        visits.keep_conflicts(DAY, [other])
        return insert(day, rows)

    vault.insert = late  # type: ignore[method-assign]
    visits.keep_conflicts(DAY, [mine])
    kept = [open_visit(vault, DAY, row) for row in vault.store.rows(DAY)]
    vault.store.close()
    assert sorted((visit.venue, visit.flags) for visit in kept if visit.visit_id == code) == [
        (venue, CONFLICT) for venue in venues
    ]
