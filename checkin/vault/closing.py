"""Closing a day: after it no row is added, and a digest fixes those that are there (docs/spec/vault.md §5).

    digest = SHA-256("ck1/close" ‖ salt 32 ‖ root 32 ‖ count u64be)

The digest is logged. It reveals nothing by itself: the salt lies with the day, sealed under its key, and dies with
it. A reader that is shown salt, root and count before that checks them; a row slipped in, swapped or removed shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from checkin.errors import ClosingBroken
from checkin.files.leases import Hold
from checkin.protocol.encoding import u64be
from checkin.protocol.primitives import Label, equal, random_bytes, sha256
from checkin.vault.engines import DayStore
from checkin.vault.vault import Vault

CLOSE_SECONDS: Final = 3600  # all rows of a day are read
SETTLED: Final = "settled"
_SALT = 32
_ROOT = 32


@dataclass(frozen=True, slots=True)
class Closing:
    """What a closed day holds: digest, root and salt 32 bytes each, count the number of rows."""

    digest: bytes
    root: bytes
    count: int
    salt: bytes


def closing_digest(salt: bytes, root: bytes, count: int) -> bytes:
    """The 32 bytes that are logged; `ValueError` for another size of salt or root."""
    if len(salt) != _SALT or len(root) != _ROOT:
        raise ValueError("salt and root have 32 bytes")
    return sha256(Label.CLOSE, salt, root, u64be(count))


def close_day(vault: Vault, day: int) -> Closing:
    """Closes the day for every process; repeated, also after a crash half-way, it gives the first answer again.

    Raises `DayDestroyed`, `KeyMissing`.
    """
    standing = find_closing(vault, day)
    if standing is not None:
        return standing
    vault.freeze(day)
    root, count = vault.root(day)
    return _read(vault.attach(day, Label.CLOSE, random_bytes(_SALT) + root + u64be(count)))


def find_closing(vault: Vault, day: int) -> Closing | None:
    """The closing of the day, None while it is open. Raises `SealBroken` if it was tampered with."""
    record = vault.attachment(day, Label.CLOSE)
    return None if record is None else _read(record)


def is_closed(store: DayStore, day: int) -> bool:
    """Whether the day was closed, which is seen without its key."""
    return store.attachment(day, Label.CLOSE.value.decode("ascii")) is not None


def unsettled(store: DayStore) -> Iterator[int]:
    """Days with an order of arrival that was not erased yet."""
    return (day for day in store.days() if store.attachment(day, SETTLED) is None)


def settle_days(store: DayStore, hold: Hold, ready: Callable[[int], bool]) -> None:
    """Freezes the days that are ready for it, and erases in which order their rows came, once, where the engine can."""
    if not store.settles or not any(map(ready, unsettled(store))):
        return
    with hold("settle", CLOSE_SECONDS) as renew:
        for day in unsettled(store):  # less those that another machine has settled meanwhile
            if renew and ready(day):
                renew()
                store.freeze(day)
                store.settle(day, SETTLED)


def check_closing(digest: bytes, *, salt: bytes, root: bytes, count: int) -> Closing:
    """Verifies salt, root and count for an auditor; raises `ClosingBroken` unless their digest is the logged one."""
    if not equal(closing_digest(salt, root, count), digest):
        raise ClosingBroken
    return Closing(digest, root, count, salt)


def check_rows(vault: Vault, day: int, digest: bytes) -> Closing:
    """The closing of the day, after reading all its rows again. Raises `ClosingBroken` if the day was not closed,
    not with this digest, or its rows are no longer those."""
    standing = find_closing(vault, day)
    if standing is None:
        raise ClosingBroken("The day was not closed.")
    root, count = vault.root(day)
    if vault.store.measure(day).rows > count:  # the root is over ranges of keys, and takes none that is none
        raise ClosingBroken("The day has rows whose keys are of another size.")
    return check_closing(digest, salt=standing.salt, root=root, count=count)


def _read(record: bytes) -> Closing:
    salt, root, count = record[:_SALT], record[_SALT : _SALT + _ROOT], int.from_bytes(record[_SALT + _ROOT :], "big")
    return Closing(closing_digest(salt, root, count), root, count, salt)
