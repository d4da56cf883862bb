"""The issuer's own published list: one signing key a service day, the first one listed for a day is final.

The ring makes a key 14 days ahead; here its public half is written down before it is published. If the ring ever
shows another key for a listed day (a wrong backup, another master key), that day is not signed for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Final, Generic, TypeVar

from checkin.errors import CheckinError, KeyMissing, ListRefused, NotReady
from checkin.files.tables import Commit, Found, Tables
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import AuthorityKey, IssuerList, ListedKey, issuer_kid, merge
from checkin.protocol.primitives import SigningKey
from checkin.service.identity import ServiceIdentity

AHEAD_DAYS: Final = 14
K = TypeVar("K", ListedKey, AuthorityKey)


class KeyTable(Generic[K]):
    """A table of keys by service day, of which the first one listed for a day is final."""

    def __init__(self, party: ServiceIdentity, tables: Tables, table: str, kind: type[K]) -> None:
        """`kind`: a dataclass of the columns beside `day`."""
        columns = ["day", *(field.name for field in fields(kind))]
        self._party = party
        self._tables = tables
        self._kind: type[K] = kind
        names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
        self._select = f"SELECT {names} FROM {table}"  # noqa: S608 - names of the schema, here and below
        self._insert = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608
        self._delete = f"DELETE FROM {table} WHERE day < :oldest"  # noqa: S608
        self._known: dict[int, K] = {}

    def listed(self) -> dict[int, K]:
        """By day, as listed first."""
        return self._keys(self._tables.read(f"{self._select} ORDER BY day"))

    def listed_for(self, day: int) -> K | None:
        """The key of a day; read once."""
        if day not in self._known:
            self._known |= self._keys(self._tables.read(f"{self._select} WHERE day = :day", {"day": day}))
        return self._known.get(day)

    def add(self, new: Mapping[int, K]) -> list[int]:
        """The days that are new, on the disk when it returns. Raises `ListRefused`, with nothing added, when a key
        contradicts what was listed before, or its kid is another key's."""

        def step(commit: Commit) -> list[int]:
            commit.alone()
            added = merge(self._keys(commit.execute(self._select)), new)
            commit.many(self._insert, [{"day": day, **asdict(added[day])} for day in sorted(added)])
            return sorted(added)

        return self._tables.write(step)

    def days_ahead(self) -> int:
        """How many days from today on are listed without a gap."""
        listed, today, ahead = self.listed(), self._party.today(), 0
        while today + ahead in listed:
            ahead += 1
        return ahead

    def forget_before(self, oldest: int) -> None:
        """Removes days that are due: nothing of them verifies any more, and no batch is for one."""
        for day in list(self._known):  # in place, and over a copy: requests add days meanwhile
            if day < oldest:
                del self._known[day]
        self._tables.write(lambda commit: commit.execute(self._delete, {"oldest": oldest}))

    def _keys(self, rows: Found) -> dict[int, K]:
        return {day: self._kind(*columns) for day, *columns in rows}


class SigningKeys(KeyTable[ListedKey]):
    """The table `listed_keys`, and the private halves in the ring."""

    def __init__(self, party: ServiceIdentity, tables: Tables, issuer: int) -> None:
        super().__init__(party, tables, "listed_keys", ListedKey)
        self.issuer = issuer

    def publish(self) -> list[int]:
        """Lists every key of the ring that was made since; the days that could not be listed, because their key
        contradicts what was listed before or its kid is another key's."""
        refused, listed = [], self.listed()
        for name in self._party.ring.names(Purpose.SIGNING):
            if name.day >= self._party.today():
                try:
                    public = self._party.ring.public_key(name)
                    key = ListedKey(issuer_kid(self.issuer, public), public)
                    if listed.get(name.day) != key:
                        self.add({name.day: key})
                except KeyMissing:
                    continue  # known to one node of a ring alone
                except ListRefused:
                    refused.append(name.day)
        return refused

    def list(self) -> IssuerList:
        """The list to publish."""
        return IssuerList(self.issuer, self.listed(), simulated=self._party.clock.simulated)

    def key(self, day: int) -> SigningKey:
        """The private key of a listed day; raises `NotReady` if none was listed or the ring has another one."""
        listed = self.listed_for(day)
        try:
            key = self._party.ring.signing_key(KeyName(Purpose.SIGNING, day))
        except CheckinError:
            raise NotReady("There is no signing key for this day: see /readyz.") from None
        if listed is None or listed.public != key.public:
            raise NotReady("The signing key of this day is not the one that was listed: see /readyz.")
        return key
