"""Which engine keeps what a service holds: SQLite in its data folder, or the PostgreSQL that its settings name. There a
database, or a schema of one, is one service's: a table `service` has its name.

    data/visits, data/ledger    the folder by which a service is known, whichever engine it uses
    data/visits/engine          with the word `postgresql`, once that has been used: a service whose days lie there does
                                not begin anew in its folder, where every code would be good once more

What else a service with days opens is here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import model_validator

from checkin.audit.data_map import DataMap
from checkin.audit.self_audit import Days, Look, SelfAudit
from checkin.clock import STOPWATCH
from checkin.errors import CheckinError, ClockUntrusted, DatabaseUnusable, SettingsInvalid
from checkin.files.database import opening
from checkin.files.durable import create_file, private_folder
from checkin.files.leases import LEASES, Hold, alone, hold
from checkin.files.tables import Commit, SqliteTables, Tables, TableSet
from checkin.keys.generation import GENERATIONS, GenerationTable
from checkin.keys.key_ring import Purpose
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.early import EarlyDestructions
from checkin.purge.purger import Purger, PurgeTask
from checkin.purge.statement_store import STATEMENTS, StatementFolder, StatementStore, StatementTable
from checkin.service.endings import Endings
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from checkin.service.key_list_publisher import KEY_LIST, K, KeyListFile, KeyListPublisher, KeyListState, KeyListTable
from checkin.service.order_executor import Execute, OrderExecutor
from checkin.service.order_store import ORDERS, OrderStore
from checkin.service.ring_statements import RingStatements
from checkin.service.settings import AuthoritySettings, FilePath, LogSettings, ServiceSettings, TokenHash
from checkin.service.shared_counts import SharedCounts
from checkin.service.tasks import Task
from checkin.service.time_peers import clock_guard
from checkin.vault.engines import DayStore
from checkin.vault.engines.sqlite import SqliteStore, days_in
from checkin.vault.vault import Vault

if TYPE_CHECKING:
    from checkin.files.postgres_connection import Postgres

_SERVICE_TABLE: Final = """CREATE TABLE IF NOT EXISTS service (
    one bigint NOT NULL PRIMARY KEY,
    name text NOT NULL
)"""
_SERVICE: Final = TableSet("service", (_SERVICE_TABLE,))
_CLAIM: Final = "INSERT INTO service (one, name) VALUES (1, :name) ON CONFLICT DO NOTHING"
VAULTS: Final = {"issuer": "ledger", "venue": "visits"}
"""The service as its seals name it, and the folder or the tables of its days."""
_ORDERED: Final = {"visits"}
_MARK: Final = "engine"
_FLOOR_TABLE: Final = """CREATE TABLE IF NOT EXISTS oldest_day (
    one bigint NOT NULL PRIMARY KEY,
    day bigint NOT NULL
);
INSERT INTO oldest_day (one, day) VALUES (1, 0) ON CONFLICT DO NOTHING"""
FLOOR: Final = TableSet("floor", (_FLOOR_TABLE,))
_RAISE: Final = "UPDATE oldest_day SET day = :day WHERE day < :day"
_READ: Final = "SELECT day, CAST(extract(epoch FROM clock_timestamp()) AS bigint) FROM oldest_day"
FRESH_SECONDS: Final = 60.0


class DaySettings(ServiceSettings):
    """The settings of a service that has days."""

    ringed = True
    store: Literal["sqlite", "postgresql"] = "sqlite"
    """Where what it keeps lies: in its data folder, or in the PostgreSQL of `dsn_file`, a database of its own."""
    dsn_file: FilePath | None = None
    """A secret file with one line, how PostgreSQL is reached: postgresql://user:password@host/name."""
    throttles_dsn_file: FilePath | None = None
    """A secret file with one line, how a Valkey or Redis that keeps nothing is reached, as unix:///run/checkin/throttles.sock
    or rediss://user:password@host: there all processes and machines count together what is bounded a minute. Without it
    each process counts for itself."""
    authority_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the authority presents."""

    @model_validator(mode="after")
    def _dsn_of_postgresql(self) -> Self:
        if (self.store == "postgresql") != (self.dsn_file is not None):
            raise ValueError('store = "postgresql" and dsn_file go together')
        return self


class ServiceEngine:
    """Opens what an `issuer` or a `venue` keeps."""

    def __init__(self, settings: DaySettings, service: str) -> None:
        """Raises `SettingsInvalid` where the days lie in the other engine, or the driver is missing;
        `DatabaseUnusable` where the engine does not answer."""
        self._settings, self._data = settings, settings.data
        self._vault = VAULTS[service]
        self._database: Postgres | None = None
        self._opened: list[Tables] = []
        self._claimed = False
        folder = settings.data / self._vault
        with opening(folder):
            private_folder(folder)
            moved, files = (folder / _MARK).exists(), days_in(folder)
        if settings.dsn_file is None:
            if moved:
                raise SettingsInvalid(f'The days of {folder} lie in PostgreSQL: set store = "postgresql" again.')
            return
        if files:
            raise _left_behind("days", folder)
        self._database = _connected(settings.dsn_file)
        if not moved:
            create_file(folder / _MARK, b"postgresql\n")

    def days(self) -> DayStore:
        if self._database is None:
            return SqliteStore(self._data / self._vault, ordered=self._vault in _ORDERED)
        from checkin.vault.engines.postgres import PostgresStore  # noqa: PLC0415 - optional

        return PostgresStore(self._database, self._vault)

    def tables(self, part: TableSet) -> Tables:
        """A part of its state, closed with the engine. Raises `SettingsInvalid` where that lies in a file,
        `DatabaseUnusable`, `NotReady`."""
        if self._database is None:
            return self._kept(SqliteTables(self._data, part))
        from checkin.files.postgres_tables import PostgresTables  # noqa: PLC0415 - optional

        if (file := self._data / f"{part.name}.db").exists():
            self.close()
            raise _left_behind("tables", file)
        if not self._claimed:
            self._claim(self._kept(PostgresTables(self._database, _SERVICE)))
            self._claimed = True
        return self._kept(PostgresTables(self._database, part))

    def _claim(self, tables: Tables) -> None:
        """Two services in one database would take each other's statements and endings for their own."""
        tables.write(lambda commit: commit.execute(_CLAIM, {"name": self._settings.name}))
        if tables.read("SELECT name FROM service") != [(self._settings.name,)]:
            self.close()
            raise SettingsInvalid("The database of dsn_file is another service's: give each service one of its own.")

    def statements(self) -> StatementStore:
        if self._database is None:
            return StatementFolder(self._data / "statements")
        return StatementTable(self.tables(STATEMENTS))

    def key_list(self) -> KeyListState:
        if self._database is None:
            return KeyListFile(self._data)
        return KeyListTable(self.tables(KEY_LIST))

    @cached_property
    def hold(self) -> Hold:
        """The lease for what only one of several machines over one engine does; its table is made at first use."""
        return alone if self._database is None else partial(hold, self.tables(LEASES))

    def floor(self, guard: ClockGuard) -> PurgeTask:
        """Keeps the oldest day of several machines over one engine. Raises `NotReady`."""
        return SharedFloor(self.tables(FLOOR), guard).keep if self._database is not None else lambda _: None

    def generations(self) -> GenerationTable | None:
        """Which state of the engine a machine's keys go with; None where that lies in its data folder."""
        if self._database is None:
            return None
        ring = self._settings.ring
        return GenerationTable(self.tables(GENERATIONS), ring.name if ring else "")

    def columns(self) -> dict[str, list[str]] | None:
        """Names by table, of those in PostgreSQL but the days'; None where they are files. Raises `NotReady`."""
        if self._database is None:
            return None
        from checkin.files.postgres_tables import columns_in  # noqa: PLC0415 - optional

        found = columns_in(self._database)
        return {table: names for table, names in found.items() if not table.startswith(f"{self._vault}_")}

    def tasks(self) -> list[Task]:
        """What several machines need: each second what others have changed is known."""
        return [Task("changes", self.poll, every=1, lane="changes", vital=True)] if self._database is not None else []

    def poll(self) -> None:
        for tables in self._opened:
            tables.poll()

    def close(self) -> None:
        """Gives back all tables, and the connections to a server. Repeatable."""
        for tables in self._opened:
            tables.close()
        if self._database is not None:
            self._database.close()

    def _kept(self, tables: Tables) -> Tables:
        self._opened.append(tables)
        return tables


