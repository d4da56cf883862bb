"""The EU certificate as a whole: who may sign what, at which times, and which steps still run after one failed."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from checkin.certificate import registry
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import STEPS, CertificateReport
from checkin.protocol.x509 import SignerCertificate

ARC = "1.3.6.1.4.1.1847.2021.1."
OLD_ARC = "1.3.6.1.4.1.0.1847.2021.1."
DAY = 86400


def examine(forge: SimpleNamespace, claims: Any, now: float | None = None, signer: Any = None) -> CertificateReport:
    signer = signer or forge.signer
    return registry.examine(signer.text(claims), TrustList([signer.der]), forge.NOW if now is None else now)


@pytest.mark.parametrize("arc", [ARC, OLD_ARC])
@pytest.mark.parametrize(("group", "number"), [("t", "1"), ("v", "2"), ("r", "3")])
def test_a_signer_signs_only_what_its_certificate_is_for(
    arc: str, group: str, number: str, forge: SimpleNamespace
) -> None:
    """Each usage under both spellings of the arc, against all three groups."""
    signer = forge.Signer((arc + number,))
    for other in "tvr":
        report = examine(forge, forge.claims_of(other), signer=signer)
        assert report.checks["key_usage"] is (other == group)
        assert report.to_json()["code"] == (None if other == group else "certificate_key_usage")


def test_a_signer_without_usages_signs_all_and_one_for_other_things_nothing(forge: SimpleNamespace) -> None:
    """No restriction is none; a restriction to something unknown is one."""
    for group in "tvr":
        assert examine(forge, forge.claims_of(group)).ok
        assert not examine(forge, forge.claims_of(group), signer=forge.Signer(("2.23.136.1.1.14.2",))).ok


def test_the_edges_of_validity_are_exact(forge: SimpleNamespace) -> None:
    """iat ≤ now ≤ exp, to the second and below."""
    claims = forge.claims_of("v")
    for now, valid in (
        (forge.ISSUED, True), (forge.ISSUED - 0.001, False), (forge.EXPIRES, True), (forge.EXPIRES + 0.001, False)
    ):  # fmt: skip
        report = examine(forge, claims, now)
        assert (report.ok, report.to_json()["code"]) == (valid, None if valid else "certificate_expiry")


def test_a_certificate_never_outlives_its_signer(forge: SimpleNamespace) -> None:
    """notBefore ≤ iat and exp ≤ notAfter, with one second more on either side refused."""
    signer = SignerCertificate(forge.signer.der)
    start, end = int(signer.not_before), int(signer.not_after)
    for issued, expires, valid in ((start, end, True), (start - 1, end, False), (start, end + 1, False)):
        assert examine(forge, forge.claims_of("v", {6: issued, 4: expires})).checks["expiry"] is valid


@pytest.mark.parametrize("claim", [4, 6])
@pytest.mark.parametrize("value", [None, "2021-06-01", True, [], -1, 2**63, math.nan, math.inf, -math.inf, b"1"])
def test_a_missing_or_impossible_time_is_refused_at_the_expiry(
    claim: int, value: object, forge: SimpleNamespace
) -> None:
    """Absent or no number: the rest of the certificate is still judged."""
    claims = forge.claims_of("v")
    without = {key: content for key, content in claims.items() if key != claim}
    for changed in (claims | {claim: value}, without):
        report = examine(forge, changed)
        assert (report.checks["schema"], report.checks["signature"], report.checks["expiry"]) == (True, True, False)


def test_the_content_must_be_of_exactly_one_kind(forge: SimpleNamespace) -> None:
    """Two groups, none, or an empty one."""
    good = forge.claims_of("v")[-260][1]
    test = forge.claims_of("t")[-260][1]["t"]
    for content in (good | {"t": test}, {key: good[key] for key in ("ver", "nam", "dob")}, good | {"v": []}):
        report = examine(forge, forge.claims_of("v", {-260: {1: content}}))
        assert report.checks["schema"] is False
        assert report.to_json()["code"] == "certificate_schema"
        assert report.checks["signature"] is True


@pytest.mark.parametrize(
    ("version", "valid"),
    [("1.0.0", True), ("1.0.4", True), ("1.1.0", True), ("1.2.0", True), ("1.3.9", True), ("1.99.0", True),
     ("2.0.0", False), ("0.9.0", False), ("1.3", False), ("1.3.0.1", False), ("1.٣.0", False), ("", False), (1, False),
     (None, False), ("1.3.0\n", False), ("1.99999.0", False)],
)  # fmt: skip
def test_any_version_of_the_first_major_number_is_read(version: object, valid: bool, forge: SimpleNamespace) -> None:
    """Unknown ones by the nearest schema that is not newer, or the last; a second major number is another format."""
    content = forge.claims_of("v")[-260][1] | {"ver": version}
    assert examine(forge, forge.claims_of("v", {-260: {1: content}})).checks["schema"] is valid


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({"dob": "1998"}, True),
        ({"dob": "1998-02"}, True),
        ({"dob": ""}, True),
        ({"dob": "2021-06-01"}, True),
        ({"dob": "2021-06-02"}, False),
        ({"dob": "2022"}, False),
        ({"dob": "1898-02-26"}, False),
        ({"dob": 1998}, False),
        ({"dob": None}, False),
        ({"nam": {"fnt": "X"}}, True),
        ({"nam": {"fnt": "X", "fn": "X", "gn": "", "gnt": ""}}, True),
        ({"nam": {"fnt": "X", "gn": "\U0001f600", "gnt": ""}}, False),
        ({"nam": {"fnt": "x"}}, False),
        ({"nam": {}}, False),
        ({"nam": "X"}, False),
        ({"nam": b"X"}, False),
    ],
)
def test_names_and_birth_dates_that_cannot_be_are_refused(
    changed: dict[str, object], valid: bool, forge: SimpleNamespace
) -> None:
    """A birth after the day of issue; a name without its transliteration; other forms."""
    content = forge.claims_of("v")[-260][1] | changed
    assert examine(forge, forge.claims_of("v", {-260: {1: content}})).checks["schema"] is valid


def test_a_forged_signature_of_a_known_signer_is_refused_and_proves_nothing(forge: SimpleNamespace) -> None:
    """Someone else signs under our signer's key id: the later steps are shown, the status is not."""
    thief = forge.Signer()
    thief.kid = forge.signer.kid
    report = registry.examine(thief.text(forge.claims_of("v")), TrustList([forge.signer.der]), forge.NOW).to_json()
    assert report["checks"] == dict.fromkeys(STEPS, True) | {"signature": False}
    assert (report["ok"], report["status"], report["code"]) == (False, None, "certificate_signature")


