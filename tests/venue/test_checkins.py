"""A code at the door of the registry: what is accepted, once, and what is refused with which code."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from checkin.errors import NotReady
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.secret_file import read_secret
from checkin.protocol.credential import Mode, Status, new_opening
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from checkin.vault.visit import open_visit
from tests.support.registry_service import METRICS, Issuer, Phone, Registry, check_in, enrol, scan_id
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.serving import caller, visiting
from tests.venue.conftest import NewIssuer, Scene
from tests.venue.realtime import PATIENCE
from venue.app import create_app
from venue.scanners import Scanners, VenueScanner

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / package}/" for package in ("checkin", "venue"))
MIDNIGHT = int(CALENDAR.start(DAY + 1))


def code(answer: object) -> str:
    """`accepted`, `repeated`, or the code of the problem."""
    body = json.loads(answer.content)  # type: ignore[attr-defined]  # an httpx.Response
    return str(body.get("code", body.get("result")))


def ring_of(registry: Registry) -> KeyRing:
    """The registry's keys, opened beside the running service."""
    return KeyRing(registry.folder / "keys", read_secret(registry.folder / "master.key"), allow_unfit=True)


def vault_of(registry: Registry) -> Vault:
    """The registry's vault, opened beside the running service."""
    return Vault("venue", SqliteStore(registry.folder / "data" / "visits", ordered=True), ring_of(registry))


