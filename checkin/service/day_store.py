"""Which engine keeps a service's days: SQLite in its data folder, or the PostgreSQL that its settings name.

    data/visits, data/ledger    the folder by which a service is known, whichever engine it uses
    data/visits/engine          with the word `postgresql`, once that has been used: a service whose days lie there does
                                not begin anew in its folder, where every code would be good once more

The driver is imported where it is used, because it is optional.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import model_validator

from checkin.errors import CheckinError, DatabaseUnusable, SettingsInvalid
from checkin.files.database import opening
from checkin.files.durable import create_file, private_folder
from checkin.service.settings import FilePath, ServiceSettings
from checkin.vault.engines import DayStore
from checkin.vault.engines.day_file import days_in
from checkin.vault.engines.sqlite import SqliteStore

VAULTS: Final = {"issuer": "ledger", "venue": "visits"}
"""The service as its seals name it, and the folder or the tables of its days."""
_ORDERED: Final = {"visits"}
_MARK: Final = "engine"


class DaySettings(ServiceSettings):
    """The settings of a service that has days."""

    store: Literal["sqlite", "postgresql"] = "sqlite"
    """Where its days lie: in its data folder, or in the PostgreSQL of `dsn_file`."""
    dsn_file: FilePath | None = None
    """A secret file with one line, how PostgreSQL is reached: postgresql://user:password@host/name."""

    @model_validator(mode="after")
    def _dsn_of_postgresql(self) -> Self:
        if (self.store == "postgresql") != (self.dsn_file is not None):
            raise ValueError('store = "postgresql" and dsn_file go together')
        return self


def open_days(settings: DaySettings, service: str) -> DayStore:
    """The days of an `issuer` or a `venue`. Raises `SettingsInvalid` where they lie in the other engine, or the driver
    is missing; `DatabaseUnusable` where the engine does not answer."""
    name = VAULTS[service]
    folder = settings.data / name
    with opening(folder):
        private_folder(folder)
        moved, files = (folder / _MARK).exists(), days_in(folder)
    if settings.dsn_file is None:
        if moved:
            raise SettingsInvalid(f'The days of {folder} lie in PostgreSQL: set store = "postgresql" again.')
        return SqliteStore(folder, ordered=name in _ORDERED)
    if files:
        raise SettingsInvalid(
            f'There are days in {folder}, where PostgreSQL does not look: set store = "sqlite", or begin a new service.'
        )
    store = _postgres(settings.dsn_file, name)
    if not moved:
        create_file(folder / _MARK, b"postgresql\n")
    return store


def _postgres(dsn_file: Path, name: str) -> DayStore:
    try:
        from checkin.files.postgres import Postgres, read_dsn  # noqa: PLC0415 - optional
        from checkin.vault.engines.postgres import PostgresStore  # noqa: PLC0415 - optional
    except ImportError:
        raise SettingsInvalid(
            "PostgreSQL's driver is not installed: pip install 'private-qr-checkin[postgresql]'."
        ) from None
    store = PostgresStore(Postgres(read_dsn(dsn_file)), name)
    try:
        store.days()
    except CheckinError:
        store.close()
        raise DatabaseUnusable(
            f"The database that {dsn_file.name} names does not answer, or refuses us: look at its log, and at what "
            "stands in that file, then start again."
        ) from None
    return store
