"""Whatever is sent to any route, the answer is one that the API's description announces, and never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.protocol import credential, presentation
from checkin.protocol.encoding import b64url_encode, base45_encode
from checkin.protocol.presentation import EARLY_SECONDS, LIFE_SECONDS
from tests.examples import examples
from tests.support.registry_service import (
    ENROLMENT,
    METRICS,
    RETENTION,
    Issuer,
    Phone,
    Registry,
    check_in,
    enrol,
    intake_keys,
    sealed,
    upload,
)
from tests.support.service_folder import DAY, NOON, bearer
from tests.venue.conftest import Scene, verifier
from tests.venue.test_roles import ROWS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One registry for all examples."""
    issuer = Issuer(1)
    issuer.list_days(DAY, DAY + 1)
    registry = Registry(tmp_path_factory.mktemp("fuzz") / "registry", [issuer])
    with registry.client() as client:
        at = enrol(client)
        yield Scene(registry, client, issuer, at, intake_keys(client, at, verifier(client, at)))
    issuer.stop()


@pytest.fixture(scope="module")
def described(scene: Scene) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Route → status → codes, as /openapi.json has them; "" for an answer that is no problem."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for path, operations in scene.client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            statuses = found.setdefault((method.upper(), path), {})
            for status, response in operation["responses"].items():
                problem = response.get("content", {}).get("application/problem+json")
                statuses[status] = set(problem["schema"]["allOf"][1]["properties"]["code"]["enum"]) if problem else {""}
    return found


def check(answer: httpx.Response, announced: dict[str, set[str]]) -> str:
    """The code of the answer, which was announced and is not ours to be ashamed of."""
    assert answer.status_code < 500, answer.text
    assert str(answer.status_code) in announced, answer.text
    if answer.status_code < 300:
        return ""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["code"] in announced[str(answer.status_code)]
    return str(problem["code"])


TOKENS = {"enrolment": ENROLMENT, "retention": RETENTION, "metrics": METRICS, "authority": "x"}


@examples(60)
@given(body=JSON | st.binary(max_size=200), role=st.sampled_from(["", "right", "wrong"]))
def test_any_body_at_any_route(
    scene: Scene, described: dict[tuple[str, str], dict[str, set[str]]], body: Any, role: str
) -> None:
    for row in ROWS:
        if row.method == "DELETE" or row.path.endswith("operator-token"):
            continue  # they would take away the venue of the other examples
        own = {"operator": scene.at.operator, "scanner": scene.at.scanner} | TOKENS
        token = {"": None, "right": own[row.role], "wrong": "garbage"}[role]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = row.path.format(venue_id=scene.at.venue_id, scanner_id=scene.at.scanner_id)
        headers = {"Content-Type": "application/json"} | (bearer(token) if token else {})
        answer = scene.client.request(row.method, path, content=content, headers=headers)
        check(answer, described[row.method, row.path])


# What generators seldom find: lone surrogates, depth, huge numbers, another encoding, doubled members, NaN.
NASTY = [
    b'{"name":"\\ud800","category":"x"}',
    b'{"sealed":["\\udfff"]}',
    b'{"token":"CK1:\\ud800","scan_id":"\\ud800"}',
    b'{"label":"\\ud83d"}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"capacity":1e999,"name":"x","category":"x"}',
    b'{"capacity":' + b"9" * 5000 + b"}",
    b'{"accepted":[NaN]}',
    '{"label":"x"}'.encode("utf-16"),
    b"\xef\xbb\xbf{}",
    b'{"label":"a","label":"b","label":1}',
    b"\x00",
    b"",
]


def test_nasty_bodies_at_every_route(scene: Scene, described: dict[tuple[str, str], dict[str, set[str]]]) -> None:
    for row in ROWS:
        if row.method == "DELETE" or row.path.endswith("operator-token"):
            continue
        own = {"operator": scene.at.operator, "scanner": scene.at.scanner} | TOKENS
        path = row.path.format(venue_id=scene.at.venue_id, scanner_id=scene.at.scanner_id)
        for body in NASTY:
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                headers = {"Content-Type": kind} | bearer(own[row.role])
                answer = scene.client.request(row.method, path, content=body, headers=headers)
                check(answer, described[row.method, row.path])


