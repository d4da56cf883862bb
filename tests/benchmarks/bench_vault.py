"""Measurements of the day vault: `checkin bench vault [--rows N] [--rounds R] [--json]`.

Figures of one machine say little, so each is set against something bare, run in turn with it: commits of 1,000
rows against plain `executemany`, single commits against plain writes of a page with fdatasync, unlinking a day
against DELETE and VACUUM. Median, smallest and largest of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.primitives import OpeningKey, SealingKey
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.ledger import LedgerBatch, ledger_row
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit, open_visit, seal_visit, venue_group

VENUES = 1000
SINGLES = 500
Figures = dict[str, list[float]]


def a_visit(number: int) -> Visit:
    """A visit to one of a thousand venues."""
    venue = (number % VENUES).to_bytes(8, "big")
    return Visit(venue, 29_922_000 + number % 1440, 1, os.urandom(16), os.urandom(16), os.urandom(72))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


class Bench:
    """One folder, one key ring, a day a round."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.rows = rows
        self.ring = KeyRing(folder / "keys", os.urandom(32), allow_unfit=True)
        self.visits = Vault("venue", SqliteStore(folder / "visits", ordered=True), self.ring)
        self.ledger = Vault("issuer", SqliteStore(folder / "ledger", ordered=False), self.ring)
        self.figures: Figures = {}

    def note(self, name: str, value: float) -> None:
        """One more value of a figure."""
        self.figures.setdefault(name, []).append(value)

    def round(self, day: int) -> None:
        """Every measurement once, on a day of its own."""
        self.ring.make(KeyName(Purpose.DAY, day), oldest=0)
        rows = self.seal(day)
        self.commits(day, rows)
        self.single_commits(day)
        self.read(day)
        self.ledger_rows(day)
        self.forget(day)

    def seal(self, day: int) -> list[Row]:
        rows: list[Row] = []
        visits = [a_visit(number) for number in range(self.rows)]
        took = seconds(lambda: rows.extend(seal_visit(self.visits, day, visit, 12) for visit in visits))
        self.note("rows sealed a second", self.rows / took)
        return rows

    def commits(self, day: int, rows: list[Row]) -> None:
        batches = [rows[at : at + 1000] for at in range(0, len(rows), 1000)]
        vault = seconds(lambda: [self.visits.insert(day, batch) for batch in batches])
        plain = self.folder / "plain.db"
        with closing(sqlite3.connect(plain, isolation_level=None)) as database:
            database.executescript(
                'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE "rows" ("key" BLOB, "group" BLOB,'
                ' bucket INTEGER, nonce BLOB, sealed BLOB); CREATE UNIQUE INDEX k ON "rows" ("key");'
                ' CREATE INDEX g ON "rows" ("group", bucket)'
            )
            bare = seconds(lambda: _plain_inserts(database, batches))
        plain.unlink()
        self.note("rows a second, commits of 1,000", self.rows / vault)
        self.note("  ÷ plain executemany", bare / vault)
        self.visits.store.close()
        self.visits.store = SqliteStore(self.folder / "visits", ordered=True)
        self.note("bytes a visit at rest", self.visits.store.measure(day).bytes / self.rows)

    def single_commits(self, day: int) -> None:
        rows = [seal_visit(self.visits, day, a_visit(number), 13) for number in range(SINGLES)]
        vault = seconds(lambda: [self.visits.insert(day, [row]) for row in rows])
        bare = seconds(lambda: _synced_pages(self.folder / "pages", SINGLES))
        self.note("single commits a second", SINGLES / vault)
        self.note("  ÷ a page written and synced", bare / vault)

    def read(self, day: int) -> None:
        group = venue_group(self.visits, day, (7).to_bytes(8, "big"))
        found: list[Visit] = []

        def window() -> None:
            rows = self.visits.store.group(day, group, 11, 14)
            found.extend(open_visit(self.visits, day, row) for row in rows)

        self.note("ms for a venue's window, opened", seconds(window) * 1000)
        self.note("ms for root over all rows", seconds(lambda: self.visits.root(day)) * 1000)

    def ledger_rows(self, day: int) -> None:
        """Rows of the true size; HPKE is measured once, the rest are the same bytes under other keys."""
        authority = SealingKey(OpeningKey(os.urandom(32)).public)
        real = ledger_row(
            self.ledger, day, 1, LedgerBatch(os.urandom(32), 10), issuer=1, authority=authority, key=bytes(16)
        )
        count = max(1000, self.rows // 10)
        rows = [Row(os.urandom(16), os.urandom(16), 0, real.nonce, real.sealed) for _ in range(count)]
        for at in range(0, count, 100):
            self.ledger.insert(day, rows[at : at + 100])
        self.note("ms to settle the ledger", seconds(lambda: self.ledger.store.settle(day)) * 1000)
        self.note("bytes a ledger row at rest, settled", self.ledger.store.measure(day).bytes / count)

    def forget(self, day: int) -> None:
        """The key first, as a purge does; then the bytes, in both ways, on two copies of the day."""
        name = KeyName(Purpose.DAY, day)
        self.ring.entomb(name, {"rows": self.rows})
        self.note("ms to destroy the key", seconds(lambda: self.ring.destroy(name)) * 1000)
        self.visits.store.close()
        self.visits.store = SqliteStore(self.folder / "visits", ordered=True)
        copy = self.folder / "copy.db"
        shutil.copyfile(self.folder / "visits" / f"day-{day}.db", copy)
        deleted = seconds(lambda: _delete_and_vacuum(copy))
        dropped = seconds(lambda: self.visits.store.drop(day))
        copy.unlink()
        self.note("ms to drop the day", dropped * 1000)
        self.note("  ÷ DELETE and VACUUM", dropped / deleted)
        self.ledger.store.drop(day)

    def close(self) -> None:
        self.visits.store.close()
        self.ledger.store.close()


def _plain_inserts(database: sqlite3.Connection, batches: list[list[Row]]) -> None:
    for rows in batches:
        with database:
            database.execute("BEGIN IMMEDIATE")
            values = [(row.key, row.group, row.bucket, row.nonce, row.sealed) for row in rows]
            database.executemany('INSERT INTO "rows" VALUES (?, ?, ?, ?, ?)', values)


def _synced_pages(path: Path, count: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for _ in range(count):
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)
    os.close(descriptor)


def _delete_and_vacuum(path: Path) -> None:
    """What a store without a file a day would have to do; half the rows are another day's and stay."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = FULL")
        database.execute('DELETE FROM "rows" WHERE rowid % 2')
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def main() -> None:
    """Runs the rounds and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description="Measures the day vault.")
    parser.add_argument("--rows", type=int, default=50_000, help="visits a day")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rows)
        for day in range(options.rounds):
            bench.round(day)
        bench.close()
    table = {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in bench.figures.items()
    }
    if options.json:
        print(json.dumps({"rows": options.rows, "rounds": options.rounds, "figures": table}))
        return
    print(f"{options.rows:,} visits a day, {options.rounds} rounds{'median':>24}{'min':>12}{'max':>12}")
    for name, value in table.items():
        print(f"{name:40}{value['median']:>18,.3f}{value['min']:>12,.3f}{value['max']:>12,.3f}")


if __name__ == "__main__":
    main()