def test_a_visitor_checks_in_and_the_row_holds_what_the_protocol_says_and_no_finer_time(scene: Scene) -> None:
    scene.registry.set(NOON + 17)
    phone, scan = scene.phone(), scan_id()
    answer = check_in(scene.client, scene.at, phone.at(NOON + 10), scan)
    assert (answer.status_code, answer.json()) == (201, {"result": "accepted"})
    vault = vault_of(scene.registry)
    [row] = vault.store.rows(DAY)
    visit = open_visit(vault, DAY, row)
    assert (visit.venue.hex(), visit.minute, visit.issuer) == (scene.at.venue_id, NOON // 60, 1)
    assert (visit.visit_id, b64url_encode(visit.scan_id), visit.flags) == (phone.visit_id, scan, 0)
    assert row.bucket == 12
    vault.store.close()


def test_a_reader_of_it_has_the_twenty_files_to_open_that_the_page_names(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """From the first byte to the row on the disk and the answer, in the order of docs/architecture.md."""
    crossed: list[str] = []
    counting = threading.Event()

    def look(frame: FrameType, event: str, _: object) -> None:
        file, task = frame.f_code.co_filename, threading.current_thread().name.startswith("task")
        if counting.is_set() and not task and event == "call" and file.startswith(OURS):
            crossed.append(file.removeprefix(f"{ROOT}/"))

    threading.setprofile(look)  # for the threads that begin now: the server's, and the one that commits
    try:
        issuer = new_issuer()
        registry = Registry(tmp_path / "registry", [issuer])
        with registry.client() as client:
            at = enrol(client)
            check_in(client, at, Phone(issuer, DAY).at(NOON))  # what is looked up once is known then
            counting.set()
            answer = check_in(client, at, Phone(issuer, DAY).at(NOON))
            counting.clear()
    finally:
        threading.setprofile(None)
    assert answer.status_code == 201
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("\n## One check-in")[2].partition("\n## ")[0]
    named = re.findall(r"^   \d+\. `([^`]+)`", section, re.MULTILINE)
    assert list(dict.fromkeys(crossed)) == named
    assert len(named) <= 20


def test_nobody_else_waits_while_the_database_is_asked_for_a_scanner(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server on the network may take long. Another scanner's check-in and the health of the process do not wait."""
    other, asked, go_on = scene.venue(), threading.Event(), threading.Event()
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    find = Scanners._find

    def slow(scanners: Scanners, hashed: bytes) -> VenueScanner:
        asked.set()
        assert go_on.wait(PATIENCE)
        return find(scanners, hashed)

    monkeypatch.setattr(Scanners, "_find", slow)
    with ThreadPoolExecutor(1) as threads, caller(str(scene.client.base_url)) as client:
        waiting = threads.submit(check_in, client, other, scene.phone().at(NOON))
        try:
            assert asked.wait(PATIENCE)
            assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
            assert not waiting.done()
        finally:
            go_on.set()
        assert waiting.result().status_code == 201


def test_behind_a_server_that_puts_its_own_path_before_it_is_the_same_route(
    tmp_path: Path, new_issuer: NewIssuer
) -> None:
    """It comes by the framework's way then, which is slower and answers the same."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer], now=NOON)
    app = create_app(registry.config, registry.clock)
    with visiting(app, log_level="error", server_header=False, root_path="/town") as client:
        at, scan, token = enrol(client), scan_id(), Phone(issuer, DAY).at(NOON)
        answers = [check_in(client, at, token, scan), check_in(client, at, token, scan), check_in(client, at, token)]
        assert [answer.status_code for answer in answers] == [201, 200, 409]
        assert client.get("/v1/check-ins").status_code == 405


def test_the_same_scan_sent_again_is_repeated_and_stored_once(scene: Scene) -> None:
    phone, scan = scene.phone(), scan_id()
    answers = [check_in(scene.client, scene.at, phone.at(NOON), scan) for _ in range(3)]
    assert [(answer.status_code, code(answer)) for answer in answers] == [
        (201, "accepted"),
        (200, "repeated"),
        (200, "repeated"),
    ]
    vault = vault_of(scene.registry)
    assert vault.store.measure(DAY).rows == 1
    vault.store.close()


def test_a_second_use_is_refused_and_the_steward_learns_whether_it_was_here(scene: Scene) -> None:
    phone, other = scene.phone(), scene.venue()
    assert check_in(scene.client, scene.at, phone.at(NOON)).status_code == 201
    here, elsewhere = (check_in(scene.client, at, phone.at(NOON + 1)) for at in (scene.at, other))
    assert (here.status_code, here.json()["code"], here.json()["same_venue"]) == (409, "already_used", True)
    assert (elsewhere.status_code, elsewhere.json()["code"], elsewhere.json()["same_venue"]) == (
        409,
        "already_used",
        False,
    )


def test_a_scan_id_stolen_from_another_venue_does_not_pass_as_a_repetition(scene: Scene) -> None:
    phone, other, scan = scene.phone(), scene.venue(), scan_id()
    assert check_in(scene.client, scene.at, phone.at(NOON), scan).status_code == 201
    assert check_in(scene.client, other, phone.at(NOON), scan).json()["same_venue"] is False


def test_a_code_is_good_from_5_seconds_before_to_20_seconds_after_it_was_made(scene: Scene) -> None:
    answers = {}
    for age in (-6, -5, 0, 20, 21):
        scene.registry.set(NOON + age)
        answers[age] = code(check_in(scene.client, scene.at, scene.phone().at(NOON)))
    assert answers == {
        -6: "token_not_yet_valid",
        -5: "accepted",
        0: "accepted",
        20: "accepted",
        21: "token_expired",
    }


def test_a_printed_code_is_good_until_65_seconds_after_its_day(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuer, start = new_issuer(), CALENDAR.start(DAY)
    registry = Registry(tmp_path / "registry", [issuer], now=start - 60)
    answers = []
    with registry.client() as client:
        at = enrol(client)
        for now in (start - 6, start - 5, MIDNIGHT + 65, MIDNIGHT + 66):
            registry.set(now)
            answers.append(code(check_in(client, at, Phone(issuer, DAY, mode=Mode.PAPER).at(start))))
    assert answers == ["token_not_yet_valid", "accepted", "accepted", "token_expired"]


def test_at_midnight_a_code_belongs_to_the_day_in_which_it_was_made(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer], now=MIDNIGHT - 2)
    with registry.client() as client:
        at, last, first = enrol(client), Phone(issuer, DAY), Phone(issuer, DAY + 1)
        registry.set(MIDNIGHT + 3)
        assert code(check_in(client, at, last.at(MIDNIGHT - 1))) == "accepted"
        assert code(check_in(client, at, last.at(MIDNIGHT - 1))) == "already_used"
        assert code(check_in(client, at, first.at(MIDNIGHT))) == "accepted"
        assert code(check_in(client, at, Phone(issuer, DAY).at(MIDNIGHT))) == "wrong_day"
        assert code(check_in(client, at, Phone(issuer, DAY + 1).at(MIDNIGHT - 1))) == "wrong_day"
        days = client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator)).json()["days"]
        assert [(day["day"], day["total"], day["hours"][24]) for day in days] == [
            ("2026-11-20", 1, 1),
            ("2026-11-21", 1, 0),
        ]


def test_two_issuers_are_trusted_at_once_and_a_visit_remembers_which(tmp_path: Path, new_issuer: NewIssuer) -> None:
    first, second, stranger = new_issuer(1), new_issuer(2), new_issuer(3)
    registry = Registry(tmp_path / "registry", [first, second])
    with registry.client() as client:
        at = enrol(client)
        answers = [code(check_in(client, at, Phone(issuer, DAY).at(NOON))) for issuer in (first, second, stranger)]
        assert answers == ["accepted", "accepted", "unknown_issuer_key"]
        vault = vault_of(registry)
        assert sorted(open_visit(vault, DAY, row).issuer for row in vault.store.rows(DAY)) == [1, 2]
        vault.store.close()


def test_a_forged_code_is_refused_whichever_signature_is_false(scene: Scene) -> None:
    forger = SigningKey(random_bytes(32))
    forged = scene.phone()
    forged.bytes_at(NOON)
    forged.holder = forger  # the credential was made for another holder's key
    assert code(check_in(scene.client, scene.at, forged.at(NOON))) == "bad_signature"
    stolen = Issuer(1)
    stolen.keys[DAY] = forger
    assert code(check_in(scene.client, scene.at, Phone(stolen, DAY).at(NOON))) == "unknown_issuer_key"
    stolen.stop()


def test_a_code_that_shows_a_status_is_refused_before_anything_else_is_checked(scene: Scene) -> None:
    phone = Phone(scene.issuer, DAY, opening=new_opening(Status.VACCINATED))
    answers = [check_in(scene.client, scene.at, phone.at(NOON + age, show=True)) for age in (0, -3600)]
    assert [(answer.status_code, code(answer)) for answer in answers] == [(422, "status_disclosed")] * 2
    assert code(check_in(scene.client, scene.at, phone.at(NOON))) == "accepted"


OTHER_FORMS = [
    b"",
    b"{",
    b"[]",
    b'"token"',
    b"null",
    b"{}",
    b'{"token":"CK1:"}',
    b'{"token":1,"scan_id":"AAAAAAAAAAAAAAAAAAAAAA"}',
    b'{"token":"CK1:","scan_id":"AAAAAAAAAAAAAAAAAAAAAA==" }',
    b'{"token":"CK1:","scan_id":"AAAAAAAAAAAAAAAAAAAAAB"}',
    b'{"token":"CK1:","scan_id":"AAAA"}',
    b'{"token":"CK1:","scan_id":"AAAAAAAAAAAAAAAAAAAAAA","more":1}',
    b"[" * 3000,
    b'{"token":' + b"9" * 3000 + b',"scan_id":""}',
    b"\xff\xfe",
]


def test_a_request_of_another_form_is_refused(scene: Scene) -> None:
    for body in OTHER_FORMS:
        answer = scene.client.post("/v1/check-ins", content=body, headers=bearer(scene.at.scanner))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body


def test_a_body_of_more_than_4_kib_is_refused_before_it_is_read(scene: Scene) -> None:
    answer = scene.client.post("/v1/check-ins", content=b" " * 4097, headers=bearer(scene.at.scanner))
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def test_what_is_no_code_is_malformed(scene: Scene) -> None:
    for text in ("", "CK1:", "CK2:00", "ck1:00", "CK1:" + "0" * 464, "CK1:" + "0" * 900, "CK1:é"):
        assert code(check_in(scene.client, scene.at, text)) == "token_malformed", text


def test_other_methods_are_refused_as_such(scene: Scene) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = scene.client.request(method, "/v1/check-ins")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_with_too_many_check_ins_in_flight_the_next_is_told_when_to_come_back(
    tmp_path: Path, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is held at the disk; the second is shed, and accepted afterwards."""
    issuer, held, go = new_issuer(), threading.Event(), threading.Event()
    registry = Registry(tmp_path / "registry", [issuer], max_in_flight=1)
    with registry.client() as client:
        at, slow, shed = enrol(client), Phone(issuer, DAY), Phone(issuer, DAY)
        inner = SqliteStore.insert

        def insert(store: SqliteStore, day: int, rows: list[object]) -> list[bool]:
            held.set()
            assert go.wait(120)
            return inner(store, day, rows)  # type: ignore[arg-type]

        monkeypatch.setattr(SqliteStore, "insert", insert)
        answers: list[int] = []
        thread = threading.Thread(
            target=lambda: answers.append(check_in(client, at, slow.at(NOON)).status_code), daemon=True
        )
        thread.start()
        assert held.wait(120)
        answer = check_in(client, at, shed.at(NOON))
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert int(answer.headers["retry-after"]) > 0
        go.set()
        thread.join()
        assert answers == [201]
        assert check_in(client, at, shed.at(NOON)).status_code == 201


def test_a_broken_disk_is_no_success_and_the_code_can_be_used_afterwards(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[bool]:
        raise errors.pop()

    phone, errors = scene.phone(), [OSError("disk"), NotReady("disk")]
    with monkeypatch.context() as patch:
        patch.setattr("checkin.vault.engines.sqlite.SqliteStore.insert", broken)
        answers = [code(check_in(scene.client, scene.at, phone.at(NOON))) for _ in range(2)]
        assert answers == ["not_ready", "internal_error"]
    assert check_in(scene.client, scene.at, phone.at(NOON)).status_code == 201


def test_when_the_day_key_is_destroyed_check_ins_of_the_day_stop_at_once(scene: Scene) -> None:
    ring = KeyRing(scene.registry.folder / "keys", read_secret(scene.registry.folder / "master.key"), allow_unfit=True)
    assert code(check_in(scene.client, scene.at, scene.phone().at(NOON))) == "accepted"
    ring.entomb(KeyName(Purpose.DAY, DAY), {"why": "test"})
    ring.destroy(KeyName(Purpose.DAY, DAY))
    answer = check_in(scene.client, scene.at, scene.phone().at(NOON))
    assert (answer.status_code, answer.json()["code"]) == (410, "day_destroyed")


def test_metrics_count_results_by_code_and_nothing_else(scene: Scene) -> None:
    phone = scene.phone()
    for _ in range(2):
        check_in(scene.client, scene.at, phone.at(NOON))
    text = scene.client.get("/metrics", headers=bearer(METRICS)).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert 'checkin_check_ins_total{code="accepted"} 1.0' in lines
    assert 'checkin_check_ins_total{code="already_used"} 1.0' in lines
    assert set(re.findall(r"\{(\w+)=", text)) == {"code", "task", "database"}
    assert not re.search(r'", *\w+="', text), "no sample has two labels"
    assert not any("_created" in line for line in lines)
    assert "# HELP checkin_check_ins_total Answers to single check-ins." in text


def test_no_visit_can_be_read_from_the_database_file_without_the_key(scene: Scene) -> None:
    phone = scene.phone()
    assert check_in(scene.client, scene.at, phone.at(NOON)).status_code == 201
    path = scene.registry.folder / "data" / "visits" / f"day-{DAY}.db"
    with closing(sqlite3.connect(path)) as database:
        dump = b"".join(b"".join(row) for row in database.execute('SELECT "key", "group", sealed FROM "rows"'))
    assert phone.visit_id not in dump
    assert bytes.fromhex(scene.at.venue_id) not in dump
