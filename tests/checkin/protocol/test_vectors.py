"""The project's own vectors, judged by its Python implementation; the pages' modules are judged by the same files."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin import errors
from checkin.clock import DATES, Calendar
from checkin.errors import AlreadyUsed, CheckinError, TokenError
from checkin.protocol import credential as credentials
from checkin.protocol import intake, presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, StatusOpening
from checkin.protocol.encoding import (
    b64url_decode,
    b64url_encode,
    base45_decode,
    base45_encode,
    decimal_decode,
)
from checkin.protocol.presentation import Presentation
from checkin.protocol.primitives import Label, OpeningKey, SigningKey
from checkin.tlog.checkpoint import CosignatureVerifier, cosignatures
from checkin.tlog.proof import LogProof, PinnedLog

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name: str) -> Any:
    """A vector file's content."""
    return json.loads((VECTORS / name).read_text(encoding="ascii"))


PRESENTATION = load("presentation.json")
CALENDAR = Calendar(PRESENTATION["zone"])
LOG = load("logproof.json")


def keys_of(day: int) -> IssuerKeys:
    """The keys that the vectors' issuer listed."""
    listed = [key for key in PRESENTATION["issuer_keys"] if key["day"] == day]
    return IssuerKeys(*(IssuerKey(key["issuer"], bytes.fromhex(key["public"])) for key in listed))


def judge(case: dict[str, Any]) -> Presentation:
    """What a door says."""
    return presentation.verify(case["text"], case["now"], CALENDAR, keys_of, case["rule"])


def verdict(case: dict[str, Any], judge: Callable[[dict[str, Any]], object] = judge) -> str:
    """`ok` or the error's code."""
    try:
        judge(case)
    except CheckinError as error:
        return error.code
    return "ok"


def test_making_the_vectors_again_changes_nothing() -> None:
    """Whoever reruns the script leaves a clean checkout."""
    make = runpy.run_path(str(VECTORS / "make.py"))
    files = make["files"]()
    assert set(files) == {path.name for path in VECTORS.glob("*.json")}
    for name, content in files.items():
        assert (VECTORS / name).read_text(encoding="ascii") == make["render"](content), name


@pytest.mark.parametrize("case", PRESENTATION["cases"], ids=lambda case: case["name"])
def test_a_door_answers_each_vector_with_its_expected_code(case: dict[str, Any]) -> None:
    """Each bad code is refused with the one code the specification names."""
    assert verdict(case) == case["expected"]


def test_every_check_at_the_door_has_a_vector() -> None:
    """No check of the protocol is without a code that it alone refuses."""
    judged = {case["expected"] for case in PRESENTATION["cases"]}
    judged |= {scan["expected"] for sequence in PRESENTATION["sequences"] for scan in sequence["scans"]}
    door = {cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, TokenError)}
    assert door - {TokenError.code} <= judged
    assert len(PRESENTATION["cases"]) >= 60


@pytest.mark.parametrize("sequence", PRESENTATION["sequences"], ids=lambda sequence: sequence["name"])
def test_a_scanner_with_a_memory_answers_a_sequence(sequence: dict[str, Any]) -> None:
    """A second use within the window is told from a first one, whatever the signature's second."""
    seen: set[bytes] = set()
    answers = []
    for scan in sequence["scans"]:
        try:
            visit = judge(scan).credential.visit_id
            if visit in seen:
                raise AlreadyUsed
            seen.add(visit)
            answers.append("ok")
        except CheckinError as error:
            answers.append(error.code)
    assert answers == [scan["expected"] for scan in sequence["scans"]]


def good_texts() -> Iterator[str]:
    """Every text that some door accepts."""
    yield from {case["text"] for case in PRESENTATION["cases"] if case["expected"] == "ok"}


def test_an_accepted_code_reencodes_to_itself() -> None:
    """One code, one spelling: no second text stands for the same token."""
    texts = list(good_texts())
    assert len(texts) >= 4
    for text in texts:
        assert presentation.to_text(presentation.from_text(text)) == text


def test_a_credential_that_nobody_verified_is_of_no_issuer() -> None:
    """Its bytes do not say whose it is; only a listed key does."""
    encoded = bytes.fromhex(load("credential.json")["credential"])
    assert credentials.read(encoded).issuer == 0


def test_a_credential_is_made_of_the_values_the_specification_shows() -> None:
    """Another implementation can compare every intermediate value."""
    v = load("credential.json")
    raw = {name: bytes.fromhex(value) for name, value in v.items() if isinstance(value, str) and name != "spec"}
    assert IssuerKey(v["issuer"], SigningKey(raw["issuer_seed"]).public).kid == raw["kid"]
    assert credentials.visit_context(v["issuer"], v["day"], raw["visit_id"]) == raw["context"]
    inner = OpeningKey(raw["authority_private"]).open(raw["sealed_subject"], Label.SUBJECT + raw["context"])
    assert inner == raw["inner"]
    assert credentials.open_inner(raw["seal_key"], inner, raw["context"]) == v["subject"]
    opening = StatusOpening(credentials.Status(v["status"]), raw["salt"])
    assert opening.commitment == raw["commitment"]
    holder = SigningKey(raw["holder_seed"])
    assert presentation.present(raw["credential"], holder, v["iat"]) == raw["token"]
    assert presentation.present(raw["credential"], holder, v["iat"], opening) == raw["token_with_status"]
    assert (len(raw["credential"]), len(raw["token"]), len(raw["token_with_status"])) == (227, 309, 333)


