"""A lunch hour at a registry of two worker processes, and a crowd that is more than it can take:
`checkin bench lunch [--rate 200] [--seconds 60] [--crowd 2500] [--engine postgresql] [--json]`.

A steady rate, five times that, the crowd, and the steady rate again; with `--crowd 0` the steady rate alone, as for a
whole hour of a country: `--engine postgresql --rate 520 --seconds 3600 --crowd 0`. Check-ins come at their times
whether or not earlier ones were answered, and a latency counts from the time at which one should have been sent. The
crowd sends without a pause, over so many connections at once; whom it refuses it must tell to come again (503,
`Retry-After`). Afterwards: how long until 99 of 100 are answered within 100 ms, as before; and the memory that a
process had at most. The load generator runs on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.bench_checkin import Bench, Table
from tests.benchmarks.load import cpu_seconds
from tests.support import registry_service
from tests.support.databases import ask, running

CONNECTIONS = 128
TARGET_MS = 100.0
RECOVERY_SECONDS = 30


@dataclass
class Phase:
    """Answers by status, refusals that did not say when to come again, latencies in ms by the second they fell due."""

    statuses: Counter[int] = field(default_factory=Counter)
    mute: int = 0
    latencies: dict[int, list[float]] = field(default_factory=dict)

    def add(self, answer: tuple[int, bool], second: int, latency: float) -> None:
        """One answer."""
        status, told = answer
        self.statuses[status] += 1
        self.mute += status == 503 and not told
        self.latencies.setdefault(second, []).append(latency)

    def all(self) -> list[float]:
        """All latencies, sorted."""
        return sorted(latency for second in self.latencies.values() for latency in second)

    def recovered(self) -> float:
        """Seconds until each later second has its 99 % within the target."""
        late = [second for second, found in self.latencies.items() if part(found, 0.99) > TARGET_MS]
        return max(late) + 1.0 if late else 0.0


def part(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * share))]


class Line:
    """A connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Line:
        """To a worker on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> tuple[int, bool]:
        """Status, and whether the answer says when to come again."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head[9:12]), b"retry-after:" in head

    def close(self) -> None:
        """Gives it back."""
        self._writer.close()


async def steady(ports: Sequence[int], requests: Sequence[bytes], rate: float) -> Phase:
    """So many a second, each at its time."""
    phase, idle = Phase(), asyncio.Queue[Line]()
    for number in range(CONNECTIONS):
        idle.put_nowait(await Line.open(ports[number % len(ports)]))
    start = time.perf_counter() + 0.1

    async def one(request: bytes, due: float) -> None:
        line = await idle.get()
        answer = await line.ask(request)
        idle.put_nowait(line)
        phase.add(answer, int(due - start), 1000 * (time.perf_counter() - due))

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(request, due))
    while not idle.empty():
        idle.get_nowait().close()
    return phase


async def crowd(ports: Sequence[int], requests: Sequence[bytes], size: int, seconds: float) -> Phase:
    """As many at once, each again as soon as it has its answer; the same code more than once, as people do."""
    phase = Phase()
    lines = [await Line.open(ports[number % len(ports)]) for number in range(size)]
    start = time.perf_counter()

    async def one(number: int, line: Line) -> None:
        while (begun := time.perf_counter()) < start + seconds:
            answer = await line.ask(requests[number % len(requests)])
            phase.add(answer, int(begun - start), 1000 * (time.perf_counter() - begun))
        line.close()

    async with asyncio.TaskGroup() as group:
        for number, line in enumerate(lines):
            group.create_task(one(number, line))
    return phase


def most_memory(leaders: Sequence[int]) -> float:
    """MiB that the largest process of these sessions had at most."""
    found = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        if session in leaders:
            found += [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return max(found) / 1024


def told(table: Table, name: str, phase: Phase) -> None:
    """Its answers and latencies."""
    latencies = phase.all()
    table.show(f"{name}: answered", [phase.statuses[201] + phase.statuses[200]], "")
    table.show(f"{name}: refused with 503", [phase.statuses[503]], "")
    table.show(f"{name}: refused with 503 without Retry-After", [phase.mute], "")
    others = sum(count for status, count in phase.statuses.items() if status not in (200, 201, 409, 503))
    table.show(f"{name}: other answers", [others], "")
    table.show(f"{name}: latency, median", [part(latencies, 0.5)], "ms")
    table.show(f"{name}: latency, 99 %", [part(latencies, 0.99)], "ms")


def run(table: Table, bench: Bench, wanted: argparse.Namespace) -> None:
    """All phases at one registry; without a crowd the first alone."""
    with registry_service.processes(bench.registry, 2) as servers, servers[0].client() as client:
        at = registry_service.enrol(client)
        ports, leaders = [one.port for one in servers], [one.process.pid for one in servers]
        requests = bench.single(at, int(wanted.rate * wanted.seconds))
        before = sum(map(cpu_seconds, leaders))
        calm = asyncio.run(steady(ports, requests, wanted.rate))
        spent = sum(map(cpu_seconds, leaders)) - before
        told(table, f"{wanted.rate:g} a second", calm)
        table.show("the registry's processor time a check-in", [1000 * spent / len(requests)], "ms")
        if wanted.crowd:
            overload(table, bench, at, ports, wanted)
        table.show("memory of the largest process, at most", [most_memory(leaders)], "MiB")


def overload(
    table: Table, bench: Bench, at: registry_service.Enrolled, ports: Sequence[int], wanted: argparse.Namespace
) -> None:
    """Five times as many, the crowd, and the steady rate again."""
    rate, quarter = wanted.rate, wanted.seconds / 4
    busy = asyncio.run(steady(ports, bench.single(at, int(5 * rate * quarter)), 5 * rate))
    told(table, f"{5 * rate:g} a second", busy)
    again = bench.single(at, int(rate * RECOVERY_SECONDS))
    told(
        table, f"a crowd of {wanted.crowd}", asyncio.run(crowd(ports, bench.single(at, 20_000), wanted.crowd, quarter))
    )
    after = asyncio.run(steady(ports, again, rate))
    told(table, "afterwards", after)
    table.show("seconds until all is as before", [after.recovered()], "s")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=int, default=60, help="of the steady rate; a quarter for the others")
    parser.add_argument("--crowd", type=int, default=2500, help="connections at once; 0: none, and no overload")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    table = Table(as_json=options.json)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # the engine runs as somebody else
        settings, dsn = dict[str, str](), folder / "dsn"
        if options.engine == "postgresql":
            dsn.touch(mode=0o600)
            dsn.write_text(stack.enter_context(running(folder / "engine")).dsn)
            settings = {"store": "postgresql", "dsn_file": str(dsn)}
        bench = Bench(folder, **settings)
        stack.callback(bench.close)
        run(table, bench, options)
        if settings:
            [(held,)] = ask(dsn.read_text(), f"SELECT count(*) FROM visits_{bench.day}")  # noqa: S608
            table.show("visits held", [held], "")
    if options.json:
        print(json.dumps({"rate": options.rate, "seconds": options.seconds, "figures": table.figures}))


if __name__ == "__main__":
    main()