def _left_behind(what: str, path: Path) -> SettingsInvalid:
    return SettingsInvalid(
        f'There are {what} in {path}, where PostgreSQL does not look: set store = "sqlite", or begin a new service.'
    )


def _connected(dsn_file: Path) -> Postgres:
    try:
        from checkin.files.postgres_connection import Postgres, read_dsn  # noqa: PLC0415 - optional
    except ImportError:
        raise SettingsInvalid(
            "PostgreSQL's driver is not installed: pip install 'private-qr-checkin[postgresql]'."
        ) from None
    database = Postgres(read_dsn(dsn_file))
    try:
        database.run(lambda connection: connection.execute("SELECT 1").fetchall())
    except Exception:
        database.close()
        raise DatabaseUnusable(
            f"The database that {dsn_file.name} names does not answer, or refuses us: look at its log, and at what "
            "stands in that file, then start again."
        ) from None
    return database


class SharedFloor:
    """Raises a process's floor to the one of all machines over one engine: a table `oldest_day` of one row.

    A clock that was set back, on a machine whose own memory of the time is lost, would make keys and tables anew for
    days that others have destroyed: one that purges writes down the oldest day it leaves. Not with a clock that is set
    ahead, which would destroy the days of all: the server's must agree within an hour.
    """

    def __init__(self, tables: Tables, guard: ClockGuard) -> None:
        """Reads it, so that it holds before anything is served. Raises `NotReady`."""
        self._tables = tables
        self._guard = guard
        with suppress(ClockUntrusted):  # which /readyz shows
            self._hear(*tables.read(_READ)[0])

    def keep(self, oldest: int) -> None:
        """Goes before whatever the purge destroys beside keys. Raises `ClockUntrusted`: then nothing may be."""
        self._hear(*self._tables.read(_READ)[0])

        def step(commit: Commit) -> int:
            commit.execute(_RAISE, {"day": oldest})
            return int(commit.execute(_READ)[0][0])

        self._guard.raise_floor(self._tables.write(step))

    def _hear(self, day: int, now: int) -> None:
        self._guard.raise_floor(day)
        self._guard.hold_against(now)


