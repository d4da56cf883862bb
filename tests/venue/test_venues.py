"""Enrolment: names that are fit to be shown, tokens that are kept as hashes, rules that scanners hear of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.files.tables import SqliteTables
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.service.auth import token_hash
from tests.support.counts_server import CountsServer
from tests.support.registry_service import Enrolled, Issuer, Registry, check_in, enrol, intake_keys
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.venue.conftest import NewIssuer, Scene, verifier
from venue import scanners, venues
from venue.database import REGISTRY


@pytest.fixture(scope="module")
def scene_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A registry for many tests, none of which minds what another left behind."""
    issuer = Issuer(1)
    issuer.list_days(DAY, DAY + 1)
    registry = Registry(tmp_path_factory.mktemp("venues") / "registry", [issuer])
    with registry.client() as client:
        at = enrol(client)
        yield Scene(registry, client, issuer, at, intake_keys(client, at, verifier(client, at)))
    issuer.stop()


def enrol_as(scene: Scene, header: dict[str, str], **members: Any) -> int:
    """The status."""
    body = {"name": "Cafe", "category": "cafe"} | members
    return scene.client.post("/v1/venues", json=body, headers=header).status_code


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+82",
        "-1",
        "@SUM(A1)",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "\t=1",
        "a\tb",
        "a\nb",
        "a\rb",
        "a\x00b",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
        "\ufeffa",
        "\u3164",
        "\u115f",
        "\uffa0",
        "\u1160x",
        "\u3164=cmd",
        "x\u2800",
        "\ufe0f=cmd",
        " a",
        "a ",
        "",
        "   ",
        "x" * 81,
        1,
        None,
        ["a"],
    ],
)
def test_a_name_that_could_run_in_a_spreadsheet_or_hide_something_is_refused(
    scene_once: Scene, enrolment: dict[str, str], name: Any
) -> None:
    assert enrol_as(scene_once, enrolment, name=name) == 422
    assert enrol_as(scene_once, enrolment, category=name) == 422
    path = f"/v1/venues/{scene_once.at.venue_id}/scanners"
    answer = scene_once.client.post(path, json={"label": name}, headers=bearer(scene_once.at.operator))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


ORDINARY = ["Café 7", "국립중앙도서관", "7-Eleven", "A&B (2F)", "R=1", "喫茶店", "O'Neill's", "x" * 80]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_of_all_languages_are_taken(scene_once: Scene, enrolment: dict[str, str], name: str) -> None:
    assert enrol_as(scene_once, enrolment, name=name, category=name, capacity=40) == 201


def test_a_name_is_kept_in_one_spelling(scene_once: Scene) -> None:
    """A Mac sends 카페 in pieces (NFD)."""
    at = enrol(scene_once.client, "\u110f\u1161\u1111\u1166")
    trust = scene_once.client.get("/v1/trust", headers=bearer(at.scanner)).json()
    assert trust["venue"] == {"id": at.venue_id, "name": "\uce74\ud398"}


@pytest.mark.parametrize("capacity", [0, -1, 1_000_001, "40", 1.5, True])
def test_a_capacity_is_a_number_of_people(scene_once: Scene, enrolment: dict[str, str], capacity: Any) -> None:
    assert enrol_as(scene_once, enrolment, capacity=capacity) == 422


def test_an_unknown_member_is_refused_and_the_answer_does_not_repeat_what_was_sent(
    scene_once: Scene, enrolment: dict[str, str]
) -> None:
    body = {"name": "Cafe", "category": "cafe", "phone": "010-1234-5678"}
    answer = scene_once.client.post("/v1/venues", json=body, headers=enrolment)
    assert answer.status_code == 422
    assert "1234" not in answer.text


def test_tokens_are_kept_as_hashes_only(scene: Scene) -> None:
    for path in (scene.registry.folder / "data").glob("venue.db*"):
        content = path.read_bytes()
        assert scene.at.operator.encode() not in content
        assert scene.at.scanner.encode() not in content
    with closing(sqlite3.connect(scene.registry.folder / "data" / "venue.db")) as database:
        [(kept,)] = database.execute("SELECT token_sha256 FROM scanners")
    assert kept == token_hash(scene.at.scanner)


def test_tokens_and_ids_are_random_and_of_the_documented_sizes(scene: Scene) -> None:
    other = scene.venue()
    assert {len(token) for token in (other.operator, other.scanner)} == {43}
    assert {len(identifier) for identifier in (other.venue_id, other.scanner_id)} == {16}
    assert len({other.operator, other.scanner, scene.at.operator, scene.at.scanner}) == 4


