"""Connections to a PostgreSQL database of ours, and when to try again: what was not acknowledged is repeated.

A step is given a connection in autocommit mode and is run again as a whole when the server went away, was promoted or
lost patience, so a step is written to be repeatable. Three rules stand behind it (docs/spec/vault.md §9):

- a commit is never cancelled: PostgreSQL then answers with success. After too long a wait the connection is closed;
- a WARNING with an answer means that a commit was not confirmed by the standbys: it is no acknowledgement;
- nothing that the server or the driver says is shown: it could quote a row, or the address in the DSN.

Sources: https://www.postgresql.org/docs/18/warm-standby.html §26.2.8, errcodes-appendix.html,
https://www.psycopg.org/psycopg3/docs/api/connections.html.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from checkin.clock import STOPWATCH
from checkin.errors import NotReady, SettingsInvalid
from checkin.files.dsn_file import is_here, read_line
from checkin.protocol.primitives import random_bytes

PATIENCE_SECONDS: Final = 10.0
AWAY_SECONDS: Final = 1.0
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.1  # before the second try; then twice as long each time
# Serialization, deadlock, lock timeout, shutdown, crash, starting, read-only because another one was promoted.
_PASSING: Final = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25006"})
_CONNECTION: Final = "08"
_ALWAYS: Final = {"connect_timeout": 3, "tcp_user_timeout": 3000, "application_name": "checkin"}
# Without a word about the address libpq would take PGHOSTADDR, wherever the host is.
_USUALLY: Final = {"target_session_attrs": "read-write", "hostaddr": ""}
AWAY: Final = "The database does not answer: start it, or look at its log and at the network."
REFUSED: Final = "The database did not carry this out: look at its log, then try again."
_CLOSED: Final = "The service is stopping: try again in a moment."
CONFIRM: Final = "SELECT pg_logical_emit_message(true, 'checkin', '')"
"""Gives a transaction that writes nothing a commit for the standbys to confirm, and with it all that came before."""
BE_BRIEF: Final = "SET LOCAL lock_timeout = '2s'"  # a lock that waits for readers keeps writers waiting
_INDEXES: Final = """SELECT indexname::text, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND tablename = $1"""
_INDEX: Final = re.compile(r"INDEX \w+ ON \S+ ")
R = TypeVar("R")


class Unconfirmed(psycopg.OperationalError):
    """The server answered with a warning, or not in time: whether the commit will stay is unknown."""


class Unreached(psycopg.OperationalError):
    """No connection could be made."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits until `deadline` (boot clock) at most, and remembers that the server warned."""

    deadline = float("inf")
    warned = False

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        """As the driver's; raises `Unconfirmed` at the deadline. The driver wakes its generator ten times a second."""
        return super().wait(self._until_deadline(gen), *args, **kwargs)

    def _until_deadline(self, gen: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if STOPWATCH.boot() > self.deadline:
                    raise Unconfirmed
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


Step = Callable[[Connection], R]


def read_dsn(path: Path) -> str:
    """What a DSN file holds, one line, as a URI or as `name=value` pairs. Raises `SettingsInvalid`, which never quotes
    it, also when others can read the file."""
    wrong = f"The DSN file {path.name} is missing or does not hold one line like postgresql://user:password@host/name"
    dsn = read_line(path, wrong)
    try:
        given: dict[str, Any] = {**_USUALLY, **conninfo_to_dict(dsn), **_ALWAYS}
        if given.get("service") or not (given.get("host") or given["hostaddr"]):
            raise SettingsInvalid(f"{path.name} names no host, or a service that may: add host=…, and no service=.")
        # By default libpq goes on without TLS, and believes any certificate: an attacker on the way could answer in the
        # server's place (https://www.postgresql.org/docs/18/libpq-ssl.html).
        hosts = [host for name in ("host", "hostaddr") for host in str(given.get(name) or "").split(",")]
        if any(host and not is_here(host) for host in hosts) and given.get("sslmode") != "verify-full":
            raise SettingsInvalid(f"{path.name} names another machine: add sslmode=verify-full and sslrootcert to it.")
        return make_conninfo(**given)
    except psycopg.Error:
        raise SettingsInvalid(wrong) from None


class Postgres:
    """A few connections to one database, each for one call at a time; any number of threads."""

    def __init__(self, dsn: str, *, size: int = 8, patience: float = PATIENCE_SECONDS) -> None:
        """`dsn` as `read_dsn` gives it. At most `size` connections; `patience` seconds for a step and its repetitions.
        Connects when it is first used."""
        self.dsn = dsn
        self._patience = patience
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._away_until = 0.0  # boot clock; 0 while the server answers

    def run(self, step: Step[R], patience: float | None = None) -> R:
        """What the step returns, once the server has acknowledged all of it. Raises `NotReady` when that did not come
        about in time; then it is not known whether it was carried out. Other errors of the server are let through.

        Once a caller could not reach the server, one in a second tries again, and no other waits for it."""
        self._refuse_while_away()
        deadline = STOPWATCH.boot() + (patience or self._patience)
        pause = _PAUSE_SECONDS
        for left in reversed(range(_TRIES)):
            try:
                return self._once(step, deadline)
            except psycopg.Error as error:
                if not is_passing(error):
                    raise
                if not left or STOPWATCH.boot() + pause > deadline:
                    if isinstance(error, Unreached):
                        self._away_until = STOPWATCH.boot() + AWAY_SECONDS
                    break
            time.sleep(pause * (0.5 + random_bytes(1)[0] / 256))
            pause *= 2
        raise NotReady(AWAY)

    def _refuse_while_away(self) -> None:
        """Raises `NotReady` while the server is away, unless a connection is idle. A caller that is due to try again
        goes on and keeps the next from it."""
        with self._lock:
            now = STOPWATCH.boot()
            if self._idle or not self._away_until:
                return
            if now < self._away_until:
                raise NotReady(AWAY)
            self._away_until = now + AWAY_SECONDS

    def _once(self, step: Step[R], deadline: float) -> R:
        with self.borrowed(deadline) as connection:
            result = step(connection)
            if connection.warned:
                raise Unconfirmed
            return result

    @contextmanager
    def borrowed(self, deadline: float = float("inf")) -> Iterator[Connection]:
        """A connection for one call, which is not repeated; raises `NotReady` when all are in use for too long."""
        if not self._free.acquire(timeout=self._patience):
            raise NotReady("All connections to the database are in use: try again in a moment.")
        try:
            connection = self._take()
            connection.deadline, connection.warned = deadline, False
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Gives back all connections; those in use when they come back. Repeatable."""
        with self._lock:
            self._closed = True
        self._forget_idle()

    def _take(self) -> Connection:
        with self._lock:
            if self._closed:
                raise NotReady(_CLOSED)
            if self._idle:
                return self._idle.pop()
        try:
            connection = Connection.connect(self.dsn, autocommit=True, cursor_factory=psycopg.RawCursor)
            if _is_pooled(connection):
                # It may give each transaction another connection of its own, where a statement that another client
                # prepared has the name of ours.
                connection.prepare_threshold = None
        except psycopg.OperationalError:
            raise Unreached from None
        connection.add_notice_handler(lambda notice: _note(connection, notice))
        return connection

    def _give_back(self, connection: Connection) -> None:
        """Kept only in a state that is known: after a lost one the others are looked at anew, too."""
        known = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE and not connection.warned
        with self._lock:
            if known and not self._closed:
                self._idle.append(connection)
                self._away_until = 0.0
                return
        connection.close()
        if not known:
            self._forget_idle()

    def _forget_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _is_pooled(connection: Connection) -> bool:
    """Whether a pooler is in between, as pgbouncer: another process answers than the one that said hello."""
    return connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def write_anew(connection: Connection, table: str) -> None:
    """All rows of a table in the order of its primary key, in new files, with its indexes and without its constraints;
    inside the caller's transaction. Writers wait for it, readers for its last moment."""
    connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
    indexes: dict[str, str] = dict(connection.execute(_INDEXES, [table]).fetchall())
    key = indexes[f"{table}_pkey"].partition("(")[2].rstrip(")")
    connection.execute(f"CREATE TABLE {table}_new (LIKE {table} INCLUDING DEFAULTS)")
    connection.execute(f"INSERT INTO {table}_new SELECT * FROM {table} ORDER BY {key}")  # noqa: S608 - names of ours
    for name, definition in indexes.items():
        connection.execute(_INDEX.sub(f"INDEX {name}_new ON {table}_new ", definition, count=1))
    connection.execute(f"ALTER TABLE {table}_new ADD PRIMARY KEY USING INDEX {table}_pkey_new")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
    for name in indexes:
        connection.execute(f"ALTER INDEX {name}_new RENAME TO {name}")


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same may succeed a moment later, perhaps at another server."""
    state = error.sqlstate
    if state is None:  # the driver's own: no connection, or it broke
        return isinstance(error, psycopg.OperationalError)
    return state in _PASSING or state.startswith(_CONNECTION)


def _note(connection: Connection, notice: psycopg.errors.Diagnostic) -> None:
    connection.warned = connection.warned or notice.severity_nonlocalized == "WARNING"
