"""What a service asks of its keys, whether they lie in slots on its own machine or on the three nodes of a ring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.primitives import Label, OpeningKey, SigningKey


class ServiceKeys(Protocol):
    """`KeyRing` has the words; `LeasedRing` raises `NotReady`, too, where too few nodes answer.

    What `use` and its kin return is for one operation: ask again for the next.
    """

    @property
    def folder(self) -> Path:
        """Where locks and tombstones lie."""

    def make(self, name: KeyName, *, oldest: int) -> str:
        """A new key; its commitment, hex. Raises `KeyExists`, `DayDestroyed`."""

    def ensure(self, name: KeyName, *, oldest: int, stated: str = "") -> str:
        """The commitment of the key, made now if it was not there and none was `stated`. `DayDestroyed`."""

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

    def tombstones(self) -> list[KeyName]:
        """All that were entombed, sorted."""

    def overwritten(self, name: KeyName) -> bool:
        """Whether the key was overwritten before it was unlinked."""

    def is_gone(self, name: KeyName) -> bool:
        """Whether the key can be used no more; something may be left to be done."""

    def destroy(self, name: KeyName) -> None:
        """Gone for every process when this returns. `ValueError` without a tombstone; repeatable."""

    def hand_on(self, note: str) -> None:
        """Tells the nodes that hold the keys what officers signed about them; nothing on one machine."""

    def missing(self, name: KeyName) -> list[str]:
        """Nodes that have not said yet that they destroyed a key that is entombed; none on one machine."""
