"""Files of earlier versions open, and what is in them stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from checkin.files.tables import SqliteTables
from checkin.orders.part import MAX_ROWS
from checkin.service.order_store import ORDERS, KeptAnswer, OrderStore
from venue.database import LISTS, REGISTRY, SCANNERS
from venue.gates import GATES

FIRST = {
    "venue": """
        CREATE TABLE venues (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL, capacity INTEGER,
            operator_sha256 BLOB NOT NULL, status_rule TEXT NOT NULL, closed INTEGER NOT NULL) STRICT;
        CREATE TABLE scanners (id TEXT PRIMARY KEY NOT NULL, venue TEXT NOT NULL, label TEXT NOT NULL,
            token_sha256 BLOB NOT NULL, revoked INTEGER NOT NULL) STRICT;
        CREATE TABLE issuer_lists (issuer INTEGER PRIMARY KEY NOT NULL, note TEXT NOT NULL) STRICT;
        CREATE TABLE alarms (day INTEGER PRIMARY KEY NOT NULL, failed INTEGER NOT NULL) STRICT;
        CREATE UNIQUE INDEX idx_venues_operator_sha256 ON venues (operator_sha256);
        INSERT INTO venues VALUES ('a', 'Cafe', 'cafe', NULL, x'01', '[]', 0);
        INSERT INTO scanners VALUES ('b', 'a', 'door', x'02', 1);
        INSERT INTO issuer_lists VALUES (1, 'note');""",
    "gates": """
        CREATE TABLE heard (scanner TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL) STRICT;
        INSERT INTO heard VALUES ('b', 300);""",
    "orders": """
        CREATE TABLE answers (part TEXT PRIMARY KEY NOT NULL, list TEXT NOT NULL, expires INTEGER NOT NULL,
            oldest INTEGER NOT NULL, sealed TEXT) STRICT;
        INSERT INTO answers VALUES ('old', '', 7, 1, 'sealed');""",
}
LAST = {
    "venue": """
        CREATE TABLE venues (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL, capacity INTEGER,
            operator_sha256 BLOB NOT NULL, status_rule TEXT NOT NULL, closed INTEGER NOT NULL) STRICT;
        CREATE TABLE scanners (id TEXT PRIMARY KEY NOT NULL, venue TEXT NOT NULL, label TEXT NOT NULL,
            token_sha256 BLOB NOT NULL, revoked INTEGER NOT NULL, uploads_until INTEGER NOT NULL) STRICT;
        CREATE TABLE issuer_lists (issuer INTEGER PRIMARY KEY NOT NULL, note TEXT NOT NULL, proof TEXT NOT NULL) STRICT;
        CREATE TABLE endings (number INTEGER PRIMARY KEY NOT NULL) STRICT;
        INSERT INTO venues VALUES ('a', 'Cafe', 'cafe', NULL, x'01', '[]', 0);
        INSERT INTO scanners VALUES ('b', 'a', 'door', x'02', 1, 0);
        INSERT INTO issuer_lists VALUES (1, 'note', '');
        INSERT INTO endings VALUES (9);""",
    "gates": """
        CREATE TABLE heard (scanner TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL, waiting INTEGER NOT NULL) STRICT;
        INSERT INTO heard VALUES ('b', 300, -1);""",
    "orders": f"""
        CREATE TABLE answers (part TEXT NOT NULL, list TEXT NOT NULL, expires INTEGER NOT NULL, oldest INTEGER NOT NULL,
            rows INTEGER NOT NULL, sealed TEXT, PRIMARY KEY (part, list)) STRICT;
        INSERT INTO answers VALUES ('old', '', 7, 1, {MAX_ROWS}, 'sealed');""",  # noqa: S608 - a constant
}


@pytest.mark.parametrize("version", [FIRST, LAST], ids=["the first", "the last without numbers"])
def test_a_file_of_an_earlier_version_goes_on(version: dict[str, str], tmp_path: Path) -> None:
    for name, script in version.items():
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as old:
            old.executescript(script)
    with closing(SqliteTables(tmp_path, REGISTRY)) as registry:
        assert registry.read("SELECT id, name FROM venues") == [("a", "Cafe")]
        assert registry.read("SELECT id, revoked, uploads_until FROM scanners") == [("b", 1, 0)]
        assert registry.read("SELECT issuer, note, proof FROM issuer_lists") == [(1, "note", "")]
        assert registry.look() == {SCANNERS: 0, LISTS: 0}
    with closing(SqliteTables(tmp_path, GATES)) as gates:
        assert gates.read("SELECT scanner, at, waiting FROM heard") == [("b", 300, -1)]
    with closing(SqliteTables(tmp_path, ORDERS)) as tables:
        orders = OrderStore(tables)
        assert orders.answers("old") == {"": KeptAnswer("", "sealed", 1, MAX_ROWS)}
        for number in range(2):
            kept = KeptAnswer(str(number), "sealed", 1, 1)
            assert orders.keep("new", kept, expires=9, known=orders.answers("new").keys())
    with closing(SqliteTables(tmp_path, ORDERS)) as again:
        assert again.read("SELECT count(*) FROM answers") == [(3,)]