@pytest.mark.parametrize("case", load("intake.json")["cases"], ids=lambda case: case["name"])
def test_a_queued_scan_opens_only_where_it_belongs(case: dict[str, Any]) -> None:
    """An entry moved to another scanner, venue or day tells nothing."""
    v = load("intake.json")
    place = intake.Place(bytes.fromhex(case["venue"]), bytes.fromhex(case["scanner"]))
    try:
        scan = intake.open_entry(bytes.fromhex(case["entry"]), place, OpeningKey(bytes.fromhex(v["intake_private"])))
    except CheckinError as error:
        assert error.code == case["expected"]
    else:
        assert case["expected"] == "ok"
        assert {"scanned_at": scan.scanned_at, "scan_id": scan.scan_id.hex(), "token": scan.token.hex()} == v["scan"]


def test_text_encodings_have_one_spelling_each() -> None:
    """Lax base45, padded base64 and clever numbers are refused."""
    v = load("encoding.json")
    for item in v["base45"]["good"]:
        assert base45_encode(bytes.fromhex(item["bytes"])) == item["text"]
        assert base45_decode(item["text"]).hex() == item["bytes"]
    for text in v["base45"]["bad"]:
        with pytest.raises(errors.TokenMalformed):
            base45_decode(text)
    for item in v["base64url"]["good"]:
        assert b64url_encode(bytes.fromhex(item["bytes"])) == item["text"]
        assert b64url_decode(item["text"]).hex() == item["bytes"]
    for text in v["base64url"]["bad"]:
        with pytest.raises(ValueError, match="base64url"):
            b64url_decode(text)
    for text in v["decimal"]["good"]:
        assert str(decimal_decode(text)) == text
    for text in v["decimal"]["bad"]:
        with pytest.raises(ValueError, match="decimal"):
            decimal_decode(text)


@pytest.mark.parametrize("case", load("calendar.json")["cases"], ids=lambda case: f"{case['zone']} {case['day']}")
def test_a_day_is_where_its_zone_has_it(case: dict[str, Any]) -> None:
    """Also one that begins after midnight, has 25 hours, or was left out."""
    calendar = Calendar(case["zone"])
    assert (calendar.start(case["day"]), calendar.hour_labels(case["day"])) == (case["start"], case["labels"])
    assert [calendar.day(moment["at"]) for moment in case["instants"]] == [one["day"] for one in case["instants"]]


def test_a_date_has_one_spelling() -> None:
    """No other is read, and none of a day that there is not."""
    dates = load("calendar.json")["dates"]
    for item in dates["good"]:
        assert (DATES.date(item["day"]), DATES.parse_date(item["text"])) == (item["text"], item["day"])
    for text in dates["bad"]:
        with pytest.raises(ValueError):
            DATES.parse_date(text)


def witnesses(case: dict[str, Any]) -> list[CosignatureVerifier]:
    """Those that whoever judges the case has pinned."""
    return [CosignatureVerifier.parse(vkey) for vkey in case["witnesses"]]


def proved(case: dict[str, Any]) -> None:
    """Raises what somebody raises who is shown the proof with the entry."""
    log = PinnedLog.of(case["log"], case["witnesses"], case["quorum"])
    LogProof.read(case["proof"]).verify(bytes.fromhex(case["entry"]), log)


def cosigned(case: dict[str, Any]) -> dict[str, str]:
    """When each witness saw the head."""
    return {name: str(when) for name, when in cosignatures(case["note"], witnesses(case)).items()}


@pytest.mark.parametrize("case", LOG["proofs"], ids=lambda case: case["name"])
def test_a_proof_convinces_or_is_refused_with_its_one_code(case: dict[str, Any]) -> None:
    """Whoever pinned the log and its witnesses believes no other place, head, key or text."""
    assert verdict(case, proved) == case["expected"]


@pytest.mark.parametrize("case", LOG["cosignatures"], ids=lambda case: case["name"])
def test_a_head_tells_which_witnesses_saw_it_and_when(case: dict[str, Any]) -> None:
    """Strangers are passed over; one bad line of a known witness refuses the whole head."""
    assert verdict(case, cosigned) == case["expected"]
    if case["expected"] == "ok":
        assert cosigned(case) == case["times"]


def test_an_altered_expectation_is_noticed() -> None:
    """A vector whose expected error was changed disagrees with the code, for every single vector."""
    judged = [(PRESENTATION["cases"], judge), (LOG["proofs"], proved), (LOG["cosignatures"], cosigned)]
    for cases, work in judged:
        codes = {case["expected"] for case in cases}
        for case in cases:
            assert [code for code in codes if code == verdict(case, work)] == [case["expected"]], case["name"]


def test_proofs_and_cosignatures_have_good_and_bad_cases_of_every_code() -> None:
    """Whoever refuses everything, or believes everything signed, disagrees with some."""
    assert {case["expected"] for case in LOG["proofs"]} == {"ok", "note_malformed", "note_untrusted", "proof_invalid"}
    assert {case["expected"] for case in LOG["cosignatures"]} == {"ok", "note_malformed", "note_untrusted"}
    assert len(LOG["proofs"]) >= 60
