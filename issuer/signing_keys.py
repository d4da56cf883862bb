"""The issuer's own published list: one signing key a service day, the first one listed for a day is final.

The ring makes a key 14 days ahead; here its public half is written down before it is published. If the ring ever
shows another key for a listed day (a wrong backup, another master key), that day is not signed for.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from checkin.errors import CheckinError, KeyMissing, ListRefused, NotReady
from checkin.files.tables import Commit, Found, Tables
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid, merge
from checkin.protocol.primitives import SigningKey
from checkin.service.identity import ServiceIdentity

AHEAD_DAYS: Final = 14
_ALL: Final = "SELECT day, kid, public FROM listed_keys ORDER BY day"
_ADD: Final = "INSERT INTO listed_keys (day, kid, public) VALUES (:day, :kid, :public)"


class SigningKeys:
    """The table `listed_keys`, and the private halves in the ring."""

    def __init__(self, party: ServiceIdentity, tables: Tables, issuer: int) -> None:
        self._party = party
        self._tables = tables
        self.issuer = issuer
        self._known: dict[int, bytes] = {}  # public halves; the first key of a day is final

    def publish(self) -> list[int]:
        """Lists every key of the ring that was made since; the days that could not be listed, because their key
        contradicts what was listed before or its kid is another key's."""
        refused = []
        for name in self._party.ring.names(Purpose.SIGNING):
            if name.day >= self._party.today():
                try:
                    self._add(name)
                except KeyMissing:
                    continue  # known to one node of a ring alone
                except ListRefused:
                    refused.append(name.day)
        return refused

    def listed(self) -> dict[int, ListedKey]:
        """By day, as published."""
        return _listed(self._tables.read(_ALL))

    def days_ahead(self) -> int:
        """How many days from today on are listed without a gap."""
        return consecutive(self.listed(), self._party.today())

    def list(self) -> IssuerList:
        """The list to publish."""
        return IssuerList(self.issuer, self.listed(), simulated=self._party.clock.simulated)

    def key(self, day: int) -> SigningKey:
        """The private key of a listed day; raises `NotReady` if none was listed or the ring has another one."""
        if day not in self._known:
            self._known.update(self._tables.read("SELECT day, public FROM listed_keys WHERE day = :day", {"day": day}))
        try:
            key = self._party.ring.signing_key(KeyName(Purpose.SIGNING, day))
        except CheckinError:
            raise NotReady("There is no signing key for this day: see /readyz.") from None
        if self._known.get(day) != key.public:
            raise NotReady("The signing key of this day is not the one that was listed: see /readyz.")
        return key

    def forget_before(self, oldest: int) -> None:
        """Removes days that are due: no code of them verifies any more, and no batch is for one."""
        for day in list(self._known):  # in place, and over a copy: requests add days meanwhile
            if day < oldest:
                del self._known[day]
        delete = "DELETE FROM listed_keys WHERE day < :oldest"
        self._tables.write(lambda commit: commit.execute(delete, {"oldest": oldest}))

    def _add(self, name: KeyName) -> None:
        public = self._party.ring.public_key(name)
        key = ListedKey(issuer_kid(self.issuer, public), public)

        def step(commit: Commit) -> None:
            commit.alone()
            for day, new in merge(_listed(commit.execute(_ALL)), {name.day: key}).items():
                commit.execute(_ADD, {"day": day, "kid": new.kid, "public": new.public})

        if self.listed().get(name.day) != key:
            self._tables.write(step)


def _listed(rows: Found) -> dict[int, ListedKey]:
    return {day: ListedKey(kid, public) for day, kid, public in rows}


def consecutive(days: Container[int], first: int) -> int:
    """How many days from `first` on are in `days` without a gap."""
    ahead = 0
    while first + ahead in days:
        ahead += 1
    return ahead
