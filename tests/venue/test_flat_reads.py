"""A question about one venue reads that venue alone, whether the registry has one venue or a hundred thousand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkin.files.tables import SqliteTables
from checkin.service.endings import Endings
from tests.support.purging_service import House
from tests.support.service_folder import make_service
from venue.database import REGISTRY, knows_token
from venue.gates import GATES, Gates
from venue.order_steps import Traces
from venue.scanners import Scanners

MANY = 100_000
VENUE, SCANNER = f"{7:016x}", f"{7:016x}"
BIG = ("scanners", "venues", "heard")


class Traced(sqlite3.Connection):
    """Remembers every statement that it carries out."""

    statements: list[tuple[sqlite3.Connection, str]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.set_trace_callback(lambda statement: self.statements.append((self, statement)))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[sqlite3.Connection, str]]:
    """Of every connection made from here on."""
    made: list[tuple[sqlite3.Connection, str]] = []
    traced = type("Traced", (Traced,), {"statements": made})
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **options: connect(*a, factory=traced, **options))
    return made


def whole_tables(statements: list[tuple[sqlite3.Connection, str]]) -> list[str]:
    """Steps of SQLite's plans that read all of a big table, or all of an index of it."""
    read = []
    for connection, statement in statements.copy():
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "select")):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            read += [f"{step}: {statement}" for *_, step in plan if step.startswith("SCAN") and step.split()[1] in BIG]
    return read


def fill(folder: Path, many: int = MANY) -> None:
    """A venue with a scanner, as often as a small nation has one, and a sign of life of each scanner."""
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {many - 1})"  # noqa: S608 - a constant
    inserts = {
        "venue.db": [
            "venues (id, name, category, operator_sha256, status_rule, closed)"
            " SELECT printf('%016x', i), printf('Cafe %d', i), 'x', CAST(i AS BLOB), '[]', 0 FROM n",
            "scanners (id, venue, label, token_sha256, revoked, uploads_until)"
            " SELECT printf('%016x', i), printf('%016x', i), 'x', CAST(i AS BLOB), 0, 0 FROM n",
        ],
        "gates.db": ["heard (scanner, at, waiting) SELECT printf('%016x', i), 0, 0 FROM n"],
    }
    for file, inserted in inserts.items():
        with closing(sqlite3.connect(folder / file)) as tables, tables:
            for insert in inserted:
                tables.execute(f"{numbers} INSERT INTO {insert}")


@pytest.fixture
def nation(
    tmp_path: Path, statements: list[tuple[sqlite3.Connection, str]]
) -> Iterator[tuple[House, SqliteTables, Gates, Endings]]:
    """A registry's parts over that many venues."""
    make_service(tmp_path)
    house = House(tmp_path)
    house.guard.tick()
    house.open_day()
    database, endings = SqliteTables(tmp_path / "data", REGISTRY), Endings(house.party, house.guard)
    counts = SqliteTables(tmp_path / "data", GATES)
    gates = Gates(house.service, database, counts)
    fill(tmp_path / "data")
    statements.clear()
    yield house, database, gates, endings
    gates.close()
    counts.close()
    database.close()
    house.store.close()


def test_no_table_is_read_whole_for_one_venue(
    nation: tuple[House, SqliteTables, Gates, Endings], statements: list[tuple[sqlite3.Connection, str]]
) -> None:
    """An operator's list, a sign of life, a revocation and its sweep, a token, and the names that an order asks for."""
    house, database, gates, endings = nation
    scanners = Scanners(database, endings, house.party, house.guard)
    [entry] = scanners.listed(VENUE)
    assert gates.last_heard([entry.scanner_id]).keys() == {SCANNER}
    gates.keep()
    gates.hear(bytes.fromhex(SCANNER))
    gates.keep()
    scanners.revoke(VENUE, SCANNER, "replaced")
    gates.keep()
    assert gates.last_heard([SCANNER, f"{8:016x}"]).keys() == {f"{8:016x}"}
    scanners.forget_uploads()
    assert not knows_token(database, b"nobody's")
    traces = Traces(house.party, house.guard, house.vault, database)
    [row] = traces._names({bytes.fromhex(VENUE)})
    assert row.name == "Cafe 7"
    seen = [statement for _, statement in statements]
    assert all(any(table in statement for statement in seen) for table in BIG)
    assert whole_tables(statements) == []


def test_a_table_that_is_read_whole_is_noticed(
    nation: tuple[House, SqliteTables, Gates, Endings], statements: list[tuple[sqlite3.Connection, str]]
) -> None:
    """The control: the look at plans does see a scan."""
    _, database, _, _ = nation
    with database.reading() as tables:
        tables.execute("SELECT id, name FROM venues").fetchall()
    assert len(whole_tables(statements)) == 1
