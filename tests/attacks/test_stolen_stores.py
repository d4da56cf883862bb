"""Attacker: somebody who copied every store of all parties on day 10, and gets every live secret on day 39.

Tries: to open the visits of day 0. Control: the same opener with the keys as they were on day 10, which opens them all.
Beside it the registry that breaks its word and keeps its rows and its key.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.demo.thief import SavedKey, copy_databases, open_subject, open_visits
from checkin.errors import CheckinError, KeyDestroyed, KeyMissing, SealBroken
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.officer_folder import load_share
from checkin.keys.secret_file import read_secret
from checkin.protocol.primitives import OpeningKey
from tests.support.deployment_in_threads import Country, country
from tests.support.service_folder import CALENDAR, DAY, NOON
from tests.support.waiting import until

GONE = (KeyDestroyed, KeyMissing)


def ring_of(made: Country, service: str) -> KeyRing:
    """The live key ring of a service, with its master key: all that there is to steal."""
    folder = made.deployment.folder / service
    return KeyRing(folder / "keys", read_secret(folder / "master.key"), allow_unfit=True)


def authority_key(made: Country, day: int = DAY) -> OpeningKey:
    """With the shares of two officers."""
    ring = made.authority.ring
    return ring.open_day(day, ring.unlock(load_share(folder) for folder in made.deployment.officers()[:2]))


def subjects(copies: Path, registry: KeyRing | SavedKey, issuer: KeyRing | SavedKey, key: OpeningKey) -> list[int]:
    """Whose visits they were."""
    return [open_subject(visit, DAY, key, issuer) for visit in open_visits(copies, DAY, registry)]


def test_all_stores_of_day_10_open_nothing_with_all_live_secrets_of_day_39(tmp_path: Path) -> None:
    """Each of the three keys alone is missed, and a registry that cheats has rows that lead nowhere."""
    with country(tmp_path / "c") as made:
        door, people = made.door("Café"), [made.person() for _ in range(3)]
        for minute, person in enumerate(people):
            made.visit(person, door, NOON + 60 * minute)
        made.set(NOON + 10 * 86400)
        copies = tmp_path / "stolen"
        copy_databases(made.deployment.folder, copies)
        saved = {service: SavedKey(ring_of(made, service), DAY) for service in ("issuer", "venue")}
        saved_authority = authority_key(made)
        assert len(set(subjects(copies, saved["venue"], saved["issuer"], saved_authority))) == 3
        made.set(NOON + 39 * 86400)
        made.tend()
        _wait_for_purge(made)
        registry, issuer = ring_of(made, "venue"), ring_of(made, "issuer")
        with pytest.raises(CheckinError) as refused:
            open_visits(copies, DAY, registry)
        assert refused.value.code == "day_destroyed"
        with pytest.raises(GONE):
            authority_key(made)
        # The registry kept its rows and its key. Whose they are, it does not know, and nobody is left to ask.
        kept = open_visits(copies, DAY, saved["venue"])
        assert len(kept) == 3
        with pytest.raises(GONE):
            open_subject(kept[0], DAY, saved_authority, issuer)
        later = authority_key(made, DAY + 39)
        with pytest.raises(SealBroken):
            open_subject(kept[0], DAY, later, saved["issuer"])
        # The control, after everything: it was the keys that mattered.
        assert len(set(subjects(copies, saved["venue"], saved["issuer"], saved_authority))) == 3


def _wait_for_purge(made: Country) -> None:
    """Until both services have destroyed the day, which they do by themselves."""
    name = KeyName(Purpose.DAY, DAY)
    until(lambda: not any(name in ring_of(made, service).names(Purpose.DAY) for service in ("issuer", "venue")))
    assert CALENDAR.day(made.clock.now()) == DAY + 39
