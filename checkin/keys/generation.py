"""Whether data is as new as the key ring beside it, which is never put back (docs/spec/keys.md §7).

A number grows at every start, at every stop and every few minutes between: first in `data/generation.json`, then in
`keys/generation.json`. A crash between the two leaves data ahead, a folder that was put back from a backup is behind.
Where the state lies in a database that machines share, the number stands there, too, before it stands in `keys`:

    generations (machine, number, day)   a row for each of them, by its name in [ring]
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from checkin.files.durable import locked, replace_file
from checkin.files.tables import Tables, TableSet, Values

FILE: Final = "generation.json"
UNKNOWN: Final = "unknown"
_FIRST: Final = """CREATE TABLE IF NOT EXISTS generations (
    machine text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    day text NOT NULL
)"""
GENERATIONS: Final = TableSet("generations", (_FIRST,))
_READ: Final = "SELECT number, day FROM generations WHERE machine = :machine"
_WRITE: Final = """INSERT INTO generations (machine, number, day) VALUES (:machine, :number, :day)
    ON CONFLICT (machine) DO UPDATE SET number = excluded.number, day = excluded.day"""


@dataclass(frozen=True)
class Mark:
    """`day`: the service's date when it was written. `restored`: that of the data that was put back, `unknown` if it
    does not say; '' when none was, or a person has confirmed it. `in_database`: whether one has the number, too."""

    number: int = 0
    day: str = ""
    restored: str = ""
    in_database: bool = False


class GenerationTable:
    """A machine's mark in the database."""

    def __init__(self, tables: Tables, machine: str) -> None:
        self._tables = tables
        self._machine = machine

    def read(self) -> Mark | None:
        """None where the database has none. Raises `NotReady`."""
        found = self._tables.read(_READ, {"machine": self._machine})
        return Mark(*found[0]) if found else None

    def write(self, mark: Mark) -> None:
        """Raises `NotReady`."""
        row: Values = {"machine": self._machine, "number": mark.number, "day": mark.day}
        self._tables.write(lambda commit: commit.execute(_WRITE, row))


class Generation:
    """The marks of one service on one machine; any number of processes."""

    def __init__(self, data: Path, keys: Path, table: GenerationTable | None = None) -> None:
        self._data, self._ring = data / FILE, keys / FILE
        self._lock = keys / "generation.lock"
        self._table = table

    def open(self, day: str) -> bool:
        """Compares them at a start, and counts on; whether data is older than the ring, or the ring was lost.

        What was found stays until `confirm`.
        """
        with locked(self._lock):
            data, ring = _read(self._data), _read(self._ring)
            behind = data.number < ring.number if data and ring else bool(data or ring)
            if behind:
                ring = replace(ring or Mark(), restored=(data.day if data else "") or UNKNOWN)
            return self._write(data or Mark(), ring or Mark(), day) or behind

    def advance(self, day: str) -> None:
        """Increments the number of all marks; a database can have been put back under a service that runs."""
        with locked(self._lock):
            data, ring = _read(self._data) or Mark(), _read(self._ring) or Mark()
            self._write(data, ring, day)

    def confirm(self) -> None:
        """Clears the date: a person knows that the folder was put back."""
        with locked(self._lock):
            if ring := _read(self._ring):
                replace_file(self._ring, _bytes(replace(ring, restored="")))

    def put_back(self) -> None:
        """Names the folder that is there now, which was put back: also where the two numbers would be the same."""
        with locked(self._lock):
            if ring := _read(self._ring):
                replace_file(self._ring, _bytes(replace(ring, restored=self.day)))

    @property
    def day(self) -> str:
        """The date of the data folder, `unknown` if it does not say."""
        data = _read(self._data)
        return (data.day if data else "") or UNKNOWN

    @property
    def restored(self) -> str:
        """The date of the folder that was put back and is not confirmed yet, or ''."""
        ring = _read(self._ring)
        return ring.restored if ring else ""

    def _write(self, data: Mark, ring: Mark, day: str) -> bool:
        """Writes the next mark everywhere; whether the database is behind."""
        kept, behind = self._table.read() if self._table else None, False
        if self._table:
            behind = kept.number < ring.number if kept else ring.in_database
        restored = (kept.day if kept else UNKNOWN) if behind else ring.restored
        mark = Mark(max(data.number, ring.number, kept.number if kept else 0) + 1, day)
        replace_file(self._data, _bytes(mark))
        if self._table:
            self._table.write(mark)
        replace_file(self._ring, _bytes(replace(mark, restored=restored, in_database=self._table is not None)))
        return behind


def _read(path: Path) -> Mark | None:
    """None for a file that is missing or damaged."""
    try:
        mark = Mark(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return mark if isinstance(mark.number, int) and mark.number > 0 and isinstance(mark.day, str) else None


def _bytes(mark: Mark) -> bytes:
    return json.dumps(asdict(mark)).encode()
