"""Every step of every case of the EU's test data, against what its makers expected.

Where we differ on purpose, `known_differences.json` says why; an entry that no longer differs fails its test.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest

from checkin.certificate import cbor, cose, eu, registry, schema
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import CertificateReport
from checkin.errors import CheckinError, PictureUnreadable
from checkin.protocol.encoding import base45_encode
from checkin.protocol.qr import read_image

Case = dict[str, Any]
Outcome = bool | None  # None: the step was not reached, or the case has nothing to run it on

DIFFERENCES = json.loads((Path(__file__).parent / "known_differences.json").read_text("utf-8"))["differences"]
KNOWN = {
    (name, group["step"]): (group["expected"], group["outcome"]) for group in DIFFERENCES for name in group["cases"]
}


def examine(case: Case) -> CertificateReport:
    """The whole way from the text of the code, at the time and with the one signer that the case names."""
    clock = datetime.fromisoformat(case["TESTCTX"]["VALIDATIONCLOCK"])
    now = (clock if clock.tzinfo else clock.replace(tzinfo=UTC)).timestamp()
    return registry.examine(case["PREFIX"], TrustList.parse(case["TESTCTX"]["CERTIFICATE"].encode()), now)


def check(name: str) -> Callable[[Case], Outcome]:
    return lambda case: examine(case).checks[name]


def unprefix(case: Case) -> Outcome:
    return bool(examine(case).checks["prefix"]) and case["PREFIX"] == "HC1:" + case.get("BASE45", case["PREFIX"][4:])


def base45(case: Case) -> Outcome:
    data = eu.text_to_bytes(case.get("BASE45", case["PREFIX"][4:]))
    return "COMPRESSED" not in case or data.hex() == case["COMPRESSED"].lower()


def compression(case: Case) -> Outcome:
    packed = case.get("COMPRESSED") or eu.text_to_bytes(case["PREFIX"][4:]).hex()
    message = eu.decompress(bytes.fromhex(packed))
    return "COSE" not in case or message.hex() == case["COSE"].lower()


def message_of(case: Case) -> bytes:
    if "COSE" in case:
        return bytes.fromhex(case["COSE"])
    return eu.decompress(eu.text_to_bytes(case["PREFIX"].removeprefix("HC1:")))


def content_of(data: str) -> cbor.Value:
    """The certificate in a CBOR field: some cases put the claims around it."""
    value = cbor.plain(cbor.read(bytes.fromhex(data)))
    return schema.certificate_in(value) if isinstance(value, dict) and -260 in value else value


def decode(case: Case) -> Outcome:
    content = schema.certificate_in(cose.read(message_of(case)).claims)
    return all(
        content == other
        for field, other in (
            ("CBOR", content_of(case["CBOR"]) if "CBOR" in case else None),
            ("JSON", case.get("JSON")),
        )
        if field in case
    )


def valid_json(case: Case) -> Outcome:
    return bool(content_of(case["CBOR"]) == case["JSON"])


def valid_object(case: Case) -> Outcome:
    schema.check(case["JSON"])
    return True


def encode(case: Case) -> Outcome:
    same = cbor.read(cbor2.dumps(case["JSON"])) == content_of(case["CBOR"])
    packed = bytes.fromhex(case["COMPRESSED"]) if "COMPRESSED" in case else eu.text_to_bytes(case["BASE45"])
    return same and "HC1:" + base45_encode(packed) == case["PREFIX"]


def picture(case: Case) -> Outcome:
    if "2DCODE" not in case:
        return None
    try:
        return read_image(base64.b64decode(case["2DCODE"])) == [case["PREFIX"]]
    except PictureUnreadable:
        return False


STEPS: dict[str, Callable[[Case], Outcome]] = {
    "EXPECTEDPICTUREDECODE": picture,
    "EXPECTEDUNPREFIX": unprefix,
    "EXPECTEDB45DECODE": base45,
    "EXPECTEDCOMPRESSION": compression,
    "EXPECTEDDECODE": decode,
    "EXPECTEDVALIDJSON": valid_json,
    "EXPECTEDVALIDOBJECT": valid_object,
    "EXPECTEDENCODE": encode,
    "EXPECTEDSCHEMAVALIDATION": check("schema"),
    "EXPECTEDVERIFY": check("signature"),
    "EXPECTEDKEYUSAGE": check("key_usage"),
    "EXPECTEDEXPIRATIONCHECK": check("expiry"),
    "EXPTECTEDEXPIRED": lambda case: examine(case).checks["expiry"] is False,  # so spelt in four cases
}


def outcome_of(step: str, case: Case) -> Outcome:
    try:
        return STEPS[step](case)
    except (CheckinError, ValueError, KeyError):
        return False


def test_the_corpus_is_all_there(cases: dict[str, Case]) -> None:
    """244 cases of 16 countries and `common`; a test over an empty folder would prove nothing."""
    assert len(cases) == 244
    assert len({name.split("/")[0] for name in cases}) == 17
    assert sum(len(case["EXPECTEDRESULTS"]) for case in cases.values()) == 2206


def test_every_step_answers_as_its_makers_expected_or_the_difference_is_explained(case: Case) -> None:
    """Each flag of the case; a difference counts as explained only with exactly the outcome written down."""
    for step, expected in case["EXPECTEDRESULTS"].items():
        outcome = outcome_of(step, case)
        if (case["NAME"], step) in KNOWN:
            assert KNOWN[case["NAME"], step] == (expected, outcome), f"{step}: the table is out of date"
            assert outcome is not expected, f"{step}: no longer differs, take it from the table"
        else:
            assert outcome is expected, step


# Flags that are checks of the report too: there the whole way is taken from the code's text.
CHECKS = {
    "EXPECTEDUNPREFIX": "prefix",
    "EXPECTEDB45DECODE": "base45",
    "EXPECTEDCOMPRESSION": "compression",
    "EXPECTEDDECODE": "cose",
}


def test_the_report_from_the_text_alone_says_the_same(case: Case) -> None:
    """The first four checks of the report agree with the flags without a single exception."""
    checks = examine(case).checks
    for flag, name in CHECKS.items():
        if flag in case["EXPECTEDRESULTS"]:
            assert checks[name] is case["EXPECTEDRESULTS"][flag]


def test_no_difference_is_explained_that_no_case_has(cases: dict[str, Case]) -> None:
    """A table entry names a case and a flag that exist, and gives a reason."""
    for group in DIFFERENCES:
        assert len(group["reason"]) > 40
        for name in group["cases"]:
            assert group["step"] in cases[name]["EXPECTEDRESULTS"], (name, group["step"])


def test_the_specification_explains_every_group_of_differences() -> None:
    """docs/spec/certificate.md §5 has a line for each group, with its number of cases."""
    text = (Path(__file__).parents[3] / "docs" / "spec" / "certificate.md").read_text("utf-8")
    for group in DIFFERENCES:
        line = f"| `{group['step']}` | {len(group['cases'])} | {group['reason']} |"
        assert line in text, line


@pytest.mark.parametrize("name", ["AT/2", "CH/1", "common/CO1", "common/CO19", "SK/5"])
def test_another_certificate_as_trust_fails_at_the_signature_and_not_before(name: str, cases: dict[str, Case]) -> None:
    """A verifier that trusts somebody else reads the certificate and does not believe it."""
    case, other = cases[name], cases["DE/1"]
    trust = TrustList.parse(other["TESTCTX"]["CERTIFICATE"].encode())
    report = registry.examine(case["PREFIX"], trust, datetime(2021, 6, 1, tzinfo=UTC).timestamp())
    assert report.to_json() == {
        "ok": False,
        "checks": {
            "prefix": True, "base45": True, "compression": True, "cose": True, "schema": True,
            "signature": False, "key_usage": None, "expiry": None,
        },
        "status": None, "valid_from": None, "valid_until": None, "code": "certificate_signature",
    }  # fmt: skip
