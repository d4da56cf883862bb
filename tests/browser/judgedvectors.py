"""Vectors that Python makes on the spot and judges itself: others' signatures, and keys."""

from __future__ import annotations

import json

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
