"""The authority's day keys: anyone on its machine makes and destroys them, only k officers open one.

A day's private half is sealed (HPKE) to the ring key, whose own private half exists only as shares. Slot body =
public 32 ‖ commitment 32 ‖ HPKE(salt 16 ‖ private 32), 160 bytes; info = "ck1/ring" ‖ day u32be ‖ public ‖
commitment, so no sealed key can be moved to another day or shown under another public half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from checkin.errors import DayDestroyed, SealBroken, SharesInvalid
from checkin.keys.key_ring import KeyName, Purpose
from checkin.keys.officers import join_shares
from checkin.keys.slots import SlotFolder
from checkin.protocol.encoding import u32be
from checkin.protocol.key_list import AuthorityKey
from checkin.protocol.primitives import HPKE_OVERHEAD, Label, OpeningKey, SealingKey, commit, equal, random_bytes

_MAGIC: Final = b"ck1/auth"
_SALT: Final = 16
_BODY: Final = 32 + 32 + _SALT + 32 + HPKE_OVERHEAD


class AuthorityRing:
    """Slots of one authority; `public` is the ring's X25519 key, 32 bytes. `StorageUnfit` as for any key ring."""

    def __init__(self, folder: Path, public: bytes, *, allow_unfit: bool = False) -> None:
        self.public = public
        self._sealing = SealingKey(public)
        self._slots = SlotFolder(folder, _MAGIC, _BODY, allow_unfit=allow_unfit)

    def make(self, day: int, *, oldest: int) -> AuthorityKey:
        """A key pair for the day, on disk when this returns. Raises `KeyExists`, `DayDestroyed`."""
        if day < oldest:
            raise DayDestroyed
        salt, private = random_bytes(_SALT), random_bytes(32)
        key = AuthorityKey(OpeningKey(private).public, commit(salt, private))
        sealed = self._sealing.seal(salt + private, _info(day, key))
        self._slots.write(_name(day), key.public + bytes.fromhex(key.commitment) + sealed)
        return key

    def key(self, day: int) -> AuthorityKey:
        """What the list says of the day. Raises `KeyMissing`, `KeyDestroyed`."""
        return self._read(day)[0]

    def unlock(self, shares: Iterable[str]) -> OpeningKey:
        """The ring key itself, for one trace that opens many days: forget it with the trace. Raises `SharesInvalid`."""
        ring = join_shares(shares)
        if ring.public != self.public:
            raise SharesInvalid
        return ring

    def open_day(self, day: int, ring: OpeningKey) -> OpeningKey:
        """The day's private key, with what `unlock` returned: forget it with the trace.

        Raises `KeyMissing`, `KeyDestroyed`; `SealBroken` if the slot was changed.
        """
        key, sealed = self._read(day)
        return OpeningKey(_unsealed(day, key, sealed, ring)[_SALT:])

    def reseal(self, day: int, ring: OpeningKey, following: OpeningKey) -> None:
        """Seals the day's key, which stays what it is, to the ring key that follows, in its slot and in place. One that
        is sealed so already stays; raises as `open_day`."""

        def change(body: bytes) -> bytes:
            key, sealed = _parted(body)
            try:
                _unsealed(day, key, sealed, following)
            except SealBroken:
                plain = _unsealed(day, key, sealed, ring)
                return body[: -len(sealed)] + SealingKey(following.public).seal(plain, _info(day, key))
            return body

        self._slots.rewrite(_name(day), change)

    def days(self) -> list[int]:
        """Days that still have a slot, ascending, those already entombed included."""
        return [KeyName.parse(name).day for name in self._slots.names()]

    def tombstones(self) -> list[int]:
        """Days that were entombed, ascending."""
        return [KeyName.parse(name).day for name in self._slots.tombstones()]

    def tombstone(self, day: int) -> dict[str, str | int] | None:
        """The record given to `destroy`, or None."""
        return self._slots.tombstone(_name(day))

    def overwritten(self, day: int) -> bool:
        """Whether `destroy` overwrote the whole slot before it unlinked it."""
        return self._slots.overwritten(_name(day))

    def destroy(self, day: int, record: Mapping[str, str | int]) -> None:
        """Writes the tombstone, then destroys the slot; done when this returns, and to be repeated after a crash."""
        self._slots.entomb(_name(day), record)
        self._slots.destroy(_name(day))

    def _read(self, day: int) -> tuple[AuthorityKey, bytes]:
        return _parted(self._slots.map(_name(day)).body())


def _name(day: int) -> str:
    return str(KeyName(Purpose.AUTHORITY, day))


def _info(day: int, key: AuthorityKey) -> bytes:
    return Label.RING + u32be(day) + key.public + bytes.fromhex(key.commitment)


def _parted(body: bytes) -> tuple[AuthorityKey, bytes]:
    return AuthorityKey(body[:32], body[32:64].hex()), body[64:]


def _unsealed(day: int, key: AuthorityKey, sealed: bytes, ring: OpeningKey) -> bytes:
    """Salt and private half of the day's key; raises `SealBroken`."""
    plain = ring.open(sealed, _info(day, key))
    salt, private = plain[:_SALT], plain[_SALT:]
    whole = equal(commit(salt, private).encode(), key.commitment.encode())
    if not whole or OpeningKey(private).public != key.public:
        raise SealBroken
    return plain
