"""A token decoded field by field against the specification, for an audit (docs/spec/audit.md §5, `tokens`).

A second reader, written from docs/spec/presentation.md and credential.md and not from the code that makes tokens: what
the two disagree about shows. Every byte of a token is one of these fields; there is no room for anything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from checkin.clock import Calendar
from checkin.errors import CheckinError
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKeys
from checkin.protocol.primitives import check_signing_key

Field = tuple[str, bytes | int]

PLAIN: Final[tuple[Field, ...]] = (
    ("token: array of 4", b"\x84"),
    ("token: protected {alg: Ed25519}", b"\x43\xa1\x01\x32"),
    ("token: unprotected {}", b"\xa0"),
    ("token: payload of 235 bytes", b"\x58\xeb"),
    ("payload: array of 2, u32", b"\x82\x1a"),
    ("iat", 4),
    ("payload: credential of 227 bytes", b"\x58\xe3"),
    ("credential: array of 4", b"\x84"),
    ("credential: protected {alg: Ed25519, kid}", b"\x49\xa2\x01\x32\x04\x44"),
    ("kid", 4),
    ("credential: unprotected {}", b"\xa0"),
    ("credential: payload of 147 bytes", b"\x58\x93"),
    ("credential: array of 6, u16", b"\x86\x19"),
    ("day", 2),
    ("mode", 1),
    ("credential: 16 bytes", b"\x50"),
    ("visit_id", 16),
    ("credential: 32 bytes", b"\x58\x20"),
    ("holder_key", 32),
    ("credential: 72 bytes", b"\x58\x48"),
    ("sealed_subject", 72),
    ("credential: 16 bytes again", b"\x50"),
    ("commitment", 16),
    ("credential: 64 bytes", b"\x58\x40"),
    ("issuer's signature", 64),
    ("token: 64 bytes", b"\x58\x40"),
    ("holder's signature", 64),
)
# With the status shown, the unprotected header is {-70001: [status, salt]}.
SHOWN: Final[tuple[Field, ...]] = (
    *PLAIN[:2],
    ("token: unprotected {-70001: array of 2}", b"\xa1\x3a\x00\x01\x11\x70\x82"),
    ("status", 1),
    ("token: 16 bytes", b"\x50"),
    ("salt", 16),
    *PLAIN[3:],
)
ONCE: Final = ("visit_id", "holder_key", "sealed_subject", "commitment")
"""Fields that would link two tokens of one person if one came twice."""


def decode(token: bytes) -> dict[str, bytes]:
    """The fields by name; `ValueError` names the first byte that is not what the specification puts there."""
    fields = PLAIN if len(token) == presentation.TOKEN_SIZE else SHOWN
    values, at = {}, 0
    for name, want in fields:
        size = want if isinstance(want, int) else len(want)
        value = token[at : at + size]
        if len(value) != size or (isinstance(want, bytes) and value != want):
            raise ValueError(f"byte {at} is not {name}")
        if isinstance(want, int):
            values[name] = value
        at += size
    if at != len(token):
        raise ValueError(f"there are {len(token) - at} bytes after the last field")
    return values


def check_tokens(texts: Iterable[str], calendar: Calendar, keys: IssuerKeys) -> list[str]:
    """What is wrong with a sample of codes, each in a sentence without any value; empty when nothing is.

    `keys`: those that were listed for the codes' day. Codes that have expired are as good a sample as live ones.
    """
    faults, seen = [], Counter[tuple[str, bytes]]()
    for number, text in enumerate(texts, start=1):
        try:
            token = presentation.from_text(text)
            values = decode(token)
            check_values(values, calendar)
            presentation.verify_read(presentation.read(token), calendar, lambda _: keys)
        except CheckinError as error:
            faults.append(f"code {number}: {error.code}")
        except ValueError as error:
            faults.append(f"code {number}: {error}")
        else:
            seen.update((name, values[name]) for name in ONCE)
    twice = {name for (name, _), count in seen.items() if count > 1}
    return faults + [f"two codes share a {name}" for name in sorted(twice)]


def check_values(values: dict[str, bytes], calendar: Calendar) -> None:
    """Raises `ValueError` for a value that its field cannot have, `HolderKeyInvalid` for a holder key."""
    day = int.from_bytes(values["day"], "big")
    if calendar.day(int.from_bytes(values["iat"], "big")) != day:
        raise ValueError("iat lies in another day than day")
    if values["mode"] not in (b"\0", b"\1"):
        raise ValueError("mode is neither 0 nor 1")
    if values.get("status", b"\0")[0] > 3:
        raise ValueError("status is none of 0 to 3")
    for name in ONCE:
        if len(set(values[name])) < 4:
            raise ValueError(f"{name} is not random")
    check_signing_key(values["holder_key"])
