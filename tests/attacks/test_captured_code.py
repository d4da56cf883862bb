"""Attacker: somebody who photographed a code on another person's screen, or over a video call.

Holds: the whole text of a genuine code. Tries: to enter with it, elsewhere or later. Control: a fresh code of the
attacker's own, which enters everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from checkin.errors import TokenError
from checkin.http.asking import Steps, drive
from checkin.http.client import drive_at
from checkin.parties.scanner import Scanner, ScanResult
from checkin.protocol.presentation import LIFE_SECONDS
from tests.support.deployment_in_threads import Country, Person, country
from tests.support.registry_service import Enrolled
from tests.support.service_folder import CALENDAR, DAY, NOON

T = TypeVar("T")


@dataclass(frozen=True)
class Town:
    """Two venues, a visitor, and an attacker with an account of his own."""

    country: Country
    cafe: Enrolled
    bookshop: Enrolled
    visitor: Person
    attacker: Person

    def scanner(self, door: Enrolled) -> Scanner:
        """A device that has fetched its lists."""
        device = Scanner(door.venue_id, door.scanner_id, door.scanner)
        self.ask(device.refresh(self.country.clock.now()))
        return device

    def ask(self, steps: Steps[T]) -> T:
        """What a device does at the registry."""
        return drive_at(self.country.url("venue"), steps)

    def code_of(self, text: str, door: Enrolled) -> str:
        """What the door answers."""
        answer = self.country.scan(door, text)
        return "ok" if answer.status_code == 201 else str(answer.json()["code"])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Shared: each test has its own codes, and time only goes on."""
    with country(tmp_path_factory.mktemp("town") / "c") as made:
        yield Town(made, made.door("Café"), made.door("Bookshop"), made.person(), made.person())


def test_a_code_that_was_used_enters_nowhere_else_and_not_here_again(town: Town) -> None:
    """Within its seconds, by another scan."""
    code = town.country.code(town.visitor, NOON)
    assert town.code_of(code, town.cafe) == "ok"
    assert town.code_of(code, town.bookshop) == "already_used"
    assert town.code_of(code, town.cafe) == "already_used"
    assert town.code_of(town.country.code(town.attacker, NOON), town.bookshop) == "ok"


def test_a_photograph_is_no_use_after_20_seconds(town: Town) -> None:
    """Also when the visitor never entered with it: to the second."""
    code = town.country.code(town.visitor, NOON + 60)
    town.country.set(NOON + 60 + LIFE_SECONDS + 1)
    assert town.code_of(code, town.cafe) == "token_expired"
    code = town.country.code(town.visitor, NOON + 120)
    town.country.set(NOON + 120 + LIFE_SECONDS)
    assert town.code_of(code, town.cafe) == "ok"


def test_a_scanner_whose_clock_was_set_back_admits_a_photograph_but_its_upload_shows(town: Town) -> None:
    """Offline, with the steward's device an hour behind, the device is fooled. The registry is not: the visitor has
    used the code meanwhile, so the upload is a conflict. The control is an upload of a code that nobody used."""
    device = town.scanner(town.bookshop)
    code = town.country.code(town.visitor, NOON + 300)
    assert town.code_of(code, town.cafe) == "ok"
    fresh = town.country.code(town.attacker, NOON + 301)
    town.country.set(NOON + 3600)
    with pytest.raises(TokenError):
        drive(device.scan(code, NOON + 3600))
    assert drive(device.scan(code, NOON + 302)) is ScanResult.QUEUED
    assert drive(device.scan(fresh, NOON + 303)) is ScanResult.QUEUED
    results = [entry["result"] for entry in town.ask(device.upload())]
    assert sorted(results) == ["accepted", "conflict"]


def test_a_code_in_two_offline_queues_counts_once_and_the_second_is_kept_as_a_conflict(town: Town) -> None:
    """Neither door could know. Both rows stay, because the first to upload need not be the true one."""
    devices = [town.scanner(door) for door in (town.cafe, town.bookshop)]
    code = town.country.code(town.visitor, NOON + 7200)
    for device in devices:
        assert drive(device.scan(code, NOON + 7201)) is ScanResult.QUEUED
    with pytest.raises(TokenError):  # the same door sees it for itself
        drive(devices[0].scan(code, NOON + 7202))
    results = [entry["result"] for device in devices for entry in town.ask(device.upload())]
    assert results == ["accepted", "conflict"]


def test_yesterdays_code_enters_nowhere_after_midnight(town: Town) -> None:
    """Made ten seconds before, it lives its 20 seconds; a credential that was left over makes none for the new day."""
    midnight = CALENDAR.start(DAY + 1)
    code = town.country.code(town.visitor, midnight - 10)
    left_over = town.country.code(town.attacker, midnight - 9)
    town.country.set(midnight + 5)
    assert town.code_of(code, town.cafe) == "ok"
    town.country.set(midnight + 60)
    assert town.code_of(left_over, town.cafe) == "token_expired"
