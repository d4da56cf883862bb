"""A credential: what an issuer gives a wallet for one door on one day (docs/spec/credential.md).

An untagged COSE_Sign1 of 227 bytes (RFC 9052), alg -19 = Ed25519 (RFC 9864), external_aad
"ck1/credential" ‖ issuer u32be, payload the CBOR array [day, mode, visit_id, holder_key, sealed_subject, commitment].
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from checkin.errors import BadSignature, BadStatus, TokenMalformed, UnknownIssuerKey
from checkin.protocol.encoding import Shape, u32be, u64be
from checkin.protocol.key_list import issuer_kid
from checkin.protocol.primitives import (
    Label,
    SealingKey,
    SigningKey,
    aead_open,
    aead_seal,
    equal,
    random_bytes,
    sha256,
    verify,
)

# array(6): day u16, mode, visit_id 16, holder_key 32, sealed_subject 72, commitment 16
_PAYLOAD: Final = Shape(b"\x86\x19", 2, 1, b"\x50", 16, b"\x58\x20", 32, b"\x58\x48", 72, b"\x50", 16)
# array(4): protected {1: -19, 4: kid}, unprotected {}, payload, signature
_MESSAGE: Final = Shape(b"\x84\x49\xa2\x01\x32\x04\x44", 4, b"\xa0\x58\x93", _PAYLOAD.size, b"\x58\x40", 64)
CREDENTIAL_SIZE: Final = _MESSAGE.size
DAY_FIRST: Final = 256  # below, CBOR would write the day in fewer bytes
DAY_LAST: Final = 0xFFFF


class Mode(IntEnum):
    """How a credential is carried."""

    SCREEN = 0
    PAPER = 1


class Status(IntEnum):
    """What a holder may choose to show; an exemption shows as VACCINATED."""

    NONE = 0
    VACCINATED = 1
    RECOVERED = 2
    TESTED = 3


@dataclass(frozen=True, slots=True)
class StatusOpening:
    """Opens a commitment: the status and its salt of 16 bytes."""

    status: Status
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """16 bytes that bind the status and reveal nothing about it."""
        return sha256(Label.STATUS, self.salt, bytes([self.status]))[:16]


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential's fields, and the bytes they were read from."""

    issuer: int
    day: int
    mode: Mode
    visit_id: bytes
    holder_key: bytes
    sealed_subject: bytes
    commitment: bytes
    encoded: bytes


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key that an issuer listed for a service day."""

    issuer: int
    public: bytes

    @property
    def kid(self) -> bytes:
        """4 bytes by which a credential names the key."""
        return issuer_kid(self.issuer, self.public)


class IssuerKeys:
    """The keys that all trusted issuers listed for one day, by kid.

    A kid is a hint: anyone can grind a key with another issuer's kid, so several keys may share one.
    """

    def __init__(self, *keys: IssuerKey) -> None:
        self._keys: dict[bytes, tuple[IssuerKey, ...]] = {}
        for key in dict.fromkeys(keys):
            self._keys[key.kid] = (*self._keys.get(key.kid, ()), key)

    def find(self, kid: bytes) -> tuple[IssuerKey, ...]:
        """All keys with this kid, at most one of each issuer; raises `UnknownIssuerKey` when there is none."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownIssuerKey from None

    def shared(self) -> Iterator[tuple[IssuerKey, ...]]:
        """Keys of different issuers under one kid."""
        return (keys for keys in self._keys.values() if len(keys) > 1)


def visit_context(issuer: int, day: int, visit_id: bytes) -> bytes:
    """A = issuer u32be ‖ day u32be ‖ visit_id: what both seals of a subject are bound to."""
    return u32be(issuer) + u32be(day) + visit_id


def seal_inner(seal_key: bytes, subject: int, context: bytes) -> bytes:
    """24 bytes that the issuer can open while it has the day: the subject number under the day's seal sub-key.

    The nonce is the visit id's beginning: fresh for each visit, since visit ids are pseudorandom and never reused.
    """
    return aead_seal(seal_key, context[8:20], u64be(subject), Label.INNER + context)


def open_inner(seal_key: bytes, inner: bytes, context: bytes) -> int:
    """The subject number; raises `SealBroken` for another visit, day or key."""
    return int.from_bytes(aead_open(seal_key, context[8:20], inner, Label.INNER + context), "big")


def seal_subject(seal_key: bytes, authority: SealingKey, subject: int, context: bytes) -> bytes:
    """72 bytes: the inner seal, sealed to the authority's key of the day. Moved to another visit it does not open."""
    return authority.seal(seal_inner(seal_key, subject, context), Label.SUBJECT + context)


@dataclass(frozen=True, slots=True)
class Draft:
    """What an issuer decides about a credential before it signs."""

    day: int
    mode: Mode
    visit_id: bytes
    holder_key: bytes
    sealed_subject: bytes
    opening: StatusOpening


def new_opening(status: Status) -> StatusOpening:
    """A fresh opening, so that two commitments of one person never match."""
    return StatusOpening(status, random_bytes(16))


def issue(draft: Draft, issuer: int, key: SigningKey) -> bytes:
    """The credential's 227 bytes; `ValueError` when a field does not fit its hole."""
    payload = _PAYLOAD.fill(
        [
            draft.day.to_bytes(2, "big"),
            bytes([draft.mode]),
            draft.visit_id,
            draft.holder_key,
            draft.sealed_subject,
            draft.opening.commitment,
        ]
    )
    kid = IssuerKey(issuer, key.public).kid
    return _MESSAGE.fill([kid, payload, key.sign(_to_be_signed(issuer, kid, payload))])


def read(encoded: bytes) -> Credential:
    """The fields, unverified; raises `TokenMalformed` unless the bytes are exactly of the shape."""
    _, payload, _ = _MESSAGE.read(encoded)
    day, mode, visit_id, holder_key, sealed_subject, commitment = _PAYLOAD.read(payload)
    if int.from_bytes(day, "big") < DAY_FIRST or mode[0] not in (Mode.SCREEN, Mode.PAPER):
        raise TokenMalformed
    return Credential(
        issuer=0,  # the bytes do not name it: the key that signed them does
        day=int.from_bytes(day, "big"),
        mode=Mode(mode[0]),
        visit_id=visit_id,
        holder_key=holder_key,
        sealed_subject=sealed_subject,
        commitment=commitment,
        encoded=encoded,
    )


def verify_signature(encoded: bytes, keys: IssuerKeys) -> IssuerKey:
    """The key that signed exactly these bytes, of all that have their kid.

    Raises `UnknownIssuerKey` when none has, `BadSignature` when none of those signed.
    """
    kid, payload, signature = _MESSAGE.read(encoded)
    # SPEC credential.md: "MUST try every listed key of the credential's day that has its kid"
    for key in keys.find(kid):
        with suppress(BadSignature):
            verify(key.public, _to_be_signed(key.issuer, kid, payload), signature)
            return key
    raise BadSignature


def verify_opening(credential: Credential, opening: StatusOpening) -> None:
    """Raises `BadStatus` unless the opening is the one that was committed to."""
    if not equal(opening.commitment, credential.commitment):
        raise BadStatus


def _to_be_signed(issuer: int, kid: bytes, payload: bytes) -> bytes:
    """RFC 9052 §4.4: the CBOR array ["Signature1", protected, external_aad, payload]."""
    protected = b"\xa2\x01\x32\x04\x44" + kid
    return b"".join(
        [b"\x84\x6aSignature1\x49", protected, b"\x52", Label.CREDENTIAL, u32be(issuer), b"\x58\x93", payload]
    )
