"""What scanners ask each minute, and an operator about his own, however many scanners the registry has:
`checkin bench polls [--scanners N] [--json]`.

Registries of 1,000 venues with a scanner each, of ten times as many, up to N, in turn: one venue's list of scanners, a
poll that brings nothing new (304), and one with digests and a signed time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from tests.benchmarks.bench_checkin import Table
from tests.benchmarks.load import cpu_seconds
from tests.support.waiting import until
from tests.venue import world
from tests.venue.test_flat_reads import fill

ROUNDS = 5
REQUESTS = 500
Asked = dict[str, list[httpx.Request]]


@contextmanager
def registry(folder: Path, scanners: int) -> Iterator[tuple[httpx.Client, int, Asked]]:
    """One with so many, once it has done what it does after a start; its process, and requests by what they ask."""
    issuer = world.Issuer(1)
    issuer.list_days(*range(world.DAY, world.DAY + 15))
    made = world.Registry(folder, [issuer])
    with world.processes(made, 1) as [server], httpx.Client(base_url=server.url) as client:
        at = world.enrol(client)
    fill(folder / "data", scanners)
    with world.processes(made, 1) as [server], httpx.Client(base_url=server.url, timeout=600) as client:
        until(lambda: at_rest(server.process.pid))
        headers, digests = world.bearer(at.scanner), {"digests": "true"}
        tag = {"If-None-Match": client.get("/v1/trust", params=digests, headers=headers).headers["etag"]}
        nonces = [b64url_encode(random_bytes(16)) for _ in range(REQUESTS)]

        def poll(more: dict[str, str], nonce: dict[str, str]) -> httpx.Request:
            return client.build_request("GET", "/v1/trust", params=digests | nonce, headers=headers | more)

        listed = client.build_request("GET", f"/v1/venues/{at.venue_id}/scanners", headers=world.bearer(at.operator))
        asked = {
            "a venue's list of scanners": [listed] * REQUESTS,
            "a poll that brings nothing new": [poll(tag, {})] * REQUESTS,
            "a poll with a signed time": [poll({}, {"nonce": nonce}) for nonce in nonces],
        }
        yield client, server.process.pid, asked
    issuer.stop()


def at_rest(leader: int) -> bool:
    """Whether it does nothing for a second."""
    before = cpu_seconds(leader)
    time.sleep(1)
    return cpu_seconds(leader) - before <= 0.1


def cost(client: httpx.Client, leader: int, requests: list[httpx.Request]) -> tuple[float, int]:
    """The service's processor time of each, in ms, and the bytes of the last answer's content."""
    before = cpu_seconds(leader)
    for request in requests:
        answer = client.send(request)
        assert answer.status_code in (200, 304), answer.text
    return 1000 * (cpu_seconds(leader) - before) / len(requests), len(answer.content)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanners", type=int, default=1_000_000, help="of the largest registry")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table, sizes = Table(as_json=options.json), [10**power for power in range(3, 10) if 10**power <= options.scanners]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        all_of_them = {size: stack.enter_context(registry(Path(name) / str(size), size)) for size in sizes}
        for what in next(iter(all_of_them.values()))[2]:
            found: dict[int, list[tuple[float, int]]] = {size: [] for size in sizes}
            for _ in range(ROUNDS):
                for size, (client, leader, asked) in all_of_them.items():
                    found[size].append(cost(client, leader, asked[what]))
            table.show(f"bytes of {what}", [length for _, length in found[sizes[0]]], "")
            for size, rounds in found.items():
                table.show(f"CPU of {what}, {size:,} scanners", [spent for spent, _ in rounds], "ms")
    if options.json:
        print(json.dumps({"scanners": options.scanners, "figures": table.figures}))


if __name__ == "__main__":
    main()
