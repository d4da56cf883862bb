"""Presentations to judge, good and bad, for `make.py`."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from checkin.protocol import presentation as presentations
from checkin.protocol.credential import IssuerKey, Mode, Status, StatusOpening
from checkin.protocol.encoding import base45_encode, u32be
from checkin.protocol.primitives import SigningKey
from tests.vectors.material import (
    CALENDAR,
    DAY,
    HOLDER,
    ISSUER,
    ISSUER_KEY,
    NOON,
    OPENING,
    OTHER_KEY,
    STRANGER,
    ZONE,
    credential,
    kid_pair,
    seed,
    token,
)

ORDER = 2**252 + 27742317777372353535851937790883648493


def text(data: bytes) -> str:
    """QR text of any bytes."""
    return presentations.PREFIX + base45_encode(data)


def changed(data: bytes, at: int, value: bytes) -> bytes:
    """The bytes with some replaced."""
    return data[:at] + value + data[at + len(value) :]


def case(name: str, qr: str, expected: str, now: float = NOON + 3, rule: list[int] | None = None) -> dict[str, Any]:
    """One presentation to judge."""
    return {"name": name, "text": qr, "now": int(now), "rule": rule or [], "expected": expected}


def malformed(good: bytes) -> Iterator[dict[str, Any]]:
    """Everything that is not exactly of one of the two shapes."""
    qr = text(good)
    shapes = {
        "empty": "",
        "the prefix alone": "CK1:",
        "an EU certificate's prefix": "HC1:" + qr[4:],
        "the prefix in lower case": "ck1:" + qr[4:],
        "a space before the prefix": " " + qr,
        "a newline after the text": qr + "\n",
        "lower case": "CK1:" + qr[4:].lower(),
        "a character that base45 lacks": qr[:9] + "!" + qr[10:],
        "a full-width digit": qr[:9] + "\uff11" + qr[10:],
        "cut off by one character": qr[:-1],
        "cut off by two characters": qr[:-2],
        "cut off by three characters": qr[:-3],
        "a base45 triple above 65535": qr[:4] + ":::" + qr[7:],
        "one byte too many": text(good + b"\x00"),
        "one byte missing": text(good[:-1]),
        "over 512 bytes": text(good + b"\x00" * 204),
        "the token twice": text(good + good),
        "a COSE tag in front": text(b"\xd2" + good),
        "an indefinite array": text(b"\x9f" + good[1:] + b"\xff"),
        "algorithm -8 (EdDSA) in the outer layer": text(changed(good, 2, b"\xa1\x01\x27")),
        "an outer protected header written longer": text(good[:1] + b"\x58\x03" + good[2:]),
        "something else in the unprotected header": text(changed(good, 5, b"\xa1")),
        "a text where the payload should be": text(changed(good, 6, b"\x78")),
        "a float where iat should be": text(changed(good, 9, b"\xfa")),
        "iat below 2\u00b9\u2076": text(changed(good, 10, b"\x00\x00\xff\xff")),
        "algorithm -8 in the credential": text(changed(good, 16 + 4, b"\x27")),
        "an unprotected header in the credential": text(changed(good, 16 + 11, b"\xa1")),
        "mode 2": text(changed(good, 16 + 18, b"\x02")),
        "a day below 256": text(changed(good, 16 + 16, b"\x00\xff")),
        "a null where the visit id should be": text(changed(good, 16 + 19, b"\xf6")),
    }
    for name, qr_text in shapes.items():
        yield case(name, qr_text, "token_malformed")


def in_time(sealed: bytes) -> Iterator[dict[str, Any]]:
    """The exact edges of every window."""
    screen, start = text(token(sealed)), int(CALENDAR.start(DAY))
    yield case("five seconds early", screen, "ok", NOON - 5)
    yield case("six seconds early", screen, "token_not_yet_valid", NOON - 6)
    yield case("twenty seconds old", screen, "ok", NOON + 20)
    yield case("twenty-one seconds old", screen, "token_expired", NOON + 21)
    yield case("a day old", screen, "token_expired", NOON + 86400)
    paper = text(token(sealed, start, mode=Mode.PAPER))
    yield case("paper at midnight", paper, "ok", start)
    yield case("paper in the evening", paper, "ok", start + 86399)
    yield case("paper 65 seconds after its day", paper, "ok", start + 86400 + 65)
    yield case("paper 66 seconds after its day", paper, "token_expired", start + 86400 + 66)
    yield case("paper five seconds before its day", paper, "ok", start - 5)
    yield case("paper six seconds before its day", paper, "token_not_yet_valid", start - 6)
    yield case("paper with another iat", text(token(sealed, start + 60, mode=Mode.PAPER)), "wrong_day")
    last = text(token(sealed, start + 86399))
    yield case("shown at 23:59:59, scanned after midnight", last, "ok", start + 86400 + 10)
    tomorrow = text(token(sealed, start + 86400))
    yield case("presented a second after its day", tomorrow, "wrong_day", start + 86400)
    yield case("tomorrow's credential", text(token(sealed, day=DAY + 1)), "wrong_day")
    yield case("the first iat that has four bytes", text(token(sealed, 2**16)), "token_expired")
    yield case("the first day that has two bytes", text(token(sealed, day=2**8)), "wrong_day")


def signed(sealed: bytes) -> Iterator[dict[str, Any]]:
    """Keys and signatures."""
    good = token(sealed)
    s = int.from_bytes(good[-32:], "little") + ORDER
    yield case("another issuer's key", text(token(sealed, key=OTHER_KEY)), "unknown_issuer_key")
    yield case("another day's list", text(token(sealed, NOON + 86400, day=DAY + 1)), "unknown_issuer_key", NOON + 86403)
    yield case("a kid that is not listed", text(changed(good, 16 + 7, b"\x00\x00\x00\x00")), "unknown_issuer_key")
    forged = credential(sealed, key=OTHER_KEY)
    forged = changed(forged, 7, IssuerKey(ISSUER, ISSUER_KEY.public).kid)
    yield case("a listed kid over another key's signature",
               text(presentations.present(forged, HOLDER, NOON)), "bad_signature")  # fmt: skip
    flip = bytes([good[16 + 200] ^ 1])
    yield case("a bit of the issuer's signature", text(changed(good, 16 + 200, flip)), "bad_signature")
    yield case("a bit of the sealed subject",
               text(changed(good, 16 + 80, bytes([good[16 + 80] ^ 1]))), "bad_signature")  # fmt: skip
    yield case("a bit of the holder's signature", text(good[:-1] + bytes([good[-1] ^ 1])), "bad_signature")
    yield case("a second later, the signature kept", text(changed(good, 10, u32be(NOON + 1))), "bad_signature")
    yield case("signed by a stranger", text(token(sealed, holder=STRANGER)), "bad_signature")
    yield case("S + L in the holder's signature", text(good[:-32] + s.to_bytes(32, "little")), "bad_signature")
    neutral = b"\x01" + bytes(31)
    yield case("R of small order in the holder's signature",
               text(good[:-64] + neutral + bytes(32)), "bad_signature")  # fmt: skip
    weak = credential(sealed, holder_key=neutral)
    unsigned = presentations.present(weak, HOLDER, NOON)
    yield case("a holder key of small order", text(unsigned[:-64] + neutral + bytes(32)), "bad_signature")


def sharing_a_kid(sealed: bytes) -> Iterator[dict[str, Any]]:
    """Codes of two issuers whose keys of the day have one kid."""
    (number, key), (other, ground) = kid_pair()
    yield case("a kid that two issuers list, by the one", text(token(sealed, key=key, issuer=number)), "ok")
    yield case("a kid that two issuers list, by the other", text(token(sealed, key=ground, issuer=other)), "ok")
    yield case("a kid that two issuers list, by the one for the other",
               text(token(sealed, key=key, issuer=other)), "unknown_issuer_key")  # fmt: skip
    stranger: Any = SimpleNamespace(public=key.public, sign=OTHER_KEY.sign)
    yield case("a kid that two issuers list, signed by neither",
               text(token(sealed, key=stranger, issuer=number)), "bad_signature")  # fmt: skip
    swapped: Any = SimpleNamespace(public=ground.public, sign=key.sign)
    yield case("a kid that two issuers list, signed by the one in the other's name",
               text(token(sealed, key=swapped, issuer=other)), "bad_signature")  # fmt: skip


def with_status(sealed: bytes) -> Iterator[dict[str, Any]]:
    """What is shown, and what the venue asks for."""
    shown = token(sealed, opening=OPENING)
    yield case("status shown, nothing asked", text(shown), "ok")
    yield case("status shown and asked for", text(shown), "ok", rule=[1, 2])
    yield case("another status asked for", text(shown), "status_required", rule=[2, 3])
    yield case("status asked for, not shown", text(token(sealed)), "status_required", rule=[1])
    other = StatusOpening(Status.RECOVERED, OPENING.salt)
    yield case("a status that was not committed to", text(token(sealed, opening=other)), "bad_status", rule=[2])
    salt = StatusOpening(OPENING.status, seed("another salt")[:16])
    yield case("a salt that was not committed to", text(token(sealed, opening=salt)), "bad_status")
    yield case("status 3 that was not committed to", text(changed(shown, 12, b"\x03")), "bad_status")
    yield case("status 4", text(changed(shown, 12, b"\x04")), "token_malformed")
    yield case("a status without its salt", text(shown[:13] + shown[30:]), "token_malformed")
    yield case("another label in the unprotected header", text(changed(shown, 10, b"\x71")), "token_malformed")


def listed(issuer: int, key: SigningKey) -> dict[str, Any]:
    """A key that an issuer listed for the day."""
    return {"day": DAY, "issuer": issuer, "kid": IssuerKey(issuer, key.public).kid.hex(), "public": key.public.hex()}


def presentation_file(sealed: bytes) -> dict[str, Any]:
    """`presentation.json`."""
    good = token(sealed)
    cases = [case("the complete example", text(good), "ok"), *malformed(good), *in_time(sealed)]
    return {
        "spec": "docs/spec/presentation.md",
        "zone": ZONE,
        "issuer_keys": [listed(ISSUER, ISSUER_KEY), *(listed(*issuer) for issuer in kid_pair())],
        "cases": [*cases, *signed(sealed), *sharing_a_kid(sealed), *with_status(sealed)],
        "sequences": [sequence(sealed)],
    }


def sequence(sealed: bytes) -> dict[str, Any]:
    """Scans at one scanner, in order: what only a scanner with a memory can tell."""
    first, renewed = text(token(sealed)), text(token(sealed, NOON + 15))
    return {
        "name": "a second use at the same scanner",
        "scans": [
            case("first use", first, "ok"),
            case("the same code again", first, "already_used", NOON + 9),
            case("the same credential, renewed", renewed, "already_used", NOON + 16),
            case("the first code after its window", first, "token_expired", NOON + 21),
        ],
    }
