"""data/orders.db: what a service answered to which part of an order, until it expires, and what it refused.

    answers   part, list (digests, hex), expires (unix seconds), rows (how many), oldest (the oldest service day that
              the answer is about), sealed (to the order's answer key; NULL once that day is destroyed)
    refusals  part (digest, hex), code, day, times

No row names a person or a place: an answer is sealed to officers before it comes here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil
from typing import Final

from checkin.files.tables import Commit, Tables, TableSet, Value
from checkin.orders.part import MAX_ROWS

_COLUMNS: Final = """
    part text COLLATE "C" NOT NULL,
    list text COLLATE "C" NOT NULL,
    expires bigint NOT NULL,
    rows bigint NOT NULL,
    oldest bigint NOT NULL,
    sealed text,
    PRIMARY KEY (part, list)"""
_FIRST: Final = f"""
CREATE TABLE IF NOT EXISTS answers ({_COLUMNS});
ALTER TABLE answers ADD COLUMN IF NOT EXISTS rows bigint NOT NULL DEFAULT {MAX_ROWS};
CREATE TABLE answers_anew ({_COLUMNS});
INSERT INTO answers_anew (part, list, expires, rows, oldest, sealed)
    SELECT part, list, expires, rows, oldest, sealed FROM answers;
DROP TABLE answers;
ALTER TABLE answers_anew RENAME TO answers;
CREATE TABLE IF NOT EXISTS refusals (
    part text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    day text NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (part, code)
)
"""  # noqa: S608 - constants from above
"""In files of an earlier version a part has one list, and its rows were not counted: it takes no further one."""
ORDERS: Final = TableSet("orders", (_FIRST,))
_KEEP: Final = """INSERT INTO answers (part, list, expires, oldest, rows, sealed)
    VALUES (:part, :list, :expires, :oldest, :rows, :sealed)"""
_REFUSE: Final = """INSERT INTO refusals (part, code, day, times) VALUES (:part, :code, :day, 1)
    ON CONFLICT (part, code) DO UPDATE SET times = refusals.times + 1"""
_OTHERS: Final = "0" * 64


@dataclass(frozen=True)
class KeptAnswer:
    """An answer to a part, for the list with this digest ('' without one), about days from `oldest` on. `sealed` is
    None once that day is destroyed."""

    list_digest: str
    sealed: str | None
    oldest: int
    rows: int


class OrderStore:
    """Every method is one commit, on the disk when it returns; several processes may share the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def answers(self, part: str) -> dict[str, KeptAnswer]:
        """What was answered to the part, by the digest of the list that came with it."""
        query = "SELECT list, sealed, oldest, rows FROM answers WHERE part = :part"
        return {row[0]: KeptAnswer(*row) for row in self._tables.read(query, {"part": part})}

    def keep(self, part: str, answer: KeptAnswer, *, expires: float, known: Collection[str] = ()) -> bool:
        """The first answer to a part and a list is the only one. `known`: the lists that were answered when this answer
        was made; False, with nothing kept, if there are others by now, on which it would depend."""
        row: dict[str, Value] = {"part": part, "list": answer.list_digest, "expires": int(expires)}
        row |= {"oldest": answer.oldest, "rows": answer.rows, "sealed": answer.sealed}

        def step(commit: Commit) -> bool:
            commit.alone()
            found = commit.execute("SELECT list FROM answers WHERE part = :part", {"part": part})
            if {listed for (listed,) in found} != set(known):
                return False
            commit.execute(_KEEP, row)
            return True

        return self._tables.write(step)

    def refuse(self, part: str, code: str, day: str, most: int) -> int:
        """Counts a refusal; how many different ones that day has by now, 0 if this one was there before. Further ones
        than `most` a day are counted under one name: a stolen token must not fill the disk."""
        row = {"part": part, "code": code, "day": day}

        def step(commit: Commit) -> int:
            known = commit.execute("SELECT 1 FROM refusals WHERE part = :part AND code = :code", row)
            ((count,),) = commit.execute("SELECT count(*) FROM refusals WHERE day = :day", row)
            commit.execute(_REFUSE, row if known or count < most else row | {"part": _OTHERS})
            return 0 if known else int(count) + 1

        return self._tables.write(step)

    def forget(self, now: float, oldest_day: int) -> None:
        """Removes expired answers, and what answers held of days that are destroyed."""
        values = {"now": ceil(now), "oldest": oldest_day}
        query = "SELECT 1 FROM answers WHERE expires < :now OR (oldest < :oldest AND sealed IS NOT NULL) LIMIT 1"

        def step(commit: Commit) -> None:
            commit.execute("DELETE FROM answers WHERE expires < :now", values)
            # The row stays until it expires, so that its rows still count against the part's limit.
            commit.execute("UPDATE answers SET sealed = NULL WHERE oldest < :oldest", values)

        if self._tables.read(query, values):
            self._tables.write(step)
            self._tables.tidy()