def test_the_first_failing_step_names_the_error(forge: SimpleNamespace) -> None:
    """Everything wrong at once: the code is that of the first."""
    signer = forge.Signer((ARC + "1",))
    report = examine(forge, forge.claims_of("v", co=""), now=0.0, signer=signer).to_json()
    assert report["code"] == "certificate_schema"
    assert [name for name, outcome in report["checks"].items() if outcome is False] == ["schema", "key_usage", "expiry"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "HC2:6BF", "hc1:6BF", " HC1:6BF", "shc:/56", "HC1", "CK1:00", "\0", "HC1\n:"])
def test_any_other_text_fails_at_the_prefix_and_nothing_else_runs(text: str, forge: SimpleNamespace) -> None:
    """The eight checks are always there, in their order."""
    report = registry.examine(text, TrustList([forge.signer.der]), forge.NOW).to_json()
    assert report["checks"] == dict.fromkeys(STEPS) | {"prefix": False}
    assert list(report["checks"]) == list(STEPS)
    assert report["code"] == "certificate_prefix"


def test_line_ends_around_a_text_do_not_count_and_blanks_do(forge: SimpleNamespace) -> None:
    """A blank is a character of base45; a line end comes from a file."""
    text, trust = forge.signer.text(forge.claims_of("v")), TrustList([forge.signer.der])
    assert registry.examine(f"\r\n{text}\r\n", trust, forge.NOW).ok
    assert not registry.examine(f"{text} ", trust, forge.NOW).ok
