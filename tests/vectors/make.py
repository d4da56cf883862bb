"""Makes the project's JSON vectors; run it again and nothing changes: `python tests/vectors/make.py`.

All keys come from SHA-256 of a label, so a reader can rebuild them. HPKE seals are random by nature: those in
`seals.json` were made once, are checked here to open, and are kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from checkin.errors import SealBroken
from checkin.protocol import credential as credentials
from checkin.protocol.credential import IssuerKey, Mode, Status, StatusOpening
from checkin.protocol.encoding import base45_encode, u32be
from checkin.protocol.intake import Place, Scan, open_entry, seal_entry
from checkin.protocol.primitives import Label, SealingKey
from tests.vectors import ringvectors
from tests.vectors.answervectors import ANSWERS
from tests.vectors.calendarvectors import calendar_file
from tests.vectors.listvectors import lists_file
from tests.vectors.logvectors import LogVectors
from tests.vectors.material import (
    AUTHORITY,
    CONTEXT,
    DAY,
    HOLDER,
    INTAKE,
    ISSUER,
    ISSUER_KEY,
    NOON,
    OPENING,
    OTHER_KEY,
    PLACE,
    SEAL_KEY,
    STRANGER,
    SUBJECT,
    VISIT_ID,
    credential,
    seed,
    token,
)
from tests.vectors.merklevectors import merkle
from tests.vectors.notevectors import notes_file, time_file
from tests.vectors.ordervectors import closing_file, parts_file
from tests.vectors.partyvectors import enrolment_file, told_time_file
from tests.vectors.presentationvectors import presentation_file
from tests.vectors.trustvectors import trust_file

HERE = Path(__file__).parent


def seals() -> dict[str, bytes]:
    """The recorded HPKE seals, made anew only where one is missing or does not open."""
    path = HERE / "seals.json"
    kept = {k: bytes.fromhex(v) for k, v in json.loads(path.read_text())["seals"].items()} if path.exists() else {}
    try:
        credentials.open_inner(SEAL_KEY, AUTHORITY.open(kept["subject"], Label.SUBJECT + CONTEXT), CONTEXT)
    except (KeyError, SealBroken):
        kept["subject"] = credentials.seal_subject(SEAL_KEY, SealingKey(AUTHORITY.public), SUBJECT, CONTEXT)
    scan = Scan(NOON + 3, seed("scan")[:16], token(kept["subject"]))
    if "intake" not in kept or open_entry(kept["intake"], PLACE, INTAKE) != scan:
        kept["intake"] = seal_entry(scan, DAY, PLACE, INTAKE.public)
    ringvectors.sealed(kept)
    return kept


def credential_file(sealed: bytes) -> dict[str, Any]:
    """`credential.json`: every intermediate value of one credential."""
    encoded = credential(sealed)
    key = IssuerKey(ISSUER, ISSUER_KEY.public)
    return {
        "spec": "docs/spec/credential.md",
        "issuer": ISSUER, "day": DAY, "mode": 0, "subject": SUBJECT,
        "issuer_seed": seed("issuer key").hex(), "issuer_public": key.public.hex(), "kid": key.kid.hex(),
        "holder_seed": seed("holder key").hex(), "holder_public": HOLDER.public.hex(),
        "seal_key": SEAL_KEY.hex(), "authority_private": seed("authority day key").hex(),
        "visit_id": VISIT_ID.hex(), "context": CONTEXT.hex(),
        "inner": credentials.seal_inner(SEAL_KEY, SUBJECT, CONTEXT).hex(),
        "sealed_subject": sealed.hex(),
        "status": int(OPENING.status), "salt": OPENING.salt.hex(), "commitment": OPENING.commitment.hex(),
        "credential": encoded.hex(),
        "iat": NOON, "token": token(sealed).hex(), "token_with_status": token(sealed, opening=OPENING).hex(),
        "cases": list(batch_cases(sealed)),
    }  # fmt: skip


def batch_cases(sealed: bytes) -> Iterator[dict[str, Any]]:
    """What an issuer may answer to a wallet that asked for one credential of the file's day, mode and holder key."""
    good, other = credential(sealed), credential(sealed, day=DAY + 1)
    answers = {
        "the complete example": (good, OPENING, "ok"),
        "of another day": (other, OPENING, "service_error"),
        "on paper": (credential(sealed, mode=Mode.PAPER), OPENING, "service_error"),
        "another's holder key": (credential(sealed, holder_key=STRANGER.public), OPENING, "service_error"),
        "signed by a key that is not listed": (credential(sealed, OTHER_KEY), OPENING, "unknown_issuer_key"),
        "another issuer's number": (credential(sealed, issuer=ISSUER + 1), OPENING, "unknown_issuer_key"),
        "a bit of the signature changed": (good[:-1] + bytes([good[-1] ^ 1]), OPENING, "bad_signature"),
        "another visit, not signed": (good.replace(VISIT_ID, seed("visit")[16:]), OPENING, "bad_signature"),
        "of another day, and changed": (other[:-1] + bytes([other[-1] ^ 1]), OPENING, "bad_signature"),
        "opened as another status": (good, StatusOpening(Status.NONE, OPENING.salt), "bad_status"),
        "opened with another salt": (good, StatusOpening(OPENING.status, bytes(16)), "bad_status"),
        "of another day, and opened wrong": (other, StatusOpening(OPENING.status, bytes(16)), "bad_status"),
        "cut off": (good[:-1], OPENING, "token_malformed"),
        "a byte more": (good + b"\0", OPENING, "token_malformed"),
        "nothing": (b"", OPENING, "token_malformed"),
    }
    for name, (encoded, opening, code) in answers.items():
        told = {"status": int(opening.status), "salt": opening.salt.hex()}
        yield {"name": name, "credential": encoded.hex(), **told, "expected": code}