def test_an_operator_sees_his_scanners_and_revokes_one_which_is_out_at_once(scene: Scene) -> None:
    path, headers = f"/v1/venues/{scene.at.venue_id}/scanners", bearer(scene.at.operator)
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    scanner = {"scanner_id": scene.at.scanner_id, "label": "door", "last_seen": None, "waiting": None}
    assert scene.client.get(path, headers=headers).json() == {"scanners": [scanner | {"revoked": False}]}
    for _ in range(2):
        assert scene.client.delete(f"{path}/{scene.at.scanner_id}", headers=headers).status_code == 204
    assert scene.client.get(path, headers=headers).json() == {"scanners": [scanner | {"revoked": True}]}
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 401
    assert scene.client.get("/v1/trust", headers=bearer(scene.at.scanner)).status_code == 401


def test_an_operator_cannot_revoke_another_venues_scanner(scene: Scene) -> None:
    other = scene.venue()
    path = f"/v1/venues/{scene.at.venue_id}/scanners/{other.scanner_id}"
    assert scene.client.delete(path, headers=bearer(scene.at.operator)).status_code == 404
    assert check_in(scene.client, other, scene.phone().at(NOON)).status_code == 201


def test_a_closed_venue_takes_no_more_check_ins_and_keeps_its_visits(scene: Scene, enrolment: dict[str, str]) -> None:
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    path = f"/v1/venues/{scene.at.venue_id}"
    assert [scene.client.delete(path, headers=enrolment).status_code for _ in range(2)] == [204, 404]
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 401
    assert (scene.registry.folder / "data" / "visits").glob("day-*.db")


