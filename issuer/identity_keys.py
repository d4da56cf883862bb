"""The identity key: seals names and phones at rest, lives 28 days, then every row is sealed anew (identities.py)."""

from __future__ import annotations

from typing import Final

from checkin.clock import RETENTION_DAYS
from checkin.errors import KeyDestroyed, KeyExists, KeyMissing, NotReady
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.encoding import u64be
from checkin.protocol.primitives import Label, aead_open, aead_seal, hmac_sha256, random_bytes

_NONCE: Final = 12
PHONE_MAC_SIZE: Final = 16


class IdentityKeys:
    """The identity keys of a ring: one is in use; while rows are sealed anew there is an old one beside it."""

    def __init__(self, ring: ServiceKeys) -> None:
        self.ring = ring

    def live(self) -> list[KeyName]:
        """All that are not entombed, oldest first."""
        return [name for name in self.ring.names(Purpose.IDENTITY) if self.ring.tombstone(name) is None]

    def current(self) -> KeyName:
        """The key that new rows are sealed under. Raises `NotReady` before the first start's periodic tasks.

        A writer calls it inside its transaction: a rotation makes the new key before its own, so that it sees every
        row that was sealed under the old one.
        """
        live = self.live()
        if not live:
            raise NotReady("There is no identity key yet: the service is starting.")
        return live[-1]

    def ensure(self, today: int, *, oldest: int, stated: str = "") -> KeyName:
        """The key in use, made anew if there is none or it is 28 days old. Raises `KeyMissing` or `KeyExists` where one
        was `stated` for today, and is lost or another."""
        live = self.live()
        if live and today < live[-1].day + RETENTION_DAYS:
            return live[-1]
        name = KeyName(Purpose.IDENTITY, today)
        if self.ring.ensure(name, oldest=oldest, stated=stated) != stated and stated:
            raise KeyExists(f"{name} is another key than the stated one: bring that one back.")
        return name

    def unreadable_from(self, day: int) -> int:
        """The day on which the key that seals a row of this day is destroyed: it is 28 days old then, and so are its
        successors every 28 days. From then on the row is noise in every copy."""
        made = self.current().day
        return made + RETENTION_DAYS * ((max(day, made) - made) // RETENTION_DAYS + 1)

    def seal(self, name: KeyName, subject: int, plaintext: bytes) -> bytes:
        """nonce 12 ‖ AES-256-GCM, bound to the subject and the key's day."""
        nonce = random_bytes(_NONCE)
        key = self.ring.subkey(name, Label.SUB_IDENTITY)
        return nonce + aead_seal(key, nonce, plaintext, _context(name, subject))

    def open(self, name: KeyName, subject: int, sealed: bytes) -> bytes:
        """Inverse of `seal`; raises `SealBroken`, and `KeyDestroyed` when the row was sealed anew meanwhile."""
        try:
            key = self.ring.subkey(name, Label.SUB_IDENTITY)
        except KeyMissing:
            raise KeyDestroyed from None
        return aead_open(key, sealed[:_NONCE], sealed[_NONCE:], _context(name, subject))

    def phone_mac(self, name: KeyName, phone: str) -> bytes:
        """The MAC that a phone is found by, 16 bytes."""
        return hmac_sha256(self.ring.subkey(name, Label.SUB_PHONE), phone.encode())[:PHONE_MAC_SIZE]

    def day_mac(self, name: KeyName, day: int, phone: str) -> bytes:
        """The MAC that messages to a phone are counted by on one day: not the one that a phone is found by."""
        # A phone in E.164 begins with "+", so no input of the one is an input of the other.
        return hmac_sha256(self.ring.subkey(name, Label.SUB_PHONE), u64be(day), phone.encode())[:PHONE_MAC_SIZE]


def _context(name: KeyName, subject: int) -> bytes:
    return Label.IDENTITY + u64be(subject) + u64be(name.day)
