"""data/audits.db: every audit as it was signed, and its lines for queries (docs/spec/audit.md §7).

    audits   place (in the log), day, result, passed, failed, not_run, size and root (of the log then, hex), note
    points   audit, number, service, point, result, evidence

A view `latest` shows the newest audit's lines. Opens in Datasette and `sqlite-utils` as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import sqlite_utils

from checkin.audit.point import AUDIT, Point, PointResult, points_of
from checkin.errors import NoteMalformed
from checkin.files.database import StateFile
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import one
from checkin.service.body import Number

_LATEST = (
    "SELECT service, point, result, evidence FROM points WHERE audit = (SELECT max(place) FROM audits) ORDER BY number"
)
_COLUMNS = "place, day, result, passed, failed, not_run, size, root, note"


@dataclass(frozen=True)
class Audit:
    """An audit and the signed note that it is; `place` is its place in the log, `root` 64 hex digits."""

    place: Number
    day: str
    result: str
    passed: Number
    failed: Number
    not_run: Number
    size: Number
    root: str
    note: str

    @classmethod
    def of(cls, place: int, note: str) -> Self:
        """From the note, which the caller signed or verified; raises `NoteMalformed`."""
        values = AUDIT.read(unverified_text(note))
        counts = Counter(point.result for point in points_of(values))
        try:
            size = decimal_decode(one(values, "size"))
        except ValueError:
            raise NoteMalformed("The size of the log is a number.") from None
        return cls(
            place=place,
            day=one(values, "day"),
            result=one(values, "result"),
            passed=counts[PointResult.PASS],
            failed=counts[PointResult.FAIL],
            not_run=counts[PointResult.NOT_RUN],
            size=size,
            root=one(values, "root"),
            note=note,
        )

    def points(self) -> list[Point]:
        """Its lines."""
        return points_of(AUDIT.read(unverified_text(self.note)))


class Audits(StateFile):
    """The history. Every method is one commit, on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _migrate)

    def add(self, audit: Audit) -> None:
        """Keeps it; the same again changes nothing."""
        lines = [
            (audit.place, at, point.service, point.name, point.result.value, point.evidence)
            for at, point in enumerate(audit.points())
        ]
        with self.writing() as tables:
            insert = f"INSERT INTO audits ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant
            added = tables.execute(insert, list(vars(audit).values())).rowcount
            if added:
                tables.conn.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?)", lines)

    def find(self, place: int | None = None, limit: int = 100, before: int | None = None) -> list[Audit]:
        """Newest first; all, or the one at a place of the log."""
        query = (
            f"SELECT {_COLUMNS} FROM audits WHERE (:place IS NULL OR place = :place)"  # noqa: S608 - a constant
            " AND (:before IS NULL OR place < :before) ORDER BY place DESC LIMIT :limit"
        )
        with self.reading() as tables:
            rows = tables.execute(query, {"place": place, "before": before, "limit": limit}).fetchall()
        return [Audit(*row) for row in rows]

    def newest(self) -> Audit | None:
        """The last one."""
        return next(iter(self.find(limit=1)), None)


def _migrate(tables: sqlite_utils.Database) -> None:
    columns = {"place": int, "day": str, "result": str, "passed": int, "failed": int, "not_run": int}
    columns |= {"size": int, "root": str, "note": str}
    tables.table("audits").create(columns, pk="place", not_null=set(columns), strict=True, if_not_exists=True)
    lines = {"audit": int, "number": int, "service": str, "point": str, "result": str, "evidence": str}
    tables.table("points").create(
        lines,
        pk=("audit", "number"),
        not_null=set(lines),
        foreign_keys=[("audit", "audits", "place")],
        strict=True,
        if_not_exists=True,
    )
    tables.create_view("latest", _LATEST, ignore=True)
