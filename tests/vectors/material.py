"""What the vectors are made of: keys out of SHA-256 of a label, one visit, and credentials and tokens of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nacl import bindings

from checkin.clock import Calendar
from checkin.errors import CheckinError
from checkin.protocol import credential as credentials
from checkin.protocol import presentation as presentations
from checkin.protocol.credential import Draft, Mode, Status, StatusOpening
from checkin.protocol.intake import Place
from checkin.protocol.primitives import OpeningKey, SigningKey

ZONE = "Asia/Seoul"
CALENDAR = Calendar(ZONE)
DAY = 20777  # 2026-11-20
NOON = int(CALENDAR.start(DAY)) + 12 * 3600
ISSUER = 7
SUBJECT = 4242


def seed(label: str) -> bytes:
    """32 bytes that anyone can rebuild."""
    return hashlib.sha256(b"checkin test vector: " + label.encode()).digest()


class ScalarKey(SigningKey):
    """An Ed25519 key whose scalar is known and whose seed is not: what is left of grinding a kid, or of a holder who
    makes keys that no generator makes."""

    def __init__(self, scalar: bytes, public: bytes) -> None:
        self.public = public
        self._scalar = scalar

    def sign(self, message: bytes) -> bytes:
        """RFC 8032 §5.1.6, the nonce out of scalar and message."""
        nonce = bindings.crypto_core_ed25519_scalar_reduce(hashlib.sha512(self._scalar + message).digest())
        point = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
        digest = hashlib.sha512(point + self.public + message).digest()
        product = bindings.crypto_core_ed25519_scalar_mul(
            bindings.crypto_core_ed25519_scalar_reduce(digest), self._scalar
        )
        return point + bindings.crypto_core_ed25519_scalar_add(nonce, product)


def kid_pair() -> tuple[tuple[int, SigningKey], tuple[int, SigningKey]]:
    """Two issuers' numbers and keys; both keys have one kid (`kid-collision/pair.json`)."""
    pair = json.loads((Path(__file__).parent / "kid-collision" / "pair.json").read_text(encoding="ascii"))
    one, other = pair["issuer_1"], pair["issuer_2"]
    ground = ScalarKey(*(bytes.fromhex(other[name]) for name in ("scalar", "public")))
    return (one["issuer"], SigningKey(bytes.fromhex(one["seed"]))), (other["issuer"], ground)


ISSUER_KEY = SigningKey(seed("issuer key"))
OTHER_KEY = SigningKey(seed("another issuer's key"))
HOLDER = SigningKey(seed("holder key"))
STRANGER = SigningKey(seed("stranger's key"))
AUTHORITY = OpeningKey(seed("authority day key"))
INTAKE = OpeningKey(seed("intake key"))
SEAL_KEY = seed("issuer seal sub-key")
VISIT_ID = seed("visit")[:16]
OPENING = StatusOpening(Status.VACCINATED, seed("status salt")[:16])
PLACE = Place(seed("venue")[:8], seed("scanner")[:8])
CONTEXT = credentials.visit_context(ISSUER, DAY, VISIT_ID)


def credential(sealed: bytes, key: SigningKey = ISSUER_KEY, issuer: int = ISSUER, **changes: Any) -> bytes:
    """The good credential, or one with fields changed before signing."""
    fields: dict[str, Any] = {"day": DAY, "mode": Mode.SCREEN, "visit_id": VISIT_ID, "holder_key": HOLDER.public}
    fields |= changes
    return credentials.issue(Draft(sealed_subject=sealed, opening=OPENING, **fields), issuer, key)


def token(sealed: bytes, iat: int = NOON, holder: SigningKey = HOLDER, opening: Any = None, **changes: Any) -> bytes:
    """The good token, or one with parts changed before signing."""
    return presentations.present(credential(sealed, **changes), holder, iat, opening)


def code_of(work: Callable[..., object], *values: Any) -> str:
    """`ok` or the error's code."""
    try:
        work(*values)
    except CheckinError as error:
        return error.code
    return "ok"


def loosened(note: str) -> str:
    """A signature line, or a note that ends with one, with a bit set after its last byte."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(note.rstrip("=\n")) - 1
    return note[:at] + alphabet[alphabet.index(note[at]) + 1] + note[at + 1 :]


# Encoded points that OpenSSL or WebCrypto may take for keys and that no list may hold:
# see checkin/protocol/primitives.py.
_P = 2**255 - 19
ODD_KEYS = [value.to_bytes(32, "little") for value in (0, 1, 2, _P - 1, _P, _P + 1, _P + 3, 9, 2**255 - 1)] + [
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
# A point of the right curve with a part of small order: a key of a pair, plus one of order 8.
ODD_KEYS.append(bindings.crypto_core_ed25519_add(SigningKey(b"\x01" * 32).public, ODD_KEYS[-1]))
