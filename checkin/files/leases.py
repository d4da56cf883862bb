"""Leases of what one machine of several does at a time: rows of PostgreSQL instead of a lock on a shared folder.

    leases (name, holder, fence, until)   the machine, how often it changed hands, unix seconds by the server's clock

A machine that dies keeps its lease until it expires, and one that slept beyond that finds out before it goes on. The
server keeps the time, so no machine's clock takes a lease from another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Final

from checkin.errors import NotReady
from checkin.files.tables import Commit, Found, Tables, TableSet, Value
from checkin.protocol.primitives import random_bytes

_FIRST: Final = """CREATE TABLE IF NOT EXISTS leases (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    holder text NOT NULL,
    fence bigint NOT NULL,
    until bigint NOT NULL
)"""
LEASES: Final = TableSet("leases", (_FIRST,))
_NOW: Final = "CAST(extract(epoch FROM clock_timestamp()) AS bigint)"
_MAKE: Final = "INSERT INTO leases (name, holder, fence, until) VALUES (:name, '', 0, 0) ON CONFLICT DO NOTHING"
_TAKE: Final = f"""UPDATE leases SET holder = :holder, fence = leases.fence + 1, until = {_NOW} + :seconds
    WHERE name = :name AND (until < {_NOW} OR holder = :holder) RETURNING fence"""  # noqa: S608 - constants
_RENEW: Final = f"""UPDATE leases SET until = {_NOW} + :seconds
    WHERE name = :name AND holder = :holder AND fence = :fence AND until >= {_NOW}"""  # noqa: S608 - constants
_END: Final = "UPDATE leases SET until = 0 WHERE name = :name AND holder = :holder AND fence = :fence"


Hold = Callable[[str, int], AbstractContextManager[Callable[[], None] | None]]
"""A lease by its name, for so many seconds: inside, what renews it, or None while another machine has it."""


def alone(_name: str, _seconds: int) -> AbstractContextManager[Callable[[], None] | None]:
    """A `Hold` of one machine: its processes have a lock in a folder."""
    return nullcontext(lambda: None)


@contextmanager
def hold(tables: Tables, name: str, seconds: int) -> Iterator[Callable[[], None] | None]:
    """As `Hold`. What renews it raises `NotReady` when another machine has it, or when that is not known."""
    values: dict[str, Value] = {"name": name, "holder": random_bytes(8).hex(), "seconds": seconds}

    def take(commit: Commit) -> Found:
        commit.execute(_MAKE, values)
        return commit.execute(_TAKE, values)

    def renew() -> None:
        if tables.write(lambda commit: commit.change(_RENEW, values)) != 1:
            raise NotReady("Another machine does this now: it took longer than was asked for.")

    if not (taken := tables.write(take)):
        yield None
        return
    values["fence"] = taken[0][0]
    try:
        yield renew
    finally:
        with suppress(NotReady):  # it expires
            tables.write(lambda commit: commit.execute(_END, values))
