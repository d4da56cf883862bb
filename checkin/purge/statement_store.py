"""What a service states about its days: the kinds of its signed statements, and the book that keeps them.

Every statement is a signed note that names no person, no venue and no time finer than a day, so that the book,
the log and the public page can show all of it. Complete examples: docs/spec/retention.md §1.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from checkin.clock import DATES
from checkin.files.durable import create_file, private_folder
from checkin.files.tables import Tables, TableSet
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.note import unverified_text
from checkin.protocol.ring_messages import NODE_LOST, RING_KINDS
from checkin.protocol.statement import CLOCK, StatementType, one

KEY_MADE: Final = StatementType("checkin/key-made/v1", "service", "key", "commitment", "day", CLOCK)
KEY_DESTROYED: Final = StatementType("checkin/key-destroyed/v1", "service", "key", "commitment", "due", "done", CLOCK)
DAY_CLOSED: Final = StatementType("checkin/day-closed/v1", "service", "day", "digest", "count", CLOCK)
PURGE_REPORT: Final = StatementType(
    "checkin/purge-report/v1",
    "service",
    "day",
    "rows",
    "bytes",
    "root",
    "closing",
    "key",
    "commitment",
    "due",
    "done",
    "oldest-day-held",
    "days-held",
    "hold",
    CLOCK,
)
ORDER_EXECUTED: Final = StatementType("checkin/order-executed/v1", "service", "step", "part", "people", "done", CLOCK)
ORDER_REFUSED: Final = StatementType("checkin/order-refused/v1", "service", "code", "part", "done", CLOCK)
EARLY_DESTRUCTION: Final = StatementType(
    "checkin/early-destruction/v1", "authority", "service", "first", "last", "day", "reason", CLOCK
)
_OWN: Final = (KEY_MADE, KEY_DESTROYED, DAY_CLOSED, PURGE_REPORT, ORDER_EXECUTED, ORDER_REFUSED, EARLY_DESTRUCTION)
KINDS: Final = {kind.kind: kind for kind in (*_OWN, *RING_KINDS)}
BY_AUTHORITY: Final = (EARLY_DESTRUCTION.kind, NODE_LOST.kind)
"""What a service states with its authority's officers; their lines come first."""
EARLY: Final = "early-"
"""So begins the name of a statement that days are to be destroyed before they are due."""

ABSENT: Final = "-"
SMALL_COUNT: Final = 10
FEWER: Final = f"fewer than {SMALL_COUNT}"
LAST_DAY: Final = 65_535
"""6 June 2149: a later day in a statement is a mistake or an attack."""
STATEMENT_NAME: Final = r"[a-z0-9][a-z0-9-]{0,99}"
_NAME = re.compile(STATEMENT_NAME)
_BEYOND: Final = "~"  # comes after all that a name may have
_FIRST: Final = """CREATE TABLE IF NOT EXISTS statements (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    note text NOT NULL
)"""
STATEMENTS: Final = TableSet("statements", (_FIRST,))
_PUT: Final = "INSERT INTO statements (name, note) VALUES (:name, :note) ON CONFLICT DO NOTHING"
_ALL: Final = "SELECT name, note FROM statements WHERE name >= :first AND name < :beyond ORDER BY name"
_FOLLOWING: Final = "SELECT name, note FROM statements WHERE name > :after ORDER BY name LIMIT :limit"


def report_name(day: int) -> str:
    """`purge-2026-11-20`."""
    return f"purge-{DATES.date(day)}"


def closed_name(day: int) -> str:
    """`closed-2026-11-20`."""
    return f"closed-{DATES.date(day)}"


def made_name(name: KeyName) -> str:
    """`key-made-day-2026-11-20`."""
    return f"key-made-{name.purpose.value}-{DATES.date(name.day)}"


def destroyed_name(name: KeyName) -> str:
    """`key-destroyed-intake-2026-11-20`; of a day's key the day's report."""
    if name.purpose is Purpose.DAY:
        return report_name(name.day)
    return f"key-destroyed-{name.purpose.value}-{DATES.date(name.day)}"


def published_count(count: int) -> str:
    """A count as it is published: a small one could point at a person."""
    return str(count) if count >= SMALL_COUNT else FEWER


def read_count(text: str) -> int | None:
    """Inverse of `published_count`; None for a small one; `ValueError` for anything else."""
    if text == FEWER:
        return None
    count = decimal_decode(text)
    if count < SMALL_COUNT:
        raise ValueError("small counts are not spelled out")
    return count


class StatementStore(Protocol):
    """Signed notes by name, each written once; any number of processes may write."""

    def put(self, name: str, note: str) -> bool:
        """On disk when it returns; False if a statement of that name stands already, which then stays as it is."""

    def get(self, name: str) -> str | None:
        """The note, or None."""

    def names(self) -> list[str]:
        """Sorted."""

    def all(self, prefix: str = "") -> list[tuple[str, str]]:
        """(name, note) of the names that begin so, sorted by name; no other is read."""

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        """As `all`: the first `limit` with names after that one."""

    def __contains__(self, name: str) -> bool: ...


def made_commitment(book: StatementStore, name: KeyName) -> str:
    """The commitment that was stated when the key was made, or nothing."""
    note = book.get(made_name(name))
    return one(KEY_MADE.read(unverified_text(note)), "commitment") if note else ""


class StatementFolder:
    """A `StatementStore` in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def put(self, name: str, note: str) -> bool:
        return create_file(self._path(name), note.encode())

    def get(self, name: str) -> str | None:
        # A damaged one verifies under no key, and keeps no other from being shown.
        with suppress(FileNotFoundError), self._path(name).open(encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
        return None

    def names(self) -> list[str]:
        return sorted(self._names())

    def all(self, prefix: str = "") -> list[tuple[str, str]]:
        return self._read(sorted(name for name in self._names() if name.startswith(prefix)))

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        return self._read(heapq.nsmallest(limit, (name for name in self._names() if name > after)))

    def _names(self) -> Iterator[str]:
        """Names of all statements, in no order; no file is opened."""
        return (path.stem for path in self._folder.glob("*.txt") if _NAME.fullmatch(path.stem))

    def _read(self, names: list[str]) -> list[tuple[str, str]]:
        return [(name, note) for name in names if (note := self.get(name)) is not None]

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        return self._folder / f"{_checked(name)}.txt"


class StatementTable:
    """A `StatementStore` in an engine's table."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, name: str, note: str) -> bool:
        row = {"name": _checked(name), "note": note}
        return self._tables.write(lambda commit: commit.change(_PUT, row)) == 1

    def get(self, name: str) -> str | None:
        found = self._tables.read("SELECT note FROM statements WHERE name = :name", {"name": _checked(name)})
        return found[0][0] if found else None

    def names(self) -> list[str]:
        return [name for (name,) in self._tables.read("SELECT name FROM statements ORDER BY name")]

    def all(self, prefix: str = "") -> list[tuple[str, str]]:
        return self._tables.read(_ALL, {"first": prefix, "beyond": f"{prefix}{_BEYOND}"})

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        return self._tables.read(_FOLLOWING, {"after": after, "limit": limit})

    def __contains__(self, name: str) -> bool:
        return bool(self._tables.read("SELECT 1 FROM statements WHERE name = :name", {"name": _checked(name)}))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not the name of a statement")
    return name
