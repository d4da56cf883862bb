"""What scanners ask each minute, and an operator about his own, however many scanners the registry has:
`checkin bench polls [--scanners N] [--json]`.

Registries of 1,000 venues with a scanner each, of ten times as many, up to N, in turn: a check-in to compare with, a
poll that brings nothing new (304), one with digests and a signed time, both once more as the framework answers them
(`digests=1` is left to it), and one venue's list of scanners. Over 32 connections, since scanners do not wait for one
another; under the real clock (not across midnight).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from checkin.protocol.encoding import b64url_encode
from checkin.protocol.presentation import to_text
from checkin.protocol.primitives import SigningKey, random_bytes
from tests.benchmarks.bench_checkin import Table, codes
from tests.benchmarks.load import cpu_seconds, http, http_get, measure
from tests.support import registry_service
from tests.support.service_folder import bearer
from tests.support.waiting import until
from tests.venue.realtime import today
from tests.venue.test_flat_reads import fill

ROUNDS = 5
REQUESTS = 2000
CONNECTIONS = 32
CHECK_IN = "a check-in"
SAME, TIMED = "a poll that brings nothing new", "a poll with a signed time"
Asked = dict[str, Callable[[], list[bytes]]]


@contextmanager
def registry(folder: Path, scanners: int) -> Iterator[tuple[registry_service.Process, Asked]]:
    """One with so many, once it has done what it does after a start, and requests by what they ask."""
    issuer, seed, day = registry_service.Issuer(1, simulated=False), random_bytes(32), today()
    issuer.keys[day] = SigningKey(seed)
    issuer.list_days(*range(day, day + 15))
    made = registry_service.Registry(folder, [issuer], now=None)
    with registry_service.processes(made, 1) as [server], server.client() as client:
        at = registry_service.enrol(client)
    fill(folder / "data", scanners)
    with registry_service.processes(made, 1) as [server], httpx.Client(base_url=server.url, timeout=600) as client:
        until(lambda: at_rest(server.process.pid))
        whole = client.get("/v1/trust", params={"digests": "true"}, headers=bearer(at.scanner))
        tag = f"If-None-Match: {whole.headers['etag']}"

        def same(digests: str) -> list[bytes]:
            return [http_get(f"/v1/trust?digests={digests}&waiting=0", at.scanner, tag)] * REQUESTS

        def timed(digests: str) -> list[bytes]:
            nonces = (b64url_encode(random_bytes(16)) for _ in range(REQUESTS))
            query = f"/v1/trust?digests={digests}&waiting=0&nonce="
            return [http_get(f"{query}{nonce}", at.scanner) for nonce in nonces]

        def check_ins() -> list[bytes]:
            tokens = map(to_text, codes(seed, 1, day, REQUESTS))
            bodies = ({"token": token, "scan_id": registry_service.scan_id()} for token in tokens)
            return [http("/v1/check-ins", json.dumps(body).encode(), at.scanner) for body in bodies]

        listed = [http_get(f"/v1/venues/{at.venue_id}/scanners", at.operator)] * REQUESTS
        asked: Asked = {
            CHECK_IN: check_ins,
            SAME: lambda: same("true"),
            f"{SAME}, by the framework": lambda: same("1"),
            TIMED: lambda: timed("true"),
            f"{TIMED}, by the framework": lambda: timed("1"),
            "a venue's list of scanners": lambda: listed,
        }
        yield server, asked
    issuer.stop()


def at_rest(leader: int) -> bool:
    """Whether it does nothing for a second."""
    before = cpu_seconds(leader)
    time.sleep(1)
    return cpu_seconds(leader) - before <= 0.1


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanners", type=int, default=1_000_000, help="of the largest registry")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table, sizes = Table(as_json=options.json), [10**power for power in range(3, 10) if 10**power <= options.scanners]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        all_of_them = {size: stack.enter_context(registry(Path(name) / str(size), size)) for size in sizes}
        asks = list(all_of_them[sizes[0]][1])
        found: dict[tuple[str, int], list[float]] = {(what, size): [] for what in asks for size in sizes}
        for _ in range(ROUNDS):
            for (what, size), rounds in found.items():
                server, asked = all_of_them[size]
                rounds.append(measure([server.process.pid], [server.port], asked[what](), CONNECTIONS).cpu)
        for (what, size), rounds in found.items():
            table.show(f"CPU of {what}, {size:,} scanners", rounds, "ms")
            beside = [spent / of for spent, of in zip(rounds, found[CHECK_IN, size], strict=True)]
            table.show("÷ that of a check-in in the same round", beside, "")
    if options.json:
        print(json.dumps({"scanners": options.scanners, "figures": table.figures}))


if __name__ == "__main__":
    main()