class DayService:
    """What an issuer and a registry open alike: who the service is, what it keeps by day, and what watches over it."""

    def __init__(
        self,
        settings: DaySettings,
        authority: AuthoritySettings | None,
        log: LogSettings | None,
        service: str,
        simulated_clock: Path | None,
    ) -> None:
        """`authority` and `log`: as the settings pin them. Raises `SettingsInvalid`, `StorageUnfit`,
        `SimulationRefused`."""
        self._authority, self._log = authority, log
        self.party = party = ServiceIdentity(settings, simulated_clock)
        self.guard = clock_guard(party)
        self.engine = ServiceEngine(settings, service)
        self.vault = Vault(service, self.engine.days(), party.ring)
        self.book = self.engine.statements()
        self.early = EarlyDestructions(settings.keys, settings.name, authority, party.clock, party.calendar)
        self.nodes = RingStatements(party, self.guard, self.book, authority)
        self.endings = Endings(party, self.guard)
        self.counts = SharedCounts(party, settings.throttles_dsn_file)
        self._found: list[Finding] = []
        self._found_until = 0.0

    def key_list(self, make: Callable[[], K], read: Callable[[str], K]) -> KeyListPublisher[K]:
        """Publishes its keys; as `KeyListPublisher`."""
        return KeyListPublisher(self.party, self._log, make, read, self.engine.key_list())

    def purger_of(self, beside: Mapping[str, PurgeTask], *, ahead: Mapping[Purpose, int]) -> Purger:
        """Destroys its days, and `beside` them what else it keeps, by its name."""
        return Purger(
            self.party,
            self.guard,
            self.vault,
            self.book,
            self.early,
            floor=self.engine.floor(self.guard),
            tasks={**beside, "journal": self.endings.forget, "nodes": self.nodes.state_at_purge},
            ahead=ahead,
            hold=self.engine.hold,
        )

    def executor(self, steps: Mapping[str, Execute]) -> OrderExecutor:
        answers = OrderStore(self.engine.tables(ORDERS))
        return OrderExecutor(self.party, self.guard, self.book, self._authority, self._log, steps, answers)

    def audit(self, purger: Purger, data_map: Path, *looks: Look) -> SelfAudit:
        """Its audit of itself, with `looks` of its own."""
        days = Days(self.vault, self.book, purger)
        return SelfAudit(self.party, self.guard, DataMap.load(data_map), days, looks, self.engine.columns)

    def checks(self, purger: Purger) -> list[Callable[[], Iterable[Finding]]]:
        """What readiness depends on at both."""
        own = (self._engine_findings, self.endings.findings, self.nodes.findings, self.counts.findings)
        return [partial(_day_findings, purger), *own]

    def _engine_findings(self) -> list[Finding]:
        """What is dangerous about the engine, or that it does not answer. /readyz is public: each time it is seen
        whether it answers, and once a minute how it is set up."""
        try:
            if STOPWATCH.boot() < self._found_until:
                self.vault.store.days()
            else:
                self._found = [Finding(*found) for found in self.vault.store.findings()]
                self._found_until = STOPWATCH.boot() + FRESH_SECONDS
        except CheckinError as error:
            self._found_until = 0.0
            return [Finding("engine", "failure", f"{error.code}: {error.detail}")]
        return self._found

    def close(self) -> None:
        with ExitStack() as opened:
            for part in (self.engine, self.vault.store, self.counts):
                opened.callback(part.close)


def _day_findings(purger: Purger) -> Iterator[Finding]:
    """A failure when a day is held that should be destroyed, and one without a key for today."""
    if purger.overdue():
        yield Finding("purge", "failure", "Days are overdue to be destroyed: run `checkin purge run`.")
    if not purger.has_day_key():
        why = "not yet, or no more because officers had it destroyed"
        yield Finding("day_key", "failure", f"There is no key for today ({why}): nothing can be written down.")
