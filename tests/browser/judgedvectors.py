"""Vectors that Python makes on the spot and judges itself: others' signatures, keys, days."""

from __future__ import annotations

import json
from typing import Any

from checkin.clock import Calendar
from checkin.protocol.primitives import check_signing_key, verify
from tests.browser.conftest import ROOT
from tests.vectors.material import ODD_KEYS, code_of

VECTORS = ROOT / "tests" / "vectors"


def signatures() -> list[dict[str, str]]:
    """Others' signatures, with what Python says of each."""
    speccheck = json.loads((VECTORS / "ed25519-speccheck" / "cases.json").read_text())
    cases = [("speccheck", *(case[name] for name in ("pub_key", "message", "signature"))) for case in speccheck]
    for group in json.loads((VECTORS / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]:
        key = group["publicKey"]["pk"]
        cases += [(f"wycheproof {test['tcId']}", key, test["msg"], test["sig"]) for test in group["tests"]]
    for number, case in enumerate(json.loads((VECTORS / "cctv-ed25519" / "ed25519vectors.json").read_text())):
        cases.append((f"cctv {number}", case["key"], case["msg"].encode().hex(), case["sig"]))
    return [
        {
            "name": name,
            "public": public,
            "message": message,
            "signature": signature,
            "expected": code_of(verify, *map(bytes.fromhex, (public, message, signature))),
        }
        for name, public, message, signature in cases
    ]


def keys() -> list[dict[str, str]]:
    """Encodings of points, good and odd, with what Python says of each as a key."""
    publics = {case["public"] for case in signatures()} | {odd.hex() for odd in ODD_KEYS}
    return [
        {"public": public, "expected": code_of(check_signing_key, bytes.fromhex(public))} for public in sorted(publics)
    ]


def calendars() -> list[dict[str, Any]]:
    """Days of zones that skip midnight, live through it twice, or lie far from it."""
    places = {
        "Asia/Seoul": [20777],
        "America/Sao_Paulo": [17838, 17839, 17943, 17944],  # skipped midnight in November 2018, twice in February 2019
        "Asia/Beirut": [20539, 20540],
        "Europe/Berlin": [20541, 20751, 20752],  # 25 October 2026 has 25 hours
        "Australia/Lord_Howe": [20548, 20730],  # moves by half an hour
        "Pacific/Apia": [15337, 15338, 20777],  # had no 30 December 2011
        "America/St_Johns": [20777],
        "Asia/Kathmandu": [20777],
        "Pacific/Kiritimati": [20777],
    }
    made = []
    for zone, days in places.items():
        calendar = Calendar(zone)
        for day in days:
            start = int(calendar.start(day))
            instants = [start - 1, start, start + 3599, start + 3600, start + 86399, start + 86400, start + 90000]
            made.append(
                {
                    "zone": zone,
                    "day": day,
                    "start": start,
                    "labels": calendar.hour_labels(day),
                    "instants": [{"at": instant, "day": calendar.day(instant)} for instant in instants],
                }
            )
    return made
