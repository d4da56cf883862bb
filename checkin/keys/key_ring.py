"""Day keys in slot files: make, use, destroy; and another master key under all of them. Every key is 32 fresh random
bytes (docs/spec/keys.md).

A key lies alone in its slot, wrapped under the service's master key: body = nonce 12 ‖ AES-256-GCM(salt 16 ‖
key 32), 76 bytes, aad = the key's name. The master key guards against a stolen disk; what makes a day
unreadable is that the slot is overwritten, in every copy of every database, the master key known or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from checkin.errors import DayDestroyed, KeyDestroyed, KeyExists, KeyMissing, SealBroken
from checkin.files.durable import sync_folder
from checkin.keys.secret_file import make_secret, read_secret, replace_secret
from checkin.keys.slots import Slot, SlotFolder
from checkin.protocol.primitives import (
    Label,
    OpeningKey,
    SigningKey,
    aead_open,
    aead_seal,
    commit,
    derive,
    random_bytes,
)

_MAGIC: Final = b"ck1/slot"
_NONCE: Final = 12
_SALT: Final = 16
_BODY: Final = _NONCE + _SALT + 32 + 16


class Purpose(StrEnum):
    """What a key is for; the first half of its name."""

    DAY = "day"  # HKDF root of a day vault and of a day's seals
    INTAKE = "intake"  # registry, X25519: scanners' queues
    SIGNING = "signing"  # issuer, Ed25519: credentials
    IDENTITY = "identity"  # issuer: names and phones at rest
    AUTHORITY = "authority"  # authority, X25519: outer seals (authority_ring.py)


@dataclass(frozen=True, order=True)
class KeyName:
    """A purpose and a service day, written `day-20779`."""

    purpose: Purpose
    day: int

    def __str__(self) -> str:
        return f"{self.purpose.value}-{self.day}"

    @classmethod
    def parse(cls, text: str) -> KeyName:
        """Inverse of `str`; `ValueError` for another spelling or an unknown purpose."""
        match = re.fullmatch(r"([a-z]+)-(0|[1-9][0-9]{0,9})", text, re.ASCII)
        if match is None:
            raise ValueError("not the name of a key")
        return cls(Purpose(match[1]), int(match[2]))


@dataclass(repr=False)
class _Held:
    """An opened key and what was made of it, dropped as soon as its slot is seen destroyed."""

    slot: Slot
    salt: bytes
    key: bytes
    commitment: str
    subkeys: dict[Label, bytes] = field(default_factory=dict)
    signing: SigningKey | None = None
    opening: OpeningKey | None = None


class KeyRing:
    """`ServiceKeys` of one machine; any number of threads and processes share the folder."""

    def __init__(self, folder: Path, master: bytes | None, *, allow_unfit: bool = False) -> None:
        """`master` is 32 random bytes, or None to destroy keys and use none. Raises `StorageUnfit` where overwriting
        does not destroy, unless allowed."""
        if master is not None and len(master) != 32:
            raise ValueError("a master key has 32 bytes")
        self.folder = folder
        self._slots = SlotFolder(folder, _MAGIC, _BODY, allow_unfit=allow_unfit)
        # Without the master key no slot opens: `SealBroken`, as under any other one.
        self._wrap = derive(random_bytes(32) if master is None else master, Label.SUB_SLOT)
        self._held: dict[KeyName, _Held] = {}

    def make(self, name: KeyName, *, oldest: int) -> str:
        """A new key, on disk when this returns; its commitment, hex.

        Raises `KeyExists`; `DayDestroyed` for a day before `oldest` or one with a tombstone.
        """
        return self.hold(name, random_bytes(_SALT + 32), oldest=oldest)

    def hold(self, name: KeyName, secret: bytes, *, oldest: int) -> str:
        """As `make`, for a key that another node of the ring made: salt 16 ‖ key 32."""
        if name.day < oldest:
            raise DayDestroyed
        self._slots.write(str(name), _wrapped(self._wrap, name, secret))
        return commit(secret[:_SALT], secret[_SALT:])

    def secret(self, name: KeyName) -> bytes:
        """Salt and key, for another node of the ring; as `use`."""
        held = self._look(name)
        return held.salt + held.key

    def rewrap(self, master: bytes) -> int:
        """Wraps every key under another master key, where it lies; how many. Repeatable: each may be under either.

        No other process may use the ring meanwhile. Raises `SealBroken` where one is under neither; it stays as it is.
        """
        fresh = derive(master, Label.SUB_SLOT)
        done = sum(self._slots.rewrite(str(name), partial(self._rewrapped, name, fresh)) for name in self.names())
        self._wrap = fresh
        return done

    def _rewrapped(self, name: KeyName, fresh: bytes, body: bytes) -> bytes:
        with suppress(SealBroken):
            _unwrap(fresh, name, body)
            return body
        return _wrapped(fresh, name, _unwrap(self._wrap, name, body))

    def discard(self, name: KeyName) -> None:
        """Destroys a key that was never acknowledged, and frees its name. `ValueError` with a tombstone."""
        self._slots.discard(str(name))
        self._held.pop(name, None)

    def ensure(self, name: KeyName, *, oldest: int, stated: str = "") -> str:
        if name.day < oldest:
            raise DayDestroyed
        try:
            if name not in self._held and not stated:
                with suppress(KeyExists):
                    return self.make(name, oldest=oldest)
            return self.commitment(name)
        except KeyDestroyed:
            raise DayDestroyed from None

    def use(self, name: KeyName) -> bytes:
        """The key, 32 bytes. Raises `KeyMissing`, `KeyDestroyed`, or `SealBroken` under another master key."""
        return self._look(name).key

    def subkey(self, name: KeyName, label: Label) -> bytes:
        held = self._look(name)
        if label not in held.subkeys:
            held.subkeys[label] = derive(held.key, label)
        return held.subkeys[label]

    def signing_key(self, name: KeyName) -> SigningKey:
        held = self._look(name)
        held.signing = held.signing or SigningKey(held.key)
        return held.signing

    def opening_key(self, name: KeyName) -> OpeningKey:
        held = self._look(name)
        held.opening = held.opening or OpeningKey(held.key)
        return held.opening

    def public_key(self, name: KeyName) -> bytes:
        return (self.signing_key if name.purpose is Purpose.SIGNING else self.opening_key)(name).public

    def commitment(self, name: KeyName) -> str:
        return self._look(name).commitment

    def names(self, purpose: Purpose | None = None) -> list[KeyName]:
        wanted = "" if purpose is None else f"{purpose.value}-"
        return sorted(KeyName.parse(text) for text in self._slots.names() if text.startswith(wanted))

    def remember(self, name: KeyName, record: Callable[[], Mapping[str, str | int]]) -> None:
        """Nothing: the key opens what the tombstone says until it is destroyed here."""

    def entomb(self, name: KeyName, record: Mapping[str, str | int]) -> None:
        self._slots.entomb(str(name), record)

    def tombstone(self, name: KeyName) -> dict[str, str | int] | None:
        return self._slots.tombstone(str(name))

    def tombstones(self, purpose: Purpose | None = None) -> list[KeyName]:
        names = map(KeyName.parse, self._slots.tombstones())
        return sorted(name for name in names if purpose in (None, name.purpose))

    def overwritten(self, name: KeyName) -> bool:
        return self._slots.overwritten(str(name))

    def is_gone(self, name: KeyName) -> bool:
        return self._slots.is_gone(str(name))

    def hand_on(self, note: str) -> None:
        """Does nothing: the process that destroys has read it."""

    def missing(self, _: KeyName) -> list[str]:
        """Nodes of a ring that have not stated the key's destruction: there are none, the key is here."""
        return []

    def destroy(self, name: KeyName) -> None:
        """`OSError` without room for tombstone or mark, too: see `is_gone`."""
        self._slots.destroy(str(name))
        self._held.pop(name, None)

    def _look(self, name: KeyName) -> _Held:
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = self._open(name)
        if not held.slot.live():
            self._held.pop(name, None)
            raise KeyDestroyed
        return held

    def _open(self, name: KeyName) -> _Held:
        slot = self._slots.map(str(name))
        body = slot.body()
        try:
            plain = _unwrap(self._wrap, name, body)
        except SealBroken:
            if not slot.live():  # overwritten while we read it
                raise KeyDestroyed from None
            raise
        salt, key = plain[:_SALT], plain[_SALT:]
        return _Held(slot, salt, key, commit(salt, key))