def intake_file(entry: bytes, sealed: bytes) -> dict[str, Any]:
    """`intake.json`: a queued scan, and ways in which it must not open."""
    cases = [("the complete example", entry, PLACE, "ok")]
    cases += [
        ("another venue's", entry, Place(seed("other venue")[:8], PLACE.scanner), "entry_unreadable"),
        ("another scanner's", entry, Place(PLACE.venue, seed("other scanner")[:8]), "entry_unreadable"),
        ("another day's", u32be(DAY + 1) + entry[4:], PLACE, "entry_unreadable"),
        ("a bit changed", entry[:-1] + bytes([entry[-1] ^ 1]), PLACE, "entry_unreadable"),
        ("cut off", entry[:-1], PLACE, "entry_unreadable"),
        ("empty", b"", PLACE, "entry_unreadable"),
    ]
    return {
        "spec": "docs/spec/intake.md",
        "day": DAY, "intake_private": seed("intake key").hex(),
        "scan": {"scanned_at": NOON + 3, "scan_id": seed("scan")[:16].hex(), "token": token(sealed).hex()},
        "cases": [
            {"name": name, "entry": data.hex(), "venue": at.venue.hex(), "scanner": at.scanner.hex(), "expected": code}
            for name, data, at, code in cases
        ],
    }  # fmt: skip


def encoding_file() -> dict[str, Any]:
    """`encoding.json`: base45 (the first three from RFC 9285 §4.3), base64url, decimal numbers."""
    good45 = [("4142", "BB8"), ("48656c6c6f2121", "%69 VD92EX0"), ("626173652d3435", "UJCLQE7W581")]
    good45 += [(data.hex(), base45_encode(data)) for data in (b"", b"\x00", b"\xff", b"\xff\xff", b"\x00\x00\x00")]
    bad45 = ["A", "BB8A", "::", ":::", "GGW", "ZZZ", "bb8", "B\u00c4", "BB8\n", "BB8=", "\u0661\u0662"]
    return {
        "spec": "docs/spec/encoding.md",
        "base45": {"good": [{"bytes": b, "text": t} for b, t in good45], "bad": bad45},
        "base64url": {
            "good": [{"bytes": b, "text": t} for b, t in [("", ""), ("00", "AA"), ("fbff", "-_8"), ("0010ff", "ABD_")]],
            "bad": ["A", "AB", "AA==", "+/8", "A A", "AAA=", "AA\n", "\u00e9\u00e9"],
        },
        "decimal": {"good": ["0", "1", "20777", "9223372036854775807"],
                    "bad": ["", "00", "01", "+1", "-1", " 1", "4_2", "1.0", "\u0661", "9223372036854775808"]},
    }  # fmt: skip


def files() -> dict[str, dict[str, Any]]:
    """Name → content of every file."""
    kept = seals()
    return {
        "seals.json": {"why": "HPKE seals are random: made once, kept", "seals": {k: v.hex() for k, v in kept.items()}},
        "encoding.json": encoding_file(),
        "credential.json": credential_file(kept["subject"]),
        "presentation.json": presentation_file(kept["subject"]),
        "intake.json": intake_file(kept["intake"], kept["subject"]),
        "logproof.json": LogVectors(seed).content(),
        "merkle.json": {"spec": "docs/spec/log.md", **merkle()},
        "calendar.json": calendar_file(),
        "notes.json": notes_file(),
        "time.json": time_file(),
        "toldtime.json": told_time_file(),
        "enrolment.json": enrolment_file(),
        "lists.json": lists_file(),
        "trust.json": trust_file(),
        "answers.json": {"spec": "docs/spec/scanner.md", "cases": ANSWERS},
        "closing.json": closing_file(),
        "parts.json": parts_file(),
        "ring.json": ringvectors.ring_file(kept),
    }


def render(content: dict[str, Any]) -> str:
    """The bytes on disk."""
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    for name, content in files().items():
        (HERE / name).write_text(render(content), encoding="ascii")
