"""Who can link a person to a visit: a model of what each store, key and live process lets its holder derive.

What there is to steal is read from the code: every table and column from the services' data maps, what lies inside a
seal from the fields of the classes that are sealed. A column that nothing is said about here counts as readable by
whoever has its table, under its own name, and a time finer than an hour as something that joins. So whoever adds a
plaintext column, or a field to a sealed record, changes the answer, and the test that asks for it fails.

A *record* is a row, or what passes through a process: all that it shows belongs together. Two records join where both
show the same link. A person is linked to a visit when joined records lead from a name or phone to a place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from checkin.orders.rows import PersonRow, PlaceRow, VisitRow
from checkin.protocol.credential import Credential
from checkin.vault.ledger import LedgerBatch
from checkin.vault.visit import Visit
from issuer.access_notices import AccessNotice
from issuer.identities import Record as IdentityRecord

ROOT: Final = Path(__file__).parents[2]
PERSON, PLACE = "person", "venue"
LINKS: Final = frozenset({PERSON, PLACE, "subject", "visit_id", "scan_id", "holder_key", "inner", "sigma", "moment"})

# What can be stolen or corrupted, beside the tables of the data maps.
SHARES: Final = "authority: k officers' shares"
AUTHORITY: Final = frozenset({SHARES, "authority: day keys' slots"})
ISSUER_DAY, ISSUER_IDENTITY = "issuer: day key", "issuer: identity key"
REGISTRY_DAY, REGISTRY_INTAKE = "registry: day key", "registry: intake key"
QUEUE = "scanner: queue"
LIVE_ISSUER, LIVE_REGISTRY = "issuer: live process", "registry: live process"
# A scanner, or a camera at the door, that keeps what it reads; the machine on which officers join their shares; and
# whoever drafts an order, with its folder: no key of an answer is made there.
LIVE_SCANNER, LIVE_AUTHORITY = "scanner: live process", "authority: live machine"
DRAFTER: Final = "authority: order's folder"
LIVE: Final = frozenset({LIVE_ISSUER, LIVE_REGISTRY, LIVE_SCANNER, LIVE_AUTHORITY})
ORDER_KEYS: Final = frozenset({SHARES})

Opens = tuple[frozenset[str], tuple[str, ...]]
"""(the keys that it takes, what is then seen)."""


def inside(kind: Any) -> tuple[str, ...]:
    """The names of a class's fields: what somebody sees who opens it."""
    return tuple(field.name for field in fields(kind))


# Seals inside of what was opened; `name` and `phone` of a person's record are the person.
SEALS: Final[Mapping[str, Opens]] = {
    "sealed_subject": (AUTHORITY, ("inner",)),
    "inner": (frozenset({ISSUER_DAY}), ("subject",)),
    "entry": (AUTHORITY, inside(LedgerBatch)),
    "sigma": (frozenset(), ("visit_id",)),
    "minute": (frozenset(), ("moment",)),
    "phone": (frozenset(), (PERSON,)),
    "encoded": (frozenset(), ("visit_id", "sealed_subject")),
}
# What a column holds that is not simply what its name says: keys it takes, and what they show.
COLUMNS: Final[Mapping[tuple[str, str, str], Opens]] = {
    ("issuer", "subjects", "number"): (frozenset(), ("subject",)),
    ("issuer", "identities", "phone"): (frozenset({ISSUER_IDENTITY}), (PERSON,)),
    ("issuer", "identities", "sealed"): (frozenset({ISSUER_IDENTITY}), inside(IdentityRecord)),
    ("issuer", "messages", "phone"): (frozenset({ISSUER_IDENTITY}), (PERSON,)),
    ("issuer", "hosted", "owner"): (frozenset({ISSUER_DAY}), ("subject",)),
    ("issuer", "hosted", "sealed"): (frozenset({ISSUER_DAY}), inside(Credential)),
    ("issuer", "rows", "group"): (frozenset({ISSUER_DAY}), ("subject",)),
    ("issuer", "rows", "sealed"): (frozenset({ISSUER_DAY}), ("entry",)),
    ("issuer", "receipts", "owner"): (frozenset({ISSUER_DAY}), ("subject",)),
    ("issuer", "receipts", "sealed"): (frozenset({ISSUER_DAY}), inside(AccessNotice)),
    ("issuer", "answers", "sealed"): (ORDER_KEYS, inside(PersonRow)),
    ("venue", "venues", "id"): (frozenset(), (PLACE,)),
    ("venue", "rows", "key"): (frozenset({REGISTRY_DAY}), ("visit_id",)),
    ("venue", "rows", "group"): (frozenset({REGISTRY_DAY}), (PLACE,)),
    ("venue", "rows", "sealed"): (frozenset({REGISTRY_DAY}), inside(Visit)),
    ("venue", "counts", "gate"): (frozenset({REGISTRY_DAY}), (PLACE,)),
    # When a scanner last asked for its lists, which it does each minute by itself, is nobody's visit.
    ("venue", "heard", "at"): (frozenset(), ()),
    ("venue", "answers", "sealed"): (ORDER_KEYS, inside(VisitRow) + inside(PlaceRow)),
    # When an order expires is the order's time, nobody's visit; the log's heads are signed at any time.
    ("issuer", "answers", "expires"): (frozenset(), ()),
    ("venue", "answers", "expires"): (frozenset(), ()),
    ("retention", "heads", "note"): (frozenset(), ()),
}
FINE: Final = ("minute", "second")


