"""Two registries of two workers each, over one PostgreSQL and one key ring, behind a plain proxy, are one registry."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.deployment.postgres_server import let_through
from checkin.service.addresses import free_ports
from tests.checkin.vault.engines.promotion import Cluster
from tests.conftest import Needs
from tests.support.nginx import NGINX, nginx
from tests.support.waiting import answers, until
from tests.venue.conftest import NewIssuer
from tests.venue.realtime import PATIENCE
from tests.venue.test_postgresql import on_postgresql
from tests.venue.test_ring import RealRing
from tests.venue.world import CALENDAR, DAY, Enrolled, Phone, Process, Registry, bearer, check_in, enrol, scan_id

MIDNIGHT = int(CALENDAR.start(DAY + 1))
SUBMISSIONS, AT_ONCE = 1000, 20


@contextmanager
def proxy(folder: Path, ports: list[int]) -> Iterator[str]:
    """The address of an nginx that deals requests out in turns and knows nothing about them."""
    [port] = free_ports(1)
    url, servers = f"http://127.0.0.1:{port}", " ".join(f"server 127.0.0.1:{behind} max_fails=0;" for behind in ports)
    settings = (
        f"access_log off; upstream registry {{ {servers} keepalive {AT_ONCE}; }} server {{ listen 127.0.0.1:{port};"
        'location / { proxy_pass http://registry; proxy_http_version 1.1; proxy_set_header Connection ""; } }'
    )
    with nginx(folder, settings, lambda: answers(f"{url}/healthz")):
        yield url


class Door:
    """A scanner that knows one address, that of the proxy."""

    def __init__(self, url: str, at: Enrolled) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, limits=limits, trust_env=False)
        self.at = at

    def scan(self, token: str) -> str:
        """What it is told in the end: whoever hears nothing, or that it should come again, sends the very same scan."""
        scan = scan_id()
        # A scan is `repeated` when its first answer was lost on the way: it was accepted then.
        return str(until(lambda: self._asked(token, scan)).get("code", "accepted"))

    def _asked(self, token: str, scan: str) -> dict[str, Any]:
        """The answer; nothing when there is none yet."""
        with suppress(httpx.TransportError):
            answer = check_in(self.client, self.at, token, scan)
            if answer.status_code not in (502, 503, 504):
                return dict(answer.json())
        return {}

    def storm(self, token: str, submissions: int) -> Iterator[str]:
        """So many scans of one code at once, as their answers come."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            yield from threads.map(lambda _: self.scan(token), range(submissions))


@contextmanager
def serving(registries: list[Registry], workers: int) -> Iterator[list[int]]:
    """Their ports, once all are ready."""
    with ExitStack() as stack:
        running = []
        for registry in registries:
            running.append(Process(registry, workers=workers))
            stack.callback(running[-1].stop)
        for process in running:
            until(process.answers)
        yield [process.port for process in running]


@pytest.fixture
def cluster(needs: Needs) -> Iterator[Cluster]:
    needs("nginx", NGINX, "apt install nginx-light")
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        let_through(Path(name))
        with Cluster(Path(name), 1, synchronous=True) as made:
            yield made


def test_one_code_a_thousand_times_over_a_failover_midnight_and_a_restart_is_accepted_once(
    tmp_path: Path, cluster: Cluster, new_issuer: NewIssuer
) -> None:
    issuer = new_issuer()
    registries = [on_postgresql(tmp_path / name, cluster.dsn, issuer) for name in ("here", "there")]
    real = RealRing(tmp_path, *registries)
    real.registry.set(MIDNIGHT - 10)
    token = Phone(issuer, DAY).at(MIDNIGHT - 10)
    with ExitStack() as stack:
        stack.callback(real.stop)
        real.start_all()
        with serving(registries, 2) as ports, proxy(tmp_path, ports) as url:
            with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=PATIENCE, trust_env=False) as client:
                at = enrol(client)
            door = Door(url, at)
            storm = door.storm(token, SUBMISSIONS)
            results = Counter(next(storm) for _ in range(100))
            cluster.fail_over()
            cluster.add_killed()
            results.update(storm)
            assert results == {"accepted": 1, "already_used": SUBMISSIONS - 1}
            real.registry.set(MIDNIGHT + 5)
            assert {*door.storm(token, AT_ONCE)} == {"already_used"}
            assert door.scan(Phone(issuer, DAY + 1).at(MIDNIGHT + 5)) == "accepted"
            door.client.close()
        with serving(registries, 1) as ports, proxy(tmp_path, ports) as url:
            door = Door(url, at)
            assert {*door.storm(token, AT_ONCE)} == {"already_used"}
            stats = door.client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator)).json()["days"]
            assert sum(day["total"] for day in stats) == 2
            door.client.close()
