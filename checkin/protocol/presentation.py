"""A presentation = the QR token: a credential signed by its holder a moment ago (docs/spec/presentation.md).

An untagged COSE_Sign1 of 309 bytes, alg -19, external_aad "ck1/presentation", payload [iat, credential]. With
the status shown 333 bytes: the unprotected header {-70001: [status, salt]} is bound by the credential's
commitment, and a scanner strips it before it queues or uploads.

The checks at the door are functions of their own, called by `verify` in the order of the protocol: cheapest
first, each failure with its own code, each final.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from checkin.clock import Calendar
from checkin.errors import (
    StatusRequired,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    WrongDay,
)
from checkin.protocol import credential as credentials
from checkin.protocol.credential import CREDENTIAL_SIZE, Credential, IssuerKeys, Mode, Status, StatusOpening
from checkin.protocol.encoding import Shape, base45_decode, base45_encode, u32be
from checkin.protocol.primitives import Label, SigningKey
from checkin.protocol.primitives import verify as verify_signature

PREFIX: Final = "CK1:"
MAX_SIZE: Final = 512  # bytes of a token; nothing longer is looked at
EARLY_SECONDS: Final = 5
LIFE_SECONDS: Final = 20
PAPER_GRACE_SECONDS: Final = 65

_PROTECTED: Final = b"\xa1\x01\x32"  # {1: -19}
_PAYLOAD: Final = Shape(b"\x82\x1a", 4, b"\x58\xe3", CREDENTIAL_SIZE)
_TAIL: Final = (b"\x58\xeb", _PAYLOAD.size, b"\x58\x40", 64)
_PLAIN: Final = Shape(b"\x84\x43" + _PROTECTED + b"\xa0", *_TAIL)
# {-70001: [status, salt]}
_SHOWN: Final = Shape(b"\x84\x43" + _PROTECTED + b"\xa1\x3a\x00\x01\x11\x70\x82", 1, b"\x50", 16, *_TAIL)
TOKEN_SIZE: Final = _PLAIN.size
SHOWN_SIZE: Final = _SHOWN.size
IAT_FIRST: Final = 0x10000  # below, CBOR would write iat in fewer bytes


@dataclass(frozen=True, slots=True)
class Presentation:
    """A token's fields. `encoded` is the token without the status, as it may be queued and uploaded."""

    iat: int
    credential: Credential
    opening: StatusOpening | None
    encoded: bytes


def present(credential: bytes, holder: SigningKey, iat: int, opening: StatusOpening | None = None) -> bytes:
    """A token of 309 bytes, or 333 with the status shown. `iat` in unix seconds; on paper the day's local start."""
    payload = _PAYLOAD.fill([u32be(iat), credential])
    signature = holder.sign(_to_be_signed(payload))
    if opening is None:
        return _PLAIN.fill([payload, signature])
    return _SHOWN.fill([bytes([opening.status]), opening.salt, payload, signature])


def to_text(token: bytes) -> str:
    """The QR text, 468 characters of QR's alphanumeric set (504 with the status)."""
    return PREFIX + base45_encode(token)


def from_text(text: str) -> bytes:
    """The token's bytes; raises `TokenMalformed` for another prefix, over 512 bytes, or loose base45."""
    if not text.startswith(PREFIX) or len(text) > len(PREFIX) + MAX_SIZE * 3 // 2:
        raise TokenMalformed
    return base45_decode(text[len(PREFIX) :])


def read(token: bytes) -> Presentation:
    """The fields, unverified; raises `TokenMalformed` unless the bytes are exactly of one of the two shapes."""
    if len(token) == SHOWN_SIZE:
        status, salt, payload, signature = _SHOWN.read(token)
        if status[0] > max(Status):
            raise TokenMalformed
        opening = StatusOpening(Status(status[0]), salt)
    else:
        payload, signature = _PLAIN.read(token)
        opening = None
    iat, credential = _PAYLOAD.read(payload)
    if int.from_bytes(iat, "big") < IAT_FIRST:
        raise TokenMalformed
    return Presentation(
        iat=int.from_bytes(iat, "big"),
        credential=credentials.read(credential),
        opening=opening,
        encoded=_PLAIN.fill([payload, signature]),
    )


