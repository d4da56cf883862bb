"""data/orders.db: what a service answered to which part of an order, until it expires, and what it refused.

    answers   part, list (digests, hex), expires (unix seconds), rows (how many), oldest (the oldest service day that
              the answer is about), sealed (to the order's answer key; NULL once that day is destroyed)
    refusals  part (digest, hex), code, day, times

No row names a person or a place: an answer is sealed to officers before it comes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from checkin.files.state_file import StateFile
from checkin.orders.part import MAX_ROWS


@dataclass(frozen=True)
class KeptAnswer:
    """An answer to a part, for the list with this digest ('' without one), about days from `oldest` on. `sealed` is
    None once that day is gone."""

    list_digest: str
    sealed: str | None
    oldest: int
    rows: int


class OrderStore:
    """Every method is one commit, on the disk when it returns; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._file = StateFile(path, _migrate)

    def answers(self, part: str) -> dict[str, KeptAnswer]:
        """What was answered to the part, by the digest of the list that came with it."""
        with self._file.reading() as tables:
            query = "SELECT list, sealed, oldest, rows FROM answers WHERE part = ?"
            return {row[0]: KeptAnswer(*row) for row in tables.execute(query, [part]).fetchall()}

    def keep(self, part: str, answer: KeptAnswer, *, expires: float) -> None:
        """The first answer to a part and a list is the only one."""
        with self._file.writing() as tables:
            row = [part, answer.list_digest, int(expires), answer.oldest, answer.rows, answer.sealed]
            add = "INSERT INTO answers (part, list, expires, oldest, rows, sealed) VALUES (?, ?, ?, ?, ?, ?)"
            tables.execute(add, row)

    def refuse(self, part: str, code: str, day: str) -> int:
        """Counts a refusal; how many different ones that day has by now, 0 if this one was there before."""
        add = (
            "INSERT INTO refusals (part, code, day, times) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (part, code) DO UPDATE SET times = times + 1"
        )
        with self._file.writing() as tables:
            known = tables.execute("SELECT 1 FROM refusals WHERE part = ? AND code = ?", [part, code]).fetchone()
            tables.execute(add, [part, code, day])
            (count,) = tables.execute("SELECT count(*) FROM refusals WHERE day = ?", [day]).fetchone()
        return 0 if known else int(count)

    def refused(self) -> dict[str, int]:
        """How often each code was answered."""
        with self._file.reading() as tables:
            return dict(tables.execute("SELECT code, sum(times) FROM refusals GROUP BY code").fetchall())

    def forget(self, now: float, oldest_day: int) -> None:
        """Removes expired answers, and what answers held of days that are destroyed."""
        query = "SELECT 1 FROM answers WHERE expires < ? OR (oldest < ? AND sealed IS NOT NULL)"
        with self._file.reading() as tables:
            if tables.execute(query, [now, oldest_day]).fetchone() is None:
                return
        with self._file.writing() as tables:
            tables.execute("DELETE FROM answers WHERE expires < ?", [now])
            # The row stays until it expires, so that its rows still count against the part's limit.
            tables.execute("UPDATE answers SET sealed = NULL WHERE oldest < ?", [oldest_day])
        self._file.cut_log()

    def close(self) -> None:
        """Gives back the file."""
        self._file.close()


def _migrate(tables: sqlite_utils.Database) -> None:
    answers = {"part": str, "list": str, "expires": int, "oldest": int, "rows": int, "sealed": str}
    earlier = tables.table("answers")
    if earlier.exists() and "rows" not in earlier.columns_dict:
        tables.execute("ALTER TABLE answers RENAME TO earlier_answers")
    tables.table("answers").create(
        answers, pk=("part", "list"), not_null=set(answers) - {"sealed"}, strict=True, if_not_exists=True
    )
    if tables.table("earlier_answers").exists():
        # A part that an earlier version answered takes no further list: its rows were not counted.
        columns = "part, list, expires, oldest, sealed"
        tables.execute(f"INSERT INTO answers ({columns}, rows) SELECT {columns}, ? FROM earlier_answers", [MAX_ROWS])  # noqa: S608
        tables.execute("DROP TABLE earlier_answers")
    refusals = {"part": str, "code": str, "day": str, "times": int}
    tables.table("refusals").create(
        refusals, pk=("part", "code"), not_null=set(refusals), strict=True, if_not_exists=True
    )
