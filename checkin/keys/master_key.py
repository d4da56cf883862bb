"""Exchanging the master key of a key ring for another one (docs/spec/keys.md §3.4).

The next one lies beside `master.key` from before the first slot is wrapped under it until after `master.key` holds it:
whenever a crash comes, a repetition goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from checkin.errors import KeyDestroyed, KeyMissing
from checkin.files.durable import sync_folder
from checkin.keys.key_ring import KeyRing
from checkin.keys.secret_file import make_secret, read_secret, replace_secret
from checkin.protocol.primitives import random_bytes


def next_master(path: Path) -> Path:
    """Path of the next one beside `path`, with the suffix that names of keys have: `master.next.key`."""
    return path.with_stem(f"{path.stem}.next")


def change_master(folder: Path, path: Path, *, allow_unfit: bool = False) -> int:
    """Puts fresh random bytes in the place of those in `path`; how many slots were wrapped anew. Repeatable.

    No other process may use the ring in `folder` meanwhile. Raises `SealBroken` before anything is changed if a slot
    does not open, `SettingsInvalid` without a master key, `StorageUnfit`.
    """
    present = read_secret(path)
    replace_secret(path, present)  # a file that cannot be written is found before the first slot, not after the last
    coming, ring = next_master(path), KeyRing(folder, present, allow_unfit=allow_unfit)
    if not coming.exists():
        for name in ring.names():
            with suppress(KeyDestroyed, KeyMissing):
                ring.commitment(name)
        make_secret(coming)
    master = read_secret(coming)
    # On the disk for certain, also when an earlier run made it: from the first slot on it is what keys depend on.
    replace_secret(coming, master)
    sync_folder(coming.parent)
    done = ring.rewrap(master)
    replace_secret(path, master)
    # What stands in its block now is no key of anything, and would do as a next one if a crash came here.
    replace_secret(coming, random_bytes(32))
    coming.unlink()
    sync_folder(coming.parent)
    return done
