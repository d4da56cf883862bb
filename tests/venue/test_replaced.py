"""Why a scanner is revoked decides what becomes of the visits that wait in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from checkin.clock import SimulatedClock
from checkin.errors import ClockUntrusted
from checkin.files.tables import SqliteTables
from checkin.purge.clock_guard import ClockGuard
from checkin.service.endings import Endings
from checkin.service.identity import ServiceIdentity
from checkin.service.time_peers import clock_guard
from tests.support.registry_service import check_in, sealed, upload
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.venue.conftest import Scene
from venue.database import REGISTRY
from venue.scanners import Scanners
from venue.settings import VenueSettings


def revoke(scene: Scene, **reason: str) -> int:
    """As its operator; the status of the answer."""
    path = f"/v1/venues/{scene.at.venue_id}/scanners/{scene.at.scanner_id}"
    return scene.client.delete(path, params=reason, headers=bearer(scene.at.operator)).status_code


def entry(scene: Scene, moment: float) -> str:
    """Somebody who was let in at that moment while there was no network."""
    return sealed(scene.at, scene.intake, scene.phone().bytes_at(moment), moment)


@pytest.mark.parametrize("reason", [{"reason": "replaced"}, {}], ids=["replaced", "no reason given"])
def test_what_a_replaced_scanner_queued_before_is_taken_and_nothing_else(scene: Scene, reason: dict[str, str]) -> None:
    """It scans no more, is told nothing any more, and what it says to have scanned afterwards is refused."""
    before = entry(scene, NOON - 15)
    scene.registry.set(NOON - 60)
    assert revoke(scene, **reason) == 204
    assert check_in(scene.client, scene.at, scene.phone().at(NOON - 60)).status_code == 401
    assert scene.client.get("/v1/trust", headers=bearer(scene.at.scanner)).status_code == 401
    scene.registry.set(NOON + 1800)
    assert upload(scene.client, scene.at, [before, entry(scene, NOON + 900)]) == ["accepted", "scan_time_invalid"]


def test_a_stolen_scanner_uploads_nothing_and_does_not_come_back(scene: Scene) -> None:
    """Also when it was called replaced before, or is afterwards."""
    waiting = [entry(scene, NOON)]
    for reason in ("replaced", "stolen", "replaced"):
        assert revoke(scene, reason=reason) == 204
    answer = scene.client.post("/v1/check-ins/batch", json={"sealed": waiting}, headers=bearer(scene.at.scanner))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert revoke(scene, reason="lost") == 422


@dataclass
class Registry:
    """A registry of which a scanner was replaced at noon, and its parts."""

    scene: Scene
    clock: SimulatedClock
    guard: ClockGuard
    scanners: Scanners
    database: SqliteTables
    closes: float

    def kept(self) -> list[int]:
        """Until when it may upload, after the task."""
        self.scanners.forget_uploads()
        return self.stored()

    def stored(self) -> list[int]:
        with self.database.reading() as tables:
            return [row["uploads_until"] for row in tables.table("scanners").rows]

    def go(self, moment: float, boot: float | None = None) -> None:
        """The wall clock shows this moment, and the boot clock this, or as much more as the wall clock."""
        self.clock.set(CALENDAR.rfc3339(moment, "milliseconds"), boot=boot)
        self.guard.tick()


@pytest.fixture
def replaced(scene: Scene) -> Iterator[Registry]:
    """Before its day is closed."""
    assert revoke(scene) == 204
    party = ServiceIdentity(VenueSettings.load(scene.registry.config), scene.registry.clock)
    assert isinstance(party.clock, SimulatedClock)
    database = SqliteTables(scene.registry.folder / "data", REGISTRY)
    guard = clock_guard(party)
    scanners = Scanners(database, Endings(party, guard), party, guard)
    yield Registry(scene, party.clock, guard, scanners, database, party.calendar.closes(DAY))
    database.close()


def test_when_it_was_replaced_is_forgotten_once_that_day_is_closed(replaced: Registry) -> None:
    """It is known to the hour, and not a second longer than it is of use."""
    assert replaced.kept() == [NOON]
    replaced.go(replaced.closes - 1)
    assert replaced.kept() == [NOON]
    replaced.go(replaced.closes)
    assert replaced.kept() == [0]


def test_a_clock_that_jumped_loses_nothing_that_waits_in_a_replaced_scanner(replaced: Registry) -> None:
    """Else the visits of people who did check in would be refused when the clock is right again."""
    replaced.go(replaced.closes, boot=replaced.clock.boot() + 1)
    with pytest.raises(ClockUntrusted):
        replaced.kept()
    assert replaced.stored() == [NOON]


def test_a_step_within_the_tolerance_ends_no_upload_early(replaced: Registry) -> None:
    """Fifty minutes ahead is no doubt; the boot clock says how much time has passed."""
    replaced.go(replaced.closes - 3000)
    replaced.guard.confirm()
    replaced.go(replaced.closes, boot=replaced.clock.boot() + 1)
    assert replaced.kept() == [NOON]
