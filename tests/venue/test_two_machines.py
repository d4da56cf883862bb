"""Two registries with data folders of their own over one PostgreSQL are one registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS, SystemClock
from checkin.errors import CheckinError, ClockUntrusted, DayDestroyed, NotReady, Unauthorized
from checkin.keys.generation import Generation
from checkin.keys.key_ring import KeyName, Purpose
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.purger import Purger
from checkin.service.order_executor import OrderBody
from checkin.vault.closing import close_day, find_closing, is_closed, settle_days, unsettled
from tests.support.databases import ask, settle_beside
from tests.support.deployment_in_process import CASE, Registry, Whole
from tests.support.registry_service import Phone, Process, check_in, enrol, scan_id
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.waiting import until
from tests.venue.conftest import NewIssuer
from tests.venue.test_postgresql import on_postgresql

HOUR = 3600.0


@pytest.fixture
def two(dsn: str) -> Iterator[tuple[Whole, list[Registry]]]:
    """At noon, with keys and an issuer's list."""
    whole = Whole(dsn)
    whole.tend(NOON)
    whole.keep_house()
    other = whole.registry_elsewhere()
    other.keep_house()
    yield whole, [whole.registry, other]
    other.close()
    whole.close()


def poll(registry: Registry) -> None:
    """What a service does each second."""
    registry.engine.poll()


def test_what_one_is_told_the_other_knows(two: tuple[Whole, list[Registry]]) -> None:
    whole, [here, there] = two
    door = whole.enrol("Cafe")
    assert there.venues.entry(door.venue).name == "Cafe"
    assert there.scanners.bearing(door.token).name == "Cafe"
    assert there.trust.lists() == here.trust.lists() != {}
    [scanner] = there.scanners.listed(door.venue)
    here.scanners.revoke(door.venue, scanner.scanner_id, "stolen")
    assert there.scanners.bearing(door.token), "it has not looked yet"
    poll(there)
    with pytest.raises(Unauthorized):
        there.scanners.bearing(door.token)


def test_one_part_of_an_order_at_both_at_once_has_one_answer(two: tuple[Whole, list[Registry]]) -> None:
    """Each opens the sealed visits by itself; what is sealed to the authority differs each time it is made."""
    whole, registries = two
    for number in range(3):
        signed = whole.signed(replace(CASE, venue=whole.enrol(f"Cafe {number}").venue, window=(NOON, NOON + 60)), NOON)
        sent = OrderBody(part=signed.parts[0].note, entry=signed.entry, proof=whole.logged(signed).write())
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda registry, sent=sent: registry.orders.take(sent).sealed, registries))
        assert answers[0] == answers[1]
    for registry in registries:
        assert len(registry.book.all("order-executed-")) == 3


def test_what_is_due_is_destroyed_once_and_revived_by_neither(
    two: tuple[Whole, list[Registry]], dsn: str, tmp_path: Path
) -> None:
    """Also where a machine's clock is set back and it has no memory of the time."""
    whole, [here, there] = two
    whole.clock.set(CALENDAR.rfc3339(NOON + RETENTION_DAYS * 86_400))
    for registry in (here, there):
        registry.guard.confirm()
    with ThreadPoolExecutor(2) as threads:
        made = [name for names in threads.map(lambda one: one.purger.run(), (here, there)) for name in names]
    assert made.count(f"purge-{CALENDAR.date(DAY)}") == 1
    assert here.book.names() == there.book.names()
    whole.clock.set(CALENDAR.rfc3339(NOON))
    forgetful = ClockGuard(tmp_path / "clock.json", whole.clock, tuple)
    forgetful.tick()
    assert forgetful.floor(CALENDAR) == DAY - RETENTION_DAYS + 1, "the control: by its own clock the day is held"
    keep = there.engine.floor(forgetful)
    assert forgetful.floor(CALENDAR) == DAY + 1
    purger = Purger(there.party, forgetful, there.vault, there.book, there.early)
    with pytest.raises(DayDestroyed):
        purger.make(KeyName(Purpose.DAY, DAY))
    keep(DAY - 5)
    assert ask(dsn, "SELECT day FROM oldest_day") == [(DAY + 1,)]


class Ahead(SystemClock):
    """Set a month ahead, until somebody sets it right."""

    days = 30

    def now(self) -> float:
        return super().now() + self.days * 24 * HOUR


def test_a_machine_whose_clock_is_ahead_ends_nothing_for_the_others(
    two: tuple[Whole, list[Registry]], dsn: str, tmp_path: Path
) -> None:
    """Neither a new one, nor one that was told to believe its clock: the server's says otherwise."""
    _, [here, there] = two
    clock, forgotten = Ahead(), list[int]()
    today = CALENDAR.day(SystemClock().now())
    there.vault.store.insert(today, [])
    here.engine.floor(here.guard)(today - 27)
    new = ClockGuard(tmp_path / "clock.json", clock, tuple)
    purger = Purger(
        there.party,
        new,
        there.vault,
        there.book,
        there.early,
        floor=there.engine.floor(new),
        tasks={"task": forgotten.append},
    )
    for refusal in (ClockUntrusted, NotReady):
        with pytest.raises(refusal):
            purger.run()
        assert ask(dsn, "SELECT day FROM oldest_day") == [(today - 27,)]
        assert (forgotten, today in there.vault.store.days()) == ([], True)
        new.confirm()
    clock.days = 0
    (tmp_path / "clock.json").unlink()
    right = ClockGuard(tmp_path / "clock.json", clock, tuple)
    there.engine.floor(right)
    assert (right.doubt, right.now() < clock.now() + HOUR) == (None, True)


