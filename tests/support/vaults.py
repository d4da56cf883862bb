"""A real vault on real files, for tests."""

from __future__ import annotations

import os
from pathlib import Path

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit

DAY = 20779
NAME = KeyName(Purpose.DAY, DAY)
MASTER = bytes(32)


def open_ring(folder: Path) -> KeyRing:
    """The key ring under a folder; tests run on file systems that a service would refuse."""
    return KeyRing(folder / "keys", MASTER, allow_unfit=True)


def open_vault(folder: Path, service: str = "venue", *, ordered: bool = True) -> Vault:
    """The vault under a folder, with keys for DAY and the day after it."""
    ring = open_ring(folder)
    for day in (DAY, DAY + 1):
        ring.ensure(KeyName(Purpose.DAY, day), oldest=0)
    return Vault(service, SqliteStore(folder / service, ordered=ordered), ring)


def destroy_key(folder: Path) -> None:
    """What a purge does to the key of DAY."""
    ring = open_ring(folder)
    ring.entomb(NAME, {"rows": 0})
    ring.destroy(NAME)


def a_visit(venue: bytes = b"venue--1", flags: int = 0) -> Visit:
    """A visit at 2026-11-22 04:34 UTC by nobody in particular."""
    return Visit(venue, 29_922_034, 1, os.urandom(16), os.urandom(16), os.urandom(72), flags)
