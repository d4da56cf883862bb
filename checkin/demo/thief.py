"""What a thief with a copy of every database can read, given the keys that were copied.

The demonstration and the tests use the same opener before and after a purge, with and without saved keys, so that
'it opens nothing' is said by something that does open everything when it can.
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path

from checkin.deployment.deployment import SERVICES
from checkin.errors import KeyMissing
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.credential import open_inner, visit_context
from checkin.protocol.primitives import Label, OpeningKey, derive
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import SubKeys, Vault
from checkin.vault.visit import Visit


class SavedKey:
    """A day's key that somebody dishonest copied from its ring while the day was held; `subkey` as a ring has it."""

    def __init__(self, ring: KeyRing, day: int) -> None:
        self._name = KeyName(Purpose.DAY, day)
        self._key = ring.use(self._name)

    def subkey(self, name: KeyName, label: Label) -> bytes:
        """32 bytes; raises `KeyMissing`."""
        if name != self._name:
            raise KeyMissing
        return derive(self._key, label)


def copy_databases(deployment: Path, target: Path) -> None:
    """Copy the data folders of all services, as a backup or a thief does; no key is among them."""
    for service in SERVICES:
        shutil.copytree(deployment / service / "data", target / service, copy_function=_copy_if_there)


def _copy_if_there(source: str, target: str) -> None:
    """What is being written may be renamed before it is copied, and is there under another name."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def open_visits(copies: Path, day: int, registry: SubKeys) -> list[Visit]:
    """The first layer: every visit of the day in the registry's files. Raises `DayDestroyed`, `KeyMissing`."""
    with closing(SqliteStore(copies / "venue" / "visits", ordered=True)) as store:
        vault = Vault("venue", store, registry)
        vault.mac(day)  # an empty day, too, must not pass for one that opens
        return [Visit.decode(vault.open(day, row)) for row in store.rows(day)]


def open_subject(visit: Visit, day: int, authority: OpeningKey, issuer: SubKeys) -> int:
    """Opens the second and third layer: the subject of the visit. Raises `SealBroken`, `KeyDestroyed`, `KeyMissing`."""
    context = visit_context(visit.issuer, day, visit.visit_id)
    inner = authority.open(visit.sealed_subject, Label.SUBJECT + context)
    return open_inner(issuer.subkey(KeyName(Purpose.DAY, day), Label.SUB_SEAL), inner, context)
