"""A day of the national peak: `checkin bench big_day [--rows N] [--json]`.

Days of 10⁵, 10⁶ … N visits, one after the other: how fast they fill, one venue's window out of all of them, the
moment the day becomes unreadable, and removing its bytes. The venue's visits are real, sealed and opened; the other
rows have the same columns and sizes with random bytes in them, which nothing below the seal can tell from real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from checkin.errors import DayDestroyed
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit, open_visit, seal_visit, venue_group

COMMIT = 10_000
VENUE = bytes(8)
HOURS = (11, 12, 13, 14)
IN_WINDOW = 200  # visits of the venue in four hours
RANDOM_GROUPS = 50_000  # of venues; each of a commit's rows has another


def fill(vault: Vault, day: int, rows: int) -> float:
    """Seconds for so many visits, hour after hour, the venue's evenly among them."""
    visits = [Visit(VENUE, 29_922_000, 1, os.urandom(16), os.urandom(16), os.urandom(72)) for _ in range(IN_WINDOW)]
    real = [seal_visit(vault, day, visit, HOURS[number % 4]) for number, visit in enumerate(visits)]
    size = len(real[0].sealed)
    groups = [os.urandom(16) for _ in range(RANDOM_GROUPS)]
    commits, took = rows // COMMIT, 0.0
    for number in range(commits):
        mine = real[number * IN_WINDOW // commits : (number + 1) * IN_WINDOW // commits]
        hour = number * 25 // commits
        others = [
            Row(os.urandom(16), groups[(number + at) % RANDOM_GROUPS], hour, os.urandom(12), os.urandom(size))
            for at in range(COMMIT - len(mine))
        ]
        start = perf_counter()
        vault.insert(day, mine + others)
        took += perf_counter() - start
        if sys.stderr.isatty():
            print(f"\r{(number + 1) * COMMIT:,} of {rows:,} rows", end="", file=sys.stderr)
    return took


def measure(folder: Path, day: int, rows: int) -> dict[str, float]:
    """One day, from its first row to its last byte."""
    ring = KeyRing(folder / "keys", bytes(32), allow_unfit=True)
    name = KeyName(Purpose.DAY, day)
    ring.make(name, oldest=0)
    vault = Vault("venue", SqliteStore(folder / "visits", ordered=True), ring)
    filled = fill(vault, day, rows)
    vault.store.close()

    vault = Vault("venue", SqliteStore(folder / "visits", ordered=True), ring)
    group = venue_group(vault, day, VENUE)
    start = perf_counter()
    found = [open_visit(vault, day, row) for row in vault.store.group(day, group, HOURS[0], HOURS[-1])]
    window = perf_counter() - start
    assert len(found) == IN_WINDOW
    size = vault.store.measure(day).bytes

    ring.entomb(name, {"rows": rows})
    start = perf_counter()
    ring.destroy(name)
    destroyed = perf_counter() - start
    try:
        venue_group(vault, day, VENUE)
        raise AssertionError("the day is still readable")
    except DayDestroyed:
        pass
    start = perf_counter()
    vault.store.drop(day)
    dropped = perf_counter() - start
    vault.store.close()
    return {
        "rows a second": rows / filled,
        "ms for a venue's window of 200 visits": window * 1000,
        "ms to destroy the key": destroyed * 1000,
        "ms to remove the bytes": dropped * 1000,
        "bytes a visit": size / rows,
    }


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description="Measures days from 100,000 visits on, each ten times the one before.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="visits of the biggest day")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[int, dict[str, float]] = {}
    rows = 100_000
    with tempfile.TemporaryDirectory() as folder:
        while rows <= options.rows:
            figures[rows] = measure(Path(folder), len(figures), rows)
            rows *= 10
    if options.json:
        print(json.dumps(figures))
        return
    print(f"\n{'visits':40}" + "".join(f"{rows:>14,}" for rows in figures))
    for name in figures[100_000]:
        print(f"{name:40}" + "".join(f"{of[name]:>14,.2f}" for of in figures.values()))


if __name__ == "__main__":
    main()
