"""Two registries of two workers each, over one PostgreSQL and one key ring, behind a plain proxy, are one registry."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.behind_a_proxy import AT_ONCE, Caller, proxy
from tests.support.registry_service import Enrolled, Phone, Process, enrol, scan_id
from tests.support.ring_processes import RealRing
from tests.support.service_folder import CALENDAR, DAY, bearer
from tests.support.serving import ready
from tests.venue.conftest import NewIssuer
from tests.venue.test_postgresql import on_postgresql

if TYPE_CHECKING:
    from tests.checkin.vault.engines.promotion import Cluster

MIDNIGHT = int(CALENDAR.start(DAY + 1))
SUBMISSIONS = 1000


class Door(Caller):
    """A scanner that knows the address of the proxy alone."""

    def __init__(self, url: str, at: Enrolled) -> None:
        super().__init__(url)
        self.at = at

    def scan(self, token: str) -> str:
        """What it is told in the end; a scan is `repeated`, too, when its first answer was lost: it was accepted."""
        body = {"token": token, "scan_id": scan_id()}
        return str(self.ask("POST", "/v1/check-ins", self.at.scanner, body).json().get("code", "accepted"))


def test_one_code_a_thousand_times_over_a_failover_midnight_and_a_restart_is_accepted_once(
    tmp_path: Path, cluster: Cluster, new_issuer: NewIssuer
) -> None:
    issuer = new_issuer()
    here, there = registries = [on_postgresql(tmp_path / name, cluster.dsn, issuer) for name in ("here", "there")]
    assert here.clock
    there.clock = here.clock
    here.set(MIDNIGHT - 10)
    real = RealRing(tmp_path, "registry.example", here.clock, here.config, there.config)
    token = Phone(issuer, DAY).at(MIDNIGHT - 10)
    with ExitStack() as stack:
        stack.callback(real.stop)
        real.start_all()
        with ready([Process(one, workers=2) for one in registries]) as running, proxy(tmp_path, running) as url:
            with running[0].client() as client:
                at = enrol(client)
            with Door(url, at) as door:
                storm = door.storm(door.scan, [token] * SUBMISSIONS)
                results = Counter(next(storm) for _ in range(100))
                cluster.fail_over()
                cluster.add_killed()
                results.update(storm)
                assert results == {"accepted": 1, "already_used": SUBMISSIONS - 1}
                here.set(MIDNIGHT + 5)
                assert {*door.storm(door.scan, [token] * AT_ONCE)} == {"already_used"}
                assert door.scan(Phone(issuer, DAY + 1).at(MIDNIGHT + 5)) == "accepted"
        with (
            ready([Process(one) for one in registries]) as running,
            proxy(tmp_path, running) as url,
            Door(url, at) as door,
        ):
            assert {*door.storm(door.scan, [token] * AT_ONCE)} == {"already_used"}
            stats = door.client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator)).json()["days"]
            assert sum(day["total"] for day in stats) == 2