PIECES = st.text(st.characters(exclude_characters="/?#%\\", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@examples(60)
@given(venue=PIECES, scanner=PIECES, nonce=st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
def test_any_id_in_a_path_and_any_nonce(
    scene: Scene, described: dict[tuple[str, str], dict[str, set[str]]], venue: str, scanner: str, nonce: str
) -> None:
    for row in ROWS:
        if "{" not in row.path or {venue, scanner} & {".", ".."}:
            continue
        path = row.path.format(venue_id=venue, scanner_id=scanner)
        token = {"enrolment": ENROLMENT, "operator": scene.at.operator}[row.role]
        answer = scene.client.request(row.method, path, json={"label": "x", "accepted": []}, headers=bearer(token))
        check(answer, described[row.method, row.path])
    for path, headers in (("/v1/trust", bearer(scene.at.scanner)), ("/v1/time", {})):
        answer = scene.client.get(path, params={"nonce": nonce}, headers=headers)
        check(answer, described["GET", path])


def changed(data: st.DataObject, original: bytes) -> bytes:
    """The bytes of a code with up to three of them changed; two changes may undo each other."""
    token = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        token[data.draw(st.integers(0, len(token) - 1))] ^= data.draw(st.integers(0, 255))
    return bytes(token)


@examples(150)
@given(data=st.data(), moment=st.integers(NOON - LIFE_SECONDS, NOON + EARLY_SECONDS))
def test_a_code_that_was_changed_anywhere_is_refused_and_never_with_an_error_of_ours(
    scene: Scene, described: dict[tuple[str, str], dict[str, set[str]]], data: st.DataObject, moment: int
) -> None:
    original = Phone(scene.issuer, DAY).bytes_at(moment)
    token = changed(data, original)
    answer = check_in(scene.client, scene.at, "CK1:" + base45_encode(token))
    if token == original:
        assert answer.status_code == 201, answer.text
    else:
        assert answer.status_code >= 400, answer.text
        assert check(answer, described["POST", "/v1/check-ins"]) != "already_used"


def test_control_without_its_signatures_a_changed_code_is_accepted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the signatures that refuse it: both are needed for what they sign."""
    original = Phone(scene.issuer, DAY).bytes_at(NOON)
    at = original.index(credential.read(presentation.read(original).credential.encoded).visit_id)
    token = original[:at] + bytes([original[at] ^ 1]) + original[at + 1 :]
    text = "CK1:" + base45_encode(token)
    assert check_in(scene.client, scene.at, text).json()["code"] == "bad_signature"
    for module, name in ((presentation, "verify_signature"), (credential, "verify")):
        monkeypatch.setattr(module, name, lambda *_: None)
    assert check_in(scene.client, scene.at, text).status_code == 201


@examples(100)
@given(text=st.text(max_size=600), scan=st.text(max_size=30))
def test_any_text_as_a_code_and_as_a_scan_id(
    scene: Scene, described: dict[tuple[str, str], dict[str, set[str]]], text: str, scan: str
) -> None:
    for token, scan_id in ((text, "A" * 22), ("CK1:" + text, "A" * 22), (Phone(scene.issuer, DAY).at(NOON), scan)):
        body = json.dumps({"token": token, "scan_id": scan_id}).encode()
        answer = scene.client.post("/v1/check-ins", content=body, headers=bearer(scene.at.scanner))
        check(answer, described["POST", "/v1/check-ins"])


DOCUMENTED = {
    "accepted",
    "repeated",
    "conflict",
    "undecided",
    "entry_unreadable",
    "token_malformed",
    "scan_time_invalid",
    "scan_too_old",
    "wrong_day",
    "unknown_issuer_key",
    "bad_signature",
    "day_closed",
    "day_destroyed",
}


@examples(60)
@given(data=st.data())
def test_any_entries_in_a_batch_get_a_documented_result_each_and_a_good_one_among_them_is_accepted(
    scene: Scene, data: st.DataObject
) -> None:
    junk = data.draw(st.lists(st.text(max_size=520) | st.binary(max_size=400).map(b64url_encode), max_size=5))
    entries = [(entry, False) for entry in junk]
    for _ in range(data.draw(st.integers(0, 3))):
        original = Phone(scene.issuer, DAY).bytes_at(NOON)
        token = changed(data, original)
        moment = data.draw(st.just(NOON) | st.integers(NOON + 60, 2**32 - 1))
        entries.append((sealed(scene.at, scene.intake, token, moment, day=DAY), token == original and moment == NOON))
    place = data.draw(st.integers(0, len(entries)))
    good = sealed(scene.at, scene.intake, Phone(scene.issuer, DAY).bytes_at(NOON), NOON)
    entries.insert(place, (good, True))
    results = upload(scene.client, scene.at, [entry for entry, _ in entries])
    assert len(results) == len(entries)
    assert [result == "accepted" for result in results] == [genuine for _, genuine in entries]
    assert set(results) <= DOCUMENTED
