"""The issuer's own published list: one signing key a service day, the first one listed for a day is final.

The ring makes a key 14 days ahead; here its public half is written down before anybody sees it. If the ring ever
shows another key for a listed day (a wrong backup, another master key), that day is not signed for.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from checkin.errors import CheckinError, ListRefused, NotReady
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid, merge
from checkin.protocol.primitives import SigningKey
from checkin.service.identity import ServiceIdentity
from issuer.database import IssuerDatabase, one_row

AHEAD_DAYS: Final = 14


class SigningKeys:
    """The table `listed_keys`, and the private halves in the ring."""

    def __init__(self, party: ServiceIdentity, database: IssuerDatabase, issuer: int) -> None:
        self._party = party
        self._database = database
        self.issuer = issuer

    def publish(self) -> list[int]:
        """Lists every key of the ring that was made since; the days that could not be listed, because their key
        contradicts what was listed before or its kid is another key's."""
        refused = []
        for name in self._party.ring.names(Purpose.SIGNING):
            if name.day >= self._party.today():
                try:
                    self._add(name)
                except ListRefused:
                    refused.append(name.day)
        return refused

    def listed(self) -> dict[int, ListedKey]:
        """By day, as published."""
        with self._database.reading() as tables:
            rows = tables.execute("SELECT day, kid, public FROM listed_keys ORDER BY day").fetchall()
        return {day: ListedKey(kid, public) for day, kid, public in rows}

    def days_ahead(self) -> int:
        """How many days from today on are listed without a gap."""
        return consecutive(self.listed(), self._party.today())

    def list(self) -> IssuerList:
        """What is to be published."""
        return IssuerList(self.issuer, self.listed(), simulated=self._party.clock.simulated)

    def key(self, day: int) -> SigningKey:
        """The private key of a listed day; raises `NotReady` if none was listed or the ring has another one."""
        with self._database.reading() as tables:
            listed = one_row(tables, "SELECT public FROM listed_keys WHERE day = ?", day)
        try:
            key = self._party.ring.signing_key(KeyName(Purpose.SIGNING, day))
        except CheckinError:
            raise NotReady("There is no signing key for this day: see /readyz.") from None
        if listed is None or listed[0] != key.public:
            raise NotReady("The signing key of this day is not the one that was listed: see /readyz.")
        return key

    def forget_before(self, oldest: int) -> None:
        """Removes days that nobody can verify a code for any more."""
        with self._database.writing() as tables:
            tables.execute("DELETE FROM listed_keys WHERE day < ?", (oldest,))

    def _add(self, name: KeyName) -> None:
        public = self._party.ring.signing_key(name).public
        kid = issuer_kid(self.issuer, public)
        if self.listed().get(name.day) == ListedKey(kid, public):
            return
        with self._database.writing() as tables:
            rows = tables.execute("SELECT day, kid, public FROM listed_keys").fetchall()
            known = {day: ListedKey(known_kid, known_public) for day, known_kid, known_public in rows}
            for day, key in merge(known, {name.day: ListedKey(kid, public)}).items():
                tables.execute("INSERT INTO listed_keys VALUES (?, ?, ?)", (day, key.kid, key.public))


def consecutive(days: Container[int], first: int) -> int:
    """How many days from `first` on are in `days` without a gap."""
    ahead = 0
    while first + ahead in days:
        ahead += 1
    return ahead
