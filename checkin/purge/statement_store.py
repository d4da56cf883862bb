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
from typing import Final

from checkin.files.durable import create_file, private_folder
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.ring_messages import RING_KINDS
from checkin.protocol.statement import CLOCK, Field, StatementType

KEY_MADE: Final = StatementType(
    "checkin/key-made/v1", Field("service"), Field("key"), Field("commitment"), Field("day"), CLOCK
)
KEY_DESTROYED: Final = StatementType(
    "checkin/key-destroyed/v1",
    Field("service"),
    Field("key"),
    Field("commitment"),
    Field("due"),
    Field("done"),
    CLOCK,
)
DAY_CLOSED: Final = StatementType(
    "checkin/day-closed/v1", Field("service"), Field("day"), Field("digest"), Field("count"), CLOCK
)
PURGE_REPORT: Final = StatementType(
    "checkin/purge-report/v1",
    Field("service"),
    Field("day"),
    Field("rows"),
    Field("bytes"),
    Field("root"),
    Field("closing"),
    Field("key"),
    Field("commitment"),
    Field("due"),
    Field("done"),
    Field("oldest-day-held"),
    Field("days-held"),
    Field("hold"),
    CLOCK,
)
ORDER_EXECUTED: Final = StatementType(
    "checkin/order-executed/v1", Field("service"), Field("step"), Field("part"), Field("people"), Field("done"), CLOCK
)
ORDER_REFUSED: Final = StatementType(
    "checkin/order-refused/v1", Field("service"), Field("code"), Field("part"), Field("done"), CLOCK
)
KINDS: Final = {
    kind.kind: kind
    for kind in (KEY_MADE, KEY_DESTROYED, DAY_CLOSED, PURGE_REPORT, ORDER_EXECUTED, ORDER_REFUSED, *RING_KINDS)
}

ABSENT: Final = "-"
SMALL_COUNT: Final = 10
FEWER: Final = f"fewer than {SMALL_COUNT}"
LAST_DAY: Final = 65_535
"""6 June 2149: a later day in a statement is a mistake or an attack."""
STATEMENT_NAME: Final = r"[a-z0-9][a-z0-9-]{0,99}"
_NAME = re.compile(STATEMENT_NAME)


def published_count(count: int) -> str:
    """How a count appears in what everybody can read: a small one could point at a person."""
    return str(count) if count >= SMALL_COUNT else FEWER


def read_count(text: str) -> int | None:
    """Inverse of `published_count`; None for a small one; `ValueError` for anything else."""
    if text == FEWER:
        return None
    count = decimal_decode(text)
    if count < SMALL_COUNT:
        raise ValueError("small counts are not spelled out")
    return count


class StatementStore:
    """Signed notes in a folder, one file each, written once; any number of processes may write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def put(self, name: str, note: str) -> bool:
        """On disk when it returns; False if a statement of that name stands already, which then stays as it is."""
        return create_file(self._path(name), note.encode())

    def get(self, name: str) -> str | None:
        """The note, or None."""
        with suppress(FileNotFoundError), self._path(name).open(encoding="utf-8", newline="") as file:
            return file.read()
        return None

    def names(self) -> list[str]:
        """Sorted."""
        return sorted(self._names())

    def all(self, prefix: str = "") -> list[tuple[str, str]]:
        """(name, note) of the names that begin so, sorted by name; no other file is opened."""
        return self._read(sorted(name for name in self._names() if name.startswith(prefix)))

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        """As `all`: the first `limit` whose names come after that one."""
        return self._read(heapq.nsmallest(limit, (name for name in self._names() if name > after)))

    def _names(self) -> Iterator[str]:
        """In no order; no file is opened."""
        return (path.stem for path in self._folder.glob("*.txt") if _NAME.fullmatch(path.stem))

    def _read(self, names: list[str]) -> list[tuple[str, str]]:
        return [(name, note) for name in names if (note := self.get(name)) is not None]

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("not the name of a statement")
        return self._folder / f"{name}.txt"