@dataclass(frozen=True)
class Record:
    """What belongs together: seen with its store alone, and behind which keys."""

    store: str
    shows: tuple[Opens, ...]


@dataclass(frozen=True)
class Model:
    """All records, seals inside them, and what a live process brings along."""

    records: tuple[Record, ...]
    seals: Mapping[str, Opens]
    implied: Mapping[str, frozenset[str]]

    @cached_property
    def holdings(self) -> tuple[str, ...]:
        """Everything that somebody can have, sorted."""
        keys = {key for record in self.records for needed, _ in record.shows for key in needed}
        keys |= {key for needed, _ in self.seals.values() for key in needed}
        return tuple(sorted({record.store for record in self.records} | keys | set(self.implied)))

    def seen(self, record: Record, held: frozenset[str]) -> frozenset[str]:
        """The links that a holder of `held` sees in a record; none without its store."""
        if record.store not in held:
            return frozenset()
        found: set[str] = set()
        waiting = [name for needed, names in record.shows if needed <= held for name in names]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                needed, names = self.seals.get(name, (frozenset(), ()))
                waiting += names if needed <= held else ()
        return frozenset(found & LINKS)

    def links(self, holdings: frozenset[str]) -> bool:
        """Whether these holdings lead from a person to a place."""
        held = holdings.union(*(self.implied.get(one, frozenset()) for one in holdings))
        rows = [seen for record in self.records if (seen := self.seen(record, held))]
        reached = {PERSON}
        while True:
            more = {link for row in rows if row & reached for link in row} - reached
            if PLACE in reached | more:
                return True
            if not more:
                return False
            reached |= more

    def smallest(self) -> set[frozenset[str]]:
        """Every combination that links and of which no part does, out of all combinations of holdings."""
        found: set[frozenset[str]] = set()
        seen: set[frozenset[str]] = set()
        waiting = [frozenset[str]()]
        while waiting:
            # Whatever links and lacks `without` has a smallest part; another one lacks something of that part, too.
            without = waiting.pop()
            held = frozenset(self.holdings) - without
            if without in seen or not self.links(held):
                continue
            seen.add(without)
            known = next((one for one in found if not one & without), None)
            smallest = known or self._shrunk(held)
            found.add(smallest)
            waiting += [without | {one} for one in smallest]
        return found

    def _shrunk(self, holdings: frozenset[str]) -> frozenset[str]:
        """What is left of holdings that link once nothing more can be left out."""
        for one in sorted(holdings):
            if self.links(holdings - {one}):
                holdings -= {one}
        return holdings

    def without(self, *stores: str) -> Model:
        """As if these stores were not there."""
        kept = tuple(record for record in self.records if record.store not in stores)
        return replace(self, records=kept)


def columns() -> Iterator[tuple[str, str, str, str, str]]:
    """(service, database, table, column, grain) of everything that the data maps declare."""
    for service in ("issuer", "venue", "retention"):
        declared = tomllib.loads((ROOT / service / "data_map.toml").read_text(encoding="utf-8"))
        for database in declared["database"]:
            for table, its_columns in database.get("tables", {}).items():
                for column, about in its_columns.items():
                    if about["form"] != "view":
                        yield service, database["path"], table, column, about["grain"]


Column = tuple[str, str, str, str, str]


def build(extra: tuple[Column, ...] = (), *, hosted: bool = False, ordered: bool = False) -> Model:
    """The model of a person with an own wallet (or a hosted one) about whom no order was executed (or one was).

    `extra`: columns that somebody might add.
    """
    tables: dict[tuple[str, str, str], list[Opens]] = {}
    for service, database, table, column, grain in (*columns(), *extra):
        names = (column, "moment") if grain in FINE else (column,)
        meant = COLUMNS.get((service, table, column), (frozenset(), names))
        tables.setdefault((service, database, table), []).append(meant)
    left_out = {*(() if hosted else ("hosted",)), *(() if ordered else ("answers",))}
    stores: dict[str, list[Record]] = {}
    for (service, database, table), shows in tables.items():
        name = f"{'registry' if service == 'venue' else service}: {database.removesuffix('/day-*.db')}"
        if table not in left_out:
            stores.setdefault(name, []).append(Record(name, tuple(shows)))
    visit = (frozenset[str](), ("visit_id", PLACE, "moment", "sealed_subject"))
    records = [record for several in stores.values() for record in several if _says_something(record)]
    records += [
        Record(QUEUE, ((frozenset({REGISTRY_INTAKE}), visit[1]),)),
        Record(LIVE_ISSUER, ((frozenset(), (PERSON, "subject", "visit_id")),)),
        Record(LIVE_REGISTRY, (visit,)),
        Record(LIVE_SCANNER, (visit,)),
    ]
    implied = {
        LIVE_ISSUER: frozenset({ISSUER_DAY, ISSUER_IDENTITY}),
        LIVE_REGISTRY: frozenset({REGISTRY_DAY, REGISTRY_INTAKE}),
        LIVE_AUTHORITY: AUTHORITY,
        DRAFTER: frozenset(),
    }
    return Model(tuple(records), SEALS, implied)


def _says_something(record: Record) -> bool:
    """Whether there is a link or a seal in it at all: what has neither only makes the search longer."""
    names = {name for _, several in record.shows for name in several}
    return bool(names & (LINKS | SEALS.keys()))
