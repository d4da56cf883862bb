"""Opening a service's retention from its settings file alone, beside the running service or without it.

A service is known by the day vault in its data folder: `ledger` is an issuer's, `visits` a registry's. A folder with
neither holds no days; there is still a clock to confirm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ConfigDict

from checkin.errors import NotReady
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.purger import Purger
from checkin.purge.statement_store import StatementStore
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import ServiceSettings
from checkin.service.time_peers import TimePeers
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault

_VAULTS: Final = {"ledger": ("issuer", False), "visits": ("venue", True)}


class CommonSettings(ServiceSettings):
    """The settings that every service has; a service's own are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class VaultFolder:
    """One service's key ring, days, statements and clock. `purger` and the name by which it is installed, `service`,
    are None where there are no days."""

    def __init__(self, config: Path, simulated_clock: Path | None = None) -> None:
        """Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`, or `NotReady` if it was never started."""
        settings = CommonSettings.load(config)
        if not settings.data.is_dir():
            raise NotReady("The service has no data yet: start it once.")
        self.party = ServiceIdentity(settings, simulated_clock)
        self.guard = ClockGuard(
            settings.data / "clock.json", self.party.clock, TimePeers(settings.time_peers, self.party)
        )
        self.book = StatementStore(settings.data / "statements")
        self.service: str | None = None
        self._store: SqliteStore | None = None
        self.purger = self._purger()

    def close(self) -> None:
        """Gives back the files of its days."""
        if self._store is not None:
            self._store.close()

    def _purger(self) -> Purger | None:
        data = self.party.data
        for folder, (label, ordered) in _VAULTS.items():
            if (data / folder).is_dir():
                self.service, self._store = label, SqliteStore(data / folder, ordered=ordered)
                return Purger(self.party, self.guard, Vault(label, self._store, self.party.ring), self.book)
        return None
