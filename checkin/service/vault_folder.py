"""Opening a service's retention from its settings file alone, beside the running service or without it.

A service is known by the day vault in its data folder: `ledger` is an issuer's, `visits` a registry's. Without either
there is still a clock to confirm; where the data cannot be opened there are still keys to destroy.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import structlog
from pydantic import ConfigDict

from checkin.errors import CheckinError, ClockUntrusted, NotReady, SettingsInvalid, SimulationRefused
from checkin.files.durable import locked_if_possible
from checkin.purge.due_keys import DueKeys, why
from checkin.purge.early import EarlyDestructions
from checkin.purge.inventory import EarlyStatus, PurgeStatus
from checkin.purge.purger import LOCK, Purger
from checkin.purge.statement_store import StatementStore
from checkin.service.day_store import VAULTS, DaySettings, ServiceEngine
from checkin.service.identity import KeyVolume, ServiceIdentity
from checkin.service.leased_ring import LeasedRing, StatedRing
from checkin.service.settings import AuthoritySettings
from checkin.service.time_peers import clock_guard
from checkin.vault.vault import Vault

log = structlog.get_logger()


class CommonSettings(DaySettings):
    """The settings that every service has; a service's own are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    authority: AuthoritySettings | None = None
    service: str = ""
    """Of a ring node: the verifier key of the service that it holds keys for."""


class VaultFolder:
    """One service's key ring, days, statements and clock. `purger` and the name by which it is installed, `service`,
    are None where there are no days, or none that can be opened; `closed` then says why."""

    def __init__(self, config: Path, simulated_clock: Path | None = None) -> None:
        """Raises `SettingsInvalid`, `SimulationRefused`, or `NotReady` if the service was never started."""
        self.settings = settings = CommonSettings.load(config)
        if not settings.keys.is_dir() and not settings.data.is_dir():
            raise NotReady("The service has no data yet: start it once.")
        self.volume = KeyVolume(settings, simulated_clock)
        self.guard = clock_guard(self.volume)
        clock, calendar = self.volume.clock, self.volume.calendar
        whose = settings.service.partition("+")[0] or settings.name
        self.early = EarlyDestructions(settings.keys, whose, settings.authority, clock, calendar)
        self.keys = DueKeys(self.volume.ring, calendar, self.early)
        self.book: StatementStore | None = None
        self.service: str | None = None
        self.purger: Purger | None = None
        self.closed = ""
        self._opened = ExitStack()
        try:
            self._open(ServiceIdentity(settings, simulated_clock))
        except SimulationRefused:
            raise
        except (CheckinError, OSError) as error:
            self.closed = why(error)

    def destroy(self) -> dict[str, str]:
        """Destroys what is due: the keys in any case, and the rest where the data can be opened; what failed, and why.
        Raises `ClockUntrusted` before anything."""
        if self.purger is not None:
            try:
                self.purger.run()
            except ClockUntrusted:
                raise
            except (CheckinError, OSError) as error:
                return self.purger.failed or {"days": why(error)}
            return {}
        self.guard.tick()
        self.guard.require_trusted()
        with locked_if_possible(self.settings.keys / LOCK):
            failed = self.keys.destroy(self.keys.due(self.guard.settled()), self.keys.bare_record)
        shown = {f"key {name}": reason for name, reason in failed.items()}
        return {"data": self.closed, **shown} if self.closed else shown

    def status(self) -> PurgeStatus:
        """What is due, done and left; of as much as can be read. Changes nothing."""
        found, trouble = PurgeStatus([], [], [], self.guard.doubt), self.closed
        unstated: list[str] = []
        if self.purger is not None:
            try:
                found, unstated = self.purger.status(), self.purger.not_stated()
            except (CheckinError, OSError) as error:
                trouble = why(error)
        ring, date = self.volume.ring, self.volume.calendar.date
        nodes = ring.status() if isinstance(ring, LeasedRing) else []
        try:
            due = self.keys.due(self.guard.now())
        except NotReady as error:  # no node of its ring answers
            due, trouble = {}, trouble or why(error)
        return replace(
            found,
            nodes=nodes,
            keys_due=[str(name) for name in due if not ring.is_gone(name)],
            early=[EarlyStatus(date(o.first), date(o.last), date(o.day), o.reason) for o in self.early.all()],
            keys_overwritten=[str(name) for name in due if ring.is_gone(name) and not ring.missing(name)],
            not_stated=unstated,
            data_trouble=trouble,
        )

    def today(self) -> str:
        """ISO, by the clock as it is."""
        return self.volume.calendar.date(self.guard.today(self.volume.calendar))

    def close(self) -> None:
        self._opened.close()

    def _open(self, party: ServiceIdentity) -> None:
        for label, folder in VAULTS.items():
            if (party.data / folder).is_dir():
                engine = self._opened.enter_context(closing(ServiceEngine(self.settings, label)))
                store = self._opened.enter_context(closing(engine.days()))
                self.service, self.book = label, engine.statements()
                if isinstance(party.ring, LeasedRing):
                    party.ring.stated = StatedRing(self.book)
                vault = Vault(label, store, party.ring)
                self.purger = Purger(party, self.guard, vault, self.book, self.early, hold=engine.hold)
                self.volume = party
                self.keys = DueKeys(party.ring, party.calendar, self.early)  # its nodes are queried once


def destroy_first(config: Path, simulated_clock: Path | None = None) -> None:
    """What a service does before it opens anything else: a disk that keeps it from starting keeps no due key alive.
    What fails is in the log; the start that follows reports the rest."""
    try:
        with closing(VaultFolder(config, simulated_clock)) as folder:
            for what, reason in folder.destroy().items():
                log.error("not_destroyed", what=what, why=reason)
    except (SettingsInvalid, NotReady) as error:
        log.info("nothing_to_destroy", why=error.detail)
    except Exception as error:  # the service must start, or say why not
        log.error("not_destroyed", what="keys", why=why(error))