def window(presentation: Presentation, calendar: Calendar) -> tuple[float, float]:
    """First and last unix second at which the token may be scanned.

    On a screen iat − 5 s .. iat + 20 s. On paper iat is the day's local start and the code lives until the day
    ends, + 65 s for a clock that is late.
    """
    if presentation.credential.mode is Mode.PAPER:
        day = presentation.credential.day
        return calendar.start(day) - EARLY_SECONDS, calendar.start(day + 1) + PAPER_GRACE_SECONDS
    return presentation.iat - EARLY_SECONDS, presentation.iat + LIFE_SECONDS


def reject_outside_window(presentation: Presentation, now: float, calendar: Calendar) -> None:
    """Raises `TokenNotYetValid` or `TokenExpired`; both ends belong to the window."""
    first, last = window(presentation, calendar)
    if now < first:
        raise TokenNotYetValid
    if now > last:
        raise TokenExpired


def reject_other_day(presentation: Presentation, calendar: Calendar) -> None:
    """Raises `WrongDay` unless iat lies in the credential's day; on paper it is that day's local start."""
    day = presentation.credential.day
    if calendar.day(presentation.iat) != day:
        raise WrongDay
    if presentation.credential.mode is Mode.PAPER and presentation.iat != int(calendar.start(day)):
        raise WrongDay


def reject_unsigned(presentation: Presentation, keys: IssuerKeys) -> int:
    """The issuer's number; raises `UnknownIssuerKey`, then `BadSignature` for the issuer's, then the holder's."""
    credential = presentation.credential
    key = credentials.verify_signature(credential.encoded, keys)
    payload, signature = _PLAIN.read(presentation.encoded)
    verify_signature(credential.holder_key, _to_be_signed(payload), signature)
    return key.issuer


def reject_status(presentation: Presentation, rule: Collection[int]) -> None:
    """Raises `BadStatus` when the status shown does not open, `StatusRequired` unless it is one of the venue's `rule`,
    where that is not empty."""
    if presentation.opening is not None:
        credentials.verify_opening(presentation.credential, presentation.opening)
    if rule and (presentation.opening is None or presentation.opening.status not in rule):
        raise StatusRequired


def verify(
    text: str,
    now: float,
    calendar: Calendar,
    keys_of_day: Callable[[int], IssuerKeys],
    rule: Collection[int] = (),
) -> Presentation:
    """Everything a door checks but a second use, in order; returns the verified presentation.

    Raises the `TokenError` of the first check that fails: malformed, not yet valid, expired, wrong day, unknown
    issuer key, bad signature, bad status, status required. The credential returned knows its issuer.
    """
    presentation = read(from_text(text))
    reject_outside_window(presentation, now, calendar)
    return verify_read(presentation, calendar, keys_of_day, rule)


def verify_read(
    presentation: Presentation,
    calendar: Calendar,
    keys_of_day: Callable[[int], IssuerKeys],
    rule: Collection[int] = (),
) -> Presentation:
    """The checks after the window: for a registry that judges a queued scan by the scanner's time."""
    reject_other_day(presentation, calendar)
    issuer = reject_unsigned(presentation, keys_of_day(presentation.credential.day))
    reject_status(presentation, rule)
    return replace(presentation, credential=replace(presentation.credential, issuer=issuer))


def _to_be_signed(payload: bytes) -> bytes:
    """RFC 9052 §4.4: the CBOR array ["Signature1", protected, external_aad, payload]."""
    return b"".join([b"\x84\x6aSignature1\x43", _PROTECTED, b"\x50", Label.PRESENTATION, b"\x58\xeb", payload])