def test_a_venue_has_a_bounded_number_of_scanners(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "MAX_SCANNERS", 1)
    answer = scene.client.post(
        f"/v1/venues/{scene.at.venue_id}/scanners", json={"label": "back"}, headers=bearer(scene.at.operator)
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_scanners_hear_of_the_venues_rule_and_of_the_time_signed_if_they_ask(scene: Scene) -> None:
    path, headers = f"/v1/venues/{scene.at.venue_id}/status-rule", bearer(scene.at.operator)
    assert scene.client.put(path, json={"accepted": [3, 1, 1]}, headers=headers).json() == {"accepted": [1, 3]}
    plain = scene.client.get("/v1/trust", headers=bearer(scene.at.scanner)).json()
    assert (plain["status_rule"], plain["zone"], plain["time"]) == ([1, 3], "Asia/Seoul", CALENDAR.rfc3339(NOON))
    assert "time_note" not in plain
    nonce = "0123456789abcdef"
    asked = scene.client.get(f"/v1/trust?nonce={nonce}", headers=bearer(scene.at.scanner)).json()
    opened = open_note(asked["time_note"], [NoteVerifier.parse(plain["registry"]["vkey"])])
    values = TIME_STATEMENT.read(opened.text)
    assert (values["nonce"], values["time"], values["clock"]) == (nonce, plain["time"], "simulated")


@pytest.mark.parametrize("accepted", [[0], [4], [-1], ["1"], [1.0], [True], [1, 2, 3, 1], None, 1, {}])
def test_a_rule_of_no_status_is_refused(scene_once: Scene, accepted: Any) -> None:
    path = f"/v1/venues/{scene_once.at.venue_id}/status-rule"
    answer = scene_once.client.put(path, json={"accepted": accepted}, headers=bearer(scene_once.at.operator))
    assert answer.status_code == 422


def test_the_same_rule_again_empties_nobodys_memory(scene: Scene) -> None:
    """An operator who sets his rule in a loop does not make every worker read every scanner anew at each check-in."""
    path, headers = f"/v1/venues/{scene.at.venue_id}/status-rule", bearer(scene.at.operator)
    watch = SqliteTables(scene.registry.folder / "data", REGISTRY)
    try:
        before = watch.look()
        assert scene.client.put(path, json={"accepted": [1]}, headers=headers).status_code == 200
        changed = watch.look()
        for _ in range(3):
            assert scene.client.put(path, json={"accepted": [1, 1]}, headers=headers).json() == {"accepted": [1]}
        assert before != changed == watch.look()
    finally:
        watch.close()


def throttles(client: httpx.Client) -> list[str]:
    """What /readyz says of them."""
    found = client.get("/readyz").json()["findings"]
    return [finding["level"] for finding in found if finding["name"].startswith("throttles")]


def test_changes_at_two_workers_that_count_at_one_server_are_bounded_together(
    tmp_path: Path, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch, counts_server: CountsServer
) -> None:
    monkeypatch.setattr(venues, "CHANGES_A_MINUTE", 3)
    registry = Registry(tmp_path / "registry", [new_issuer()], throttles_dsn_file=str(counts_server.dsn_file))
    with registry.client() as here, registry.client() as there:
        at = enrol(here)  # its first scanner is a change, too
        path, headers = f"/v1/venues/{at.venue_id}/capacity", bearer(at.operator)
        told = [one.put(path, json={"capacity": 5}, headers=headers).status_code for one in (here, there) * 2]
        assert told == [200, 200, 429, 429]
        assert throttles(here) == ["ok"]
        counts_server.kill()
        assert throttles(here) == ["warning"]
        assert there.put(path, json={"capacity": 5}, headers=headers).status_code == 200


CHANGES: list[tuple[str, str, Callable[[int], Any]]] = [
    ("PUT", "status-rule", lambda number: {"accepted": [1 + number % 2]}),
    ("PUT", "capacity", lambda number: {"capacity": 1 + number % 2}),
    ("POST", "scanners", lambda number: {"label": f"door {number}"}),
]


@pytest.mark.parametrize("way", CHANGES, ids=[path for _, path, _ in CHANGES])
def test_an_operator_who_changes_his_venue_all_the_time_is_stopped_and_nobody_else(
    tmp_path: Path, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch, way: tuple[str, str, Callable[[int], Any]]
) -> None:
    """Every change empties what all workers know by heart: some a minute are enough for a venue."""
    method, path, body = way
    monkeypatch.setattr(venues, "CHANGES_A_MINUTE", 3)
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with registry.client() as client:
        at, other = enrol(client), enrol(client, "Library")
        watch = SqliteTables(registry.folder / "data", REGISTRY)

        def change(at: Enrolled, number: int) -> httpx.Response:
            url, headers = f"/v1/venues/{at.venue_id}/{path}", bearer(at.operator)
            return client.request(method, url, json=body(number), headers=headers)

        before, number, answer = watch.look(), 0, change(at, 0)
        while answer.status_code != 429:
            before, number = watch.look(), number + 1
            answer = change(at, number)
        assert number >= 2, "its first scanner was a change, too"
        assert answer.json()["code"] == "too_many_requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert watch.look() == before
        assert change(other, 0).status_code < 300
        # What is refused must not keep a stolen scanner in.
        scanner = f"/v1/venues/{at.venue_id}/scanners/{at.scanner_id}"
        assert client.delete(scanner, headers=bearer(at.operator)).status_code == 204
        watch.close()


def test_an_operator_sees_his_venue_as_it_is_now(scene: Scene, enrolment: dict[str, str]) -> None:
    """From whichever device he comes: the rule at his doors, and how many people it holds."""
    body = {"name": "Gym", "category": "sport", "capacity": 40}
    venue = scene.client.post("/v1/venues", json=body, headers=enrolment).json()
    path, headers = f"/v1/venues/{venue['venue_id']}", bearer(venue["operator_token"])
    entry = {"venue_id": venue["venue_id"], **body, "status_rule": []}
    assert scene.client.get(path, headers=headers).json() == entry
    assert scene.client.put(f"{path}/status-rule", json={"accepted": [3, 1]}, headers=headers).status_code == 200
    assert scene.client.put(f"{path}/capacity", json={"capacity": None}, headers=headers).json() == {"capacity": None}
    assert scene.client.get(path, headers=headers).json() == entry | {"status_rule": [1, 3], "capacity": None}


def test_revoking_again_empties_nobodys_memory(scene: Scene) -> None:
    """A revocation is never refused, so it must not be a way to keep all workers busy either."""
    path, headers = f"/v1/venues/{scene.at.venue_id}/scanners/{scene.at.scanner_id}", bearer(scene.at.operator)
    watch = SqliteTables(scene.registry.folder / "data", REGISTRY)
    try:
        assert scene.client.delete(path, headers=headers).status_code == 204
        before = watch.look()
        for _ in range(3):
            assert scene.client.delete(path, headers=headers).status_code == 204
        assert watch.look() == before
    finally:
        watch.close()


def test_no_answer_sends_a_browser_where_the_host_header_says(scene_once: Scene) -> None:
    """A request that names another host is redirected nowhere."""
    for path in ("/v1/venues/", "/healthz/", "/v1/trust/"):
        answer = scene_once.client.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)
