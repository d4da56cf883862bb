"""What the registry does at night beside what every service does: keys of late days, order of arrival erased."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from checkin.errors import DayDestroyed
from checkin.files.leases import Hold, alone
from checkin.keys.key_ring import KeyName, Purpose
from checkin.purge.purger import Purger
from checkin.service.identity import ServiceIdentity
from checkin.vault.closing import is_closed, settle_days
from checkin.vault.engines import DayStore


class Duties:
    """Tasks of the registry, each repeatable."""

    def __init__(self, party: ServiceIdentity, purger: Purger, store: DayStore, hold: Hold = alone) -> None:
        self._party = party
        self._store = store
        self._purger = purger
        self._hold = hold

    def make_keys(self) -> None:
        """Today's and later keys, and those of days that a downtime left out: scanners have queued for them,
        because their intake keys were listed before."""
        self._purger.make_keys()
        calendar, now = self._party.calendar, self._party.now()
        for name in self._party.ring.names(Purpose.INTAKE):
            if name.day < calendar.day(now) and now < calendar.closes(name.day):
                with suppress(DayDestroyed):  # by officers, and on a ring a node has yet to say so
                    self._purger.make(KeyName(Purpose.DAY, name.day))

    def settle_days(self) -> None:
        """Erases the order of arrival from closed days, where the engine can: once a day is closed nobody needs it."""
        settle_days(self._store, self._hold, partial(is_closed, self._store))