def _wrapped(wrap: bytes, name: KeyName, secret: bytes) -> bytes:
    nonce = random_bytes(_NONCE)
    return nonce + aead_seal(wrap, nonce, secret, str(name).encode())


def _unwrap(wrap: bytes, name: KeyName, body: bytes) -> bytes:
    try:
        return aead_open(wrap, body[:_NONCE], body[_NONCE:], str(name).encode())
    except SealBroken:
        raise SealBroken(f"The slot {name} does not open: is this the master key it was made with?") from None


class ServiceKeys(Protocol):
    """What a service requires of its keys, whether they lie in slots on its own machine (`KeyRing`) or on the three
    nodes of a ring (`LeasedRing`, which raises `NotReady`, too, where too few nodes answer).

    What `use` and its kin return is for one operation: call again for the next, so that destroying a key in one
    process stops all.
    """

    folder: Path
    """Where locks and tombstones lie."""

    def ensure(self, name: KeyName, *, oldest: int, stated: str = "") -> str:
        """The commitment of the key, made now if it was not there; every process gets the same. Where one was `stated`
        for that name none is made any more. Raises `DayDestroyed`, `KeyMissing`."""

    def use(self, name: KeyName) -> bytes:
        """The key, 32 bytes. Raises `KeyMissing`, `KeyDestroyed`."""

    def subkey(self, name: KeyName, label: Label) -> bytes:
        """HKDF sub-key of the key, 32 bytes; as `use`."""

    def signing_key(self, name: KeyName) -> SigningKey:
        """The key as an Ed25519 seed; as `use`."""

    def opening_key(self, name: KeyName) -> OpeningKey:
        """The key as an X25519 private key; as `use`."""

    def public_key(self, name: KeyName) -> bytes:
        """The public half of a key that signs or opens, 32 bytes; as `use`."""

    def commitment(self, name: KeyName) -> str:
        """64 hex digits; as `use`."""

    def names(self, purpose: Purpose | None = None) -> list[KeyName]:
        """Keys of which anything is left, sorted, those already entombed included."""

    def remember(self, name: KeyName, record: Callable[[], Mapping[str, str | int]]) -> None:
        """Writes down what the tombstone will say, where it cannot be read any more when the key is due."""

    def entomb(self, name: KeyName, record: Mapping[str, str | int]) -> None:
        """Durably, before `destroy`: this key never comes back. The first record stays; no secret in it."""

    def tombstone(self, name: KeyName) -> dict[str, str | int] | None:
        """The record of `entomb`, or None."""

    def tombstones(self, purpose: Purpose | None = None) -> list[KeyName]:
        """All that were entombed, or those of one purpose, sorted."""

    def overwritten(self, name: KeyName) -> bool:
        """Whether the key was overwritten before it was unlinked."""

    def is_gone(self, name: KeyName) -> bool:
        """Whether the key can be used no more; something may be left to be done."""

    def destroy(self, name: KeyName) -> None:
        """Destroys a key for every process, before this returns. `ValueError` without a tombstone; repeatable."""

    def hand_on(self, note: str) -> None:
        """Sends the nodes that hold the keys what officers signed about them; nothing on one machine."""

    def missing(self, name: KeyName) -> list[str]:
        """Nodes that have not said yet that they destroyed a key that is entombed; none on one machine."""


def next_master(path: Path) -> Path:
    """Path of the next one beside `path`, with the suffix that names of keys have: `master.next.key`."""
    return path.with_stem(f"{path.stem}.next")


def change_master(folder: Path, path: Path, *, allow_unfit: bool = False) -> int:
    """Puts fresh random bytes in the place of those in `path`; how many slots were wrapped anew (docs/spec/keys.md
    §3.4). Repeatable: the next one lies beside `path` from before the first slot is wrapped under it until after `path`
    holds it, so whenever a crash comes, a repetition goes on from there.

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