def test_a_lease_is_held_by_one_and_ends_by_itself(two: tuple[Whole, list[Registry]]) -> None:
    _, [here, there] = two
    with here.engine.hold("purge", 600) as first:
        assert first
        first()
        with there.engine.hold("purge", 600) as second, there.engine.hold("close", 600) as other:
            assert second is None
            assert other
    with there.engine.hold("purge", -1) as over, here.engine.hold("purge", 600) as taken:
        assert over
        assert taken
        with pytest.raises(CheckinError):
            over()


def test_days_are_settled_under_a_lease_which_is_asked_for_when_there_are_any(
    two: tuple[Whole, list[Registry]], dsn: str
) -> None:
    _, registries = two
    fences, found = "SELECT fence FROM leases WHERE name = 'settle'", []
    for closed in (False, True):
        if closed:
            close_day(registries[0].vault, DAY)
        for one in registries:
            settle_days(one.vault.store, one.engine.hold, partial(is_closed, one.vault.store))
        found.append(ask(dsn, fences))
    assert found == [[], [(1,)]]
    assert DAY not in unsettled(registries[0].vault.store)


def test_days_are_closed_and_destroyed_under_leases_which_are_asked_for_when_anything_is_due(
    two: tuple[Whole, list[Registry]], dsn: str
) -> None:
    whole, registries = two
    fences = "SELECT name, fence FROM leases ORDER BY name"
    found = [ask(dsn, fences)]
    whole.clock.set(CALENDAR.rfc3339(NOON + (CLOSING_DAYS + 1) * 24 * HOUR))
    for _ in range(2):
        for one in registries:
            one.guard.confirm()
            one.purger.close_due_days()
            one.purger.run()
        found.append(ask(dsn, fences))
    assert found == [[], *2 * [[("close", 1), ("purge", 1)]]]


def test_nothing_is_closed_or_destroyed_while_another_machine_does_it(two: tuple[Whole, list[Registry]]) -> None:
    whole, [here, there] = two
    whole.clock.set(CALENDAR.rfc3339(NOON + (CLOSING_DAYS + 1) * 24 * HOUR))
    there.guard.confirm()
    with here.engine.hold("close", 600):
        assert there.purger.close_due_days() == []
        assert find_closing(here.vault, DAY) is None
    whole.clock.set(CALENDAR.rfc3339(NOON + RETENTION_DAYS * 24 * HOUR))
    there.guard.confirm()
    with here.engine.hold("purge", 600):
        assert there.purger.run() == []
        assert DAY in there.vault.store.days()


def test_two_processes_on_two_folders_are_one_registry(tmp_path: Path, dsn: str, new_issuer: NewIssuer) -> None:
    """A venue opened at one, a scanner enrolled at the other; one code at both, sixteen at a time, is taken once; a
    scanner revoked at one is refused at the other soon after."""
    issuer = new_issuer()
    here = on_postgresql(tmp_path / "here", dsn, issuer)
    there = on_postgresql(tmp_path / "there", dsn, issuer)
    with ExitStack() as stack:
        clients = []
        for registry in (here, there):
            process = Process(registry)
            stack.callback(process.stop)
            clients.append(stack.enter_context(process.client()))
            if registry is there:  # its data folder is newer than nothing: a person says that this is right
                until(lambda process=process: process.answers("/healthz"))  # type: ignore[misc]
                Generation(there.folder / "data", here.folder / "keys").confirm()
            until(process.answers)
            if registry is here:
                settle_beside(here.config, there.folder)
        at = enrol(clients[0])
        assert check_in(clients[1], at, Phone(issuer, DAY).at(NOON)).status_code == 201
        path = f"/v1/venues/{at.venue_id}"
        second = clients[1].post(f"{path}/scanners", json={"label": "back"}, headers=bearer(at.operator)).json()
        back = replace(at, scanner_id=second["scanner_id"], scanner=second["scanner_token"])
        token = Phone(issuer, DAY).at(NOON)
        with ThreadPoolExecutor(16) as threads:
            doors = [(clients[number % 2], (at, back)[number % 3 == 0]) for number in range(100)]
            sent = [threads.submit(check_in, client, door, token) for client, door in doors]
            results = Counter(one.result().status_code for one in sent)
        assert results == {201: 1, 409: 99}
        assert clients[0].delete(f"{path}/scanners/{back.scanner_id}", headers=bearer(at.operator)).status_code == 204

        def refused() -> int | None:
            status = check_in(clients[1], back, Phone(issuer, DAY).at(NOON), scan_id()).status_code
            return None if status == 201 else status

        assert until(refused) == 401
        for client in clients:
            counted = client.get(f"{path}/stats", headers=bearer(at.operator)).json()["days"]
            assert sum(day["total"] for day in counted) >= 2
