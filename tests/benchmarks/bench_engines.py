"""PostgreSQL beside SQLite, in turn in one run: `checkin bench engines [--rows N] [--rounds R] [--json]`.

Four processes insert rows of a visit's size, one or fifty a commit: into SQLite, into PostgreSQL, and into PostgreSQL
with a standby that every commit waits for. Then a day of N rows in each: its bytes, 200 rows of one venue, all rows
hashed as for closing, by one process and by two in turn, and its end, while another day is read. Last what a check-in
costs the registry on each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

from checkin.deployment.postgres_server import let_through
from checkin.files.postgres_connection import Postgres
from checkin.vault.engines import DayStore
from checkin.vault.engines.postgres import PostgresStore
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.row_tree import day_root
from tests.benchmarks.bench_checkin import Bench, Table
from tests.benchmarks.load import measure
from tests.checkin.vault.engines.promotion import Cluster
from tests.checkin.vault.engines.workers import DAY, SPAWN, a_row
from tests.support import registry_service
from tests.support.databases import running

Open = Callable[[], DayStore]
WRITERS = 4
COMMITS = {1: 500, 50: 200}
"""Rows in a commit → how many commits each writer makes."""
GROUP = b"g" * 16
IN_GROUP = 200
READS = 500
PATIENCE = 600.0


def on_postgresql(dsn: str) -> DayStore:
    """A store that other processes can open, too."""
    return PostgresStore(Postgres(dsn, patience=PATIENCE), "visits")


def on_sqlite(folder: Path) -> DayStore:
    """As above."""
    return SqliteStore(folder, ordered=True, timeout=PATIENCE)


def write(open_store: Open, batch: int, start: Barrier, done: Connection) -> None:
    """One writer; its rows are made before the clock runs."""
    store = open_store()
    commits = [[a_row() for _ in range(batch)] for _ in range(COMMITS[batch])]
    store.insert(DAY, [a_row()])
    start.wait()
    for rows in commits:
        store.insert(DAY, rows)
    done.send(None)
    store.close()


def rate(open_store: Open, batch: int) -> float:
    """Rows a second of all writers together."""
    start = SPAWN.Barrier(WRITERS + 1)
    pipes = [SPAWN.Pipe(duplex=False) for _ in range(WRITERS)]
    writers = [SPAWN.Process(target=write, args=(open_store, batch, start, theirs)) for _, theirs in pipes]
    for writer in writers:
        writer.start()
    start.wait()
    began = perf_counter()
    for ours, _ in pipes:
        ours.recv()
    took = perf_counter() - began
    for writer in writers:
        writer.join()
    store = open_store()
    store.drop(DAY)
    store.close()
    return WRITERS * batch * COMMITS[batch] / took


def rates(table: Table, engines: dict[str, Open], rounds: int) -> None:
    """Every engine in turn, round after round."""
    for batch in COMMITS:
        found: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(rounds):
            for name, open_store in engines.items():
                found[name].append(rate(open_store, batch))
        first = next(iter(engines))
        for name, values in found.items():
            table.show(f"rows a second, {batch} a commit, {name}", values, "/s")
            if name != first:
                against = [one / other for one, other in zip(values, found[first], strict=True)]
                table.show(f"  ÷ {first}", against, "")


def closings(table: Table, name: str, store: DayStore, rows: int, rounds: int) -> None:
    """Seconds to hash all rows, and processor time a row of all that hash, their start included."""
    took, cost = {1: list[float](), 2: list[float]()}, {1: list[float](), 2: list[float]()}
    for processes in [1, 2] * rounds:
        used, began = children_used(), perf_counter()
        assert day_root(store, DAY, large=0, processes=processes)[1] == rows
        took[processes].append(perf_counter() - began)
        cost[processes].append(1e6 * (children_used() - used) / rows)
    for processes, seconds in took.items():
        table.show(f"seconds to close the day, processes: {processes}, {name}", seconds, "s")
        table.show("  CPU a row, without the server's", cost[processes], "µs")
    table.show("  one process ÷ two", [one / two for one, two in zip(took[1], took[2], strict=True)], "")


def children_used() -> float:
    """Processor seconds of the processes that have ended."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def a_day(table: Table, name: str, open_store: Open, rows: int, rounds: int) -> None:
    """From its first row to its end."""
    store, groups = open_store(), [os.urandom(16) for _ in range(rows // IN_GROUP)]
    for at in range(0, rows, 1000):
        mine = [a_row(group=GROUP, bucket=12) for _ in range(IN_GROUP * (at + 1000) // rows - IN_GROUP * at // rows)]
        store.insert(DAY, mine + [a_row(group=random.choice(groups)) for _ in range(1000 - len(mine))])
    store.insert(DAY + 1, [a_row(group=GROUP) for _ in range(IN_GROUP)])
    store.freeze(DAY)
    if store.settles:
        store.settle(DAY)
    store.close()
    store = open_store()
    began = perf_counter()
    assert len(store.group(DAY, GROUP, 11, 14)) == IN_GROUP
    table.show(f"ms for {IN_GROUP} rows of {rows:,}, {name}", [1000 * (perf_counter() - began)], "ms")
    closings(table, name, store, rows, rounds)
    table.show(f"bytes a row at rest, {name}", [store.measure(DAY).bytes / rows], "")
    before = reads(store, threading.Event(), READS)
    over, meanwhile = threading.Event(), list[float]()
    reader = threading.Thread(target=lambda: meanwhile.extend(reads(store, over, 10**9)))
    reader.start()
    began = perf_counter()
    store.drop(DAY)
    took = perf_counter() - began
    over.set()
    reader.join()
    table.show(f"ms to remove the day's rows, {name}", [1000 * took], "ms")
    worst = [sorted(found)[len(found) * 99 // 100] for found in (meanwhile, before)]
    table.show(f"99 % of reads of another day meanwhile ÷ before, {name}", [worst[0] / worst[1]], "")
    store.drop(DAY + 1)
    store.close()


def reads(store: DayStore, over: threading.Event, most: int) -> list[float]:
    """Seconds of each, until it is over, one at least."""
    found: list[float] = []
    while not found or (len(found) < most and not over.is_set()):
        began = perf_counter()
        store.group(DAY + 1, GROUP)
        found.append(perf_counter() - began)
    return found


def check_ins(table: Table, folder: Path, dsn: str, rounds: int, number: int) -> None:
    """Processor time of the registry's own process; the engine's is not in it."""
    file = folder / "dsn"
    file.touch(mode=0o600)
    file.write_text(dsn)
    given = {"SQLite": {}, "PostgreSQL": {"store": "postgresql", "dsn_file": str(file)}}
    found: dict[str, list[float]] = {name: [] for name in given}
    with ExitStack() as stack:
        at = {}
        for name, settings in given.items():
            bench = Bench(folder / f"on-{name}", **settings)
            stack.callback(bench.close)
            [server] = stack.enter_context(registry_service.processes(bench.registry, 1))
            with server.client() as client:
                at[name] = (bench, server, registry_service.enrol(client))
        for _ in range(rounds):
            for name, (bench, server, door) in at.items():
                measured = measure([server.process.pid], [server.port], bench.single(door, number), 32)
                found[name].append(measured.cpu)
    for name, values in found.items():
        table.show(f"CPU a check-in, {name}", values, "ms")
    ratios = [one / other for one, other in zip(found["PostgreSQL"], found["SQLite"], strict=True)]
    table.show("  PostgreSQL ÷ SQLite", ratios, "")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the day, in thousands")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--number", type=int, default=4000, help="check-ins a round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = Table(as_json=options.json)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp")))
        let_through(folder)
        alone = stack.enter_context(running(folder / "alone")).dsn
        followed = stack.enter_context(Cluster(folder, 1, synchronous=True)).dsn
        engines: dict[str, Open] = {
            "SQLite": partial(on_sqlite, folder / "days"),
            "PostgreSQL": partial(on_postgresql, alone),
            "PostgreSQL with a standby": partial(on_postgresql, followed),
        }
        rates(table, engines, options.rounds)
        check_ins(table, folder, alone, options.rounds, options.number)
        for name in ("SQLite", "PostgreSQL"):
            a_day(table, name, engines[name], options.rows, options.rounds)
    if options.json:
        print(json.dumps({"rows": options.rows, "rounds": options.rounds, "figures": table.figures}))


if __name__ == "__main__":
    main()
