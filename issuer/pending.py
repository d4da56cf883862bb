"""A registration that waits for its code is kept by the person who registers, sealed, not by the issuer.

    registration_id = nonce 12 ‖ AES-256-GCM(expiry u64be ‖ hash of the code 32 ‖ phone 16 ‖ name 240)

So no name or phone of somebody who never confirms lies anywhere at the issuer, and no time finer than the day.
The size is always the same; it tells nothing about the name. The key is the identity key's sub-key.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from checkin.errors import CodeWrong, KeyDestroyed, KeyMissing, SealBroken
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.primitives import (
    AEAD_OVERHEAD,
    Label,
    aead_open,
    aead_seal,
    equal,
    random_below,
    random_bytes,
    sha256,
)
from issuer.contact import MAX_NAME, Contact

LIFE_SECONDS: Final = 300
CODE_DIGITS: Final = 8  # with six, guessing at many registrations at once took over accounts daily
_NONCE: Final = 12
_PLAIN = struct.Struct(f">Q32s16s{4 * MAX_NAME}s")
_SIZE: Final = _NONCE + _PLAIN.size + AEAD_OVERHEAD
ID_LENGTH: Final = (_SIZE * 4 + 2) // 3  # characters


@dataclass(frozen=True, slots=True)
class Pending:
    """An opened registration; `id` is what is kept of it to count tries, 32 bytes that lead to nobody."""

    id: bytes
    contact: Contact
    expires: int
    code_hash: bytes

    def check(self, code: str, now: float) -> None:
        """Raises `CodeWrong` for another code or after the expiry; both are always looked at."""
        right = equal(_code_hash(self.id, code), self.code_hash)
        if not right or now >= self.expires:
            raise CodeWrong


def new_code() -> str:
    """Eight digits, all equally likely."""
    return f"{random_below(10**CODE_DIGITS):0{CODE_DIGITS}}"


def seal(ring: ServiceKeys, name: KeyName, contact: Contact, code: str, now: float) -> str:
    """The registration_id, good for five minutes; `name` is the identity key in use."""
    key, nonce = ring.subkey(name, Label.SUB_REGISTRATION), random_bytes(_NONCE)
    code_hash = _code_hash(sha256(nonce), code)
    plain = _PLAIN.pack(int(now) + LIFE_SECONDS, code_hash, contact.phone.encode(), contact.name.encode())
    return b64url_encode(nonce + aead_seal(key, nonce, plain, Label.REGISTRATION))


def read(ring: ServiceKeys, text: str) -> Pending:
    """What was sealed; raises `CodeWrong` for anything that was not, as for a wrong code."""
    try:
        sealed = b64url_decode(text, _SIZE)
    except ValueError:
        raise CodeWrong from None
    for name in reversed(ring.names(Purpose.IDENTITY)):
        try:
            key = ring.subkey(name, Label.SUB_REGISTRATION)
            plain = aead_open(key, sealed[:_NONCE], sealed[_NONCE:], Label.REGISTRATION)
        except (SealBroken, KeyDestroyed, KeyMissing):
            continue
        expires, code_hash, phone, person = _PLAIN.unpack(plain)
        contact = Contact(person.rstrip(b"\0").decode(), phone.rstrip(b"\0").decode())
        return Pending(sha256(sealed[:_NONCE]), contact, expires, code_hash)
    raise CodeWrong


def _code_hash(registration: bytes, code: str) -> bytes:
    """Hidden by the seal around it; a hash of so few digits would hide nothing."""
    return sha256(Label.REGISTRATION, registration, code.encode())
