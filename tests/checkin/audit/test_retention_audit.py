"""The retention service's audit: what it composes of the services' own, of its log, and what it cannot be told."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import sqlite_utils

from checkin.audit.point import PointResult
from checkin.protocol.note import NoteSigner, open_note
from checkin.protocol.primitives import SigningKey
from checkin.service.tasks import Task, Tasks
from checkin.tlog.proof import LogProof, PinnedLog
from retention import auditing
from retention.auditing import ANSWERED, TEST_VISIT, AuditRequest
from retention.audits import Audit
from retention.log_audit import AUTHORITY
from tests.checkin.audit.office import AUDITOR, Audited, Office, ask, failed
from tests.support.retention_service import Retention, pinned
from tests.support.service_folder import CALENDAR, DAY, HOUR, bearer


def test_an_audit_is_composed_signed_logged_and_kept(office: Office, service: Audited) -> None:
    """The service's own lines are in it word for word; the log proves it; the database opens as it is."""
    service.make_key(DAY)
    points = office.audit()
    assert failed(points) == []
    assert points["registry.example", "oldest-day"].evidence == "All is young."
    (audit,) = office.audits.find()
    verifier = office.parts.party.signer.verifier
    assert open_note(audit.note, [verifier]).names == ("retention.example",)
    proof = LogProof.read(office.parts.log.proof(audit.place))
    proof.verify(audit.note.encode(), PinnedLog(office.parts.log_verifier))
    with sqlite_utils.Database(office.parts.party.data / "audits.db") as database:
        assert set(database.table_names()) == {"audits", "points"}
        assert database.execute("SELECT count(*) FROM latest").fetchone()[0] == len(points)


def test_a_failed_audit_is_a_warning_in_readiness_until_the_next_one(office: Office, service: Audited) -> None:
    """Whoever runs the service hears of it."""
    assert [finding.level for finding in office.auditing.findings()] == ["ok"]
    service.points = ["fail closings registry.example A row was changed."]
    office.audit()
    (finding,) = office.auditing.findings()
    assert finding.level == "warning" and "failed in 1 lines" in finding.text
    service.points = ["pass closings registry.example All is as it was."]
    office.audit()
    assert [finding.level for finding in office.auditing.findings()] == ["ok"]


def test_what_was_not_looked_at_says_so(office: Office) -> None:
    """Without a test visitor nobody pretends that one was found."""
    points = office.audit()
    not_run = {point.name for point in points.values() if point.result is PointResult.NOT_RUN}
    assert not_run == {"tokens", TEST_VISIT, AUTHORITY}


def test_a_service_that_does_not_audit_itself_fails(office: Office, service: Audited) -> None:
    """It is silent, or what it says is forged, of another day, or about somebody else."""
    mallory = NoteSigner(service.name, SigningKey(b"\x09" * 32))
    honest = service.server.routes["/v1/audit"]
    service.server.routes["/v1/audit"] = lambda: {"statement": service.own_audit(mallory)}
    assert failed(office.audit()) == [ANSWERED]
    service.server.routes["/v1/audit"] = honest
    service.points = ["pass oldest-day issuer.example All is young."]
    assert failed(office.audit()) == [ANSWERED]
    service.today = CALENDAR.date(DAY - 1)
    service.points = ["pass oldest-day registry.example All is young."]
    assert failed(office.audit()) == [ANSWERED]
    service.server.routes.pop("/v1/audit")
    assert failed(office.audit()) == [ANSWERED]


@pytest.mark.parametrize(("its_day", "second"), [(DAY - 1, 1), (DAY + 1, 86_399)])
def test_a_service_whose_clock_passes_midnight_a_second_apart_from_ours_did_audit_itself(
    office: Office, retention: Retention, service: Audited, its_day: int, second: int
) -> None:
    """The day's audit is made right after midnight; no two clocks show the same moment."""
    retention.go(DAY, second)
    service.today = CALENDAR.date(its_day)
    assert failed(office.audit()) == []


def test_an_audit_that_lasts_over_midnight_is_of_either_day(
    office: Office, retention: Retention, service: Audited
) -> None:
    """The service signed before, or after."""
    honest = service.server.routes["/v1/audit"]

    def over_midnight() -> object:
        retention.go(DAY + 1, 6 * HOUR)
        return honest()

    service.server.routes["/v1/audit"] = over_midnight
    for day in (DAY, DAY + 1):
        retention.go(DAY, 12 * HOUR)
        service.today = CALENDAR.date(day)
        assert failed(office.audit()) == []


def test_a_services_own_failure_fails_the_whole(office: Office, service: Audited) -> None:
    """And its evidence is shown."""
    service.points = ["fail closings registry.example A row was changed."]
    assert failed(office.audit()) == ["closings"]
    assert office.audits.find()[0].result == "fail"


def test_a_trace_that_did_not_find_the_test_visitor_fails(office: Office) -> None:
    """Also when it did and no executed order is in the log."""
    assert TEST_VISIT in failed(office.audit(AuditRequest(found=False)))
    assert TEST_VISIT in failed(office.audit(AuditRequest(found=True)))


def test_there_is_one_audit_a_day_by_itself(office: Office, retention: Retention, service: Audited) -> None:
    """Once every service was asked; again on the next day."""
    for day in (DAY, DAY + 1):
        retention.go(day, 12 * HOUR)
        service.today = CALENDAR.date(day)
        office.auditing.daily()
        assert service.today not in [audit.day for audit in office.audits.find()]
        ask(office)
        assert office.auditing.urgent()
        for _ in range(2):
            office.auditing.daily()
        assert not office.auditing.urgent()
    assert [audit.day for audit in office.audits.find()] == [CALENDAR.date(DAY + 1), CALENDAR.date(DAY)]


def test_services_that_are_not_ready_are_asked_again_and_again_only_while_the_day_is_new(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their `/readyz` is work for them; ten minutes of twice a second would be no audit sooner."""
    office.auditing.daily()
    ask(office)
    assert office.auditing.urgent()
    monkeypatch.setattr(auditing, "URGENT_SECONDS", -1.0)
    assert not office.auditing.urgent()


def test_a_service_that_takes_its_time_keeps_no_other_from_being_asked(office: Office, service: Audited) -> None:
    """The audit waits for it in a lane of its own, and no second one is begun meanwhile."""
    go_on, asked = threading.Event(), threading.Semaphore(0)
    honest = service.server.routes["/v1/audit"]

    def slow() -> object:
        assert go_on.wait(120)
        return honest()

    service.server.routes["/v1/audit"] = slow
    ask(office)
    tasks = Tasks(
        [Task("audit", office.auditing.daily, every=0.01, lane="audit"), Task("services", asked.release, every=0.01)]
    )
    tasks.start()
    for _ in range(3):
        assert asked.acquire(timeout=60)
    assert office.audits.find() == []
    go_on.set()
    while not office.audits.find():
        assert asked.acquire(timeout=60)
    tasks.stop()
    assert len(office.audits.find()) == 1


def test_over_http_anybody_reads_and_only_the_auditor_asks(retention: Retention) -> None:
    """History, one audit as JSON and as a page, its proof; refused without the token."""
    with retention.client() as client:
        assert client.post("/v1/audits", json={}).status_code == 401
        other = {"Authorization": "Bearer somebody"}
        assert client.post("/v1/audits", json={}, headers=other).status_code == 401
        made = client.post("/v1/audits", json={}, headers=bearer(AUDITOR))
        assert made.status_code == 201, made.text
        place = made.json()["place"]
        assert client.get("/v1/audits").json()["audits"][0]["place"] == place
        assert client.get("/v1/audits", params={"before": place}).status_code == 200
        assert len(client.get("/v1/audits", params={"limit": 1}).json()["audits"]) == 1
        assert client.get("/v1/audits", params={"limit": 101}).json()["code"] == "invalid_request"
        shown = client.get(f"/v1/audits/{place}").json()
        assert shown["note"] == made.json()["note"] and shown["counts"]["fail"] == 0
        page = client.get(f"/audits/{place}")
        assert page.status_code == 200 and "28일 점검 보고서" in page.text
        assert "<script" not in page.text and "<style" not in page.text
        assert client.get("/static/audit.css").status_code == 200
        LogProof.read(client.get(f"/v1/audits/{place}/proof").text)
        for path in ("/v1/audits/99999", "/audits/99999", "/v1/audits/99999/proof"):
            assert client.get(path).json()["code"] == "not_found"


def test_a_sample_that_cannot_be_read_is_told_to_who_copied_it_and_no_audit_is_published(retention: Retention) -> None:
    """By the number of the code; a sample of more codes than an audit takes likewise."""
    vectors = json.loads((Path(__file__).parents[2] / "vectors/presentation.json").read_text(encoding="utf-8"))
    good = next(case["text"] for case in vectors["cases"] if case["expected"] == "ok")
    with retention.client() as client:
        before = client.get("/v1/audits").json()["audits"]
        for sample, code, detail in (
            (["CK1:"], "token_malformed", "Code 1 of the sample"),
            ([good, good[:-3]], "token_malformed", "Code 2 of the sample"),
            ([good] * 51, "invalid_request", ""),
        ):
            asked = {"tokens": sample}
            answer = client.post("/v1/audits", json=asked, headers=bearer(AUDITOR))
            assert (answer.status_code, answer.json()["code"]) == (422, code)
            assert detail in answer.json()["detail"] and good not in answer.text
        assert client.get("/v1/audits").json()["audits"] == before


def test_an_audit_reads_back_as_it_was_signed(office: Office) -> None:
    """Counts and lines of the table are those of the note."""
    office.audit()
    (audit,) = office.audits.find()
    assert Audit.of(audit.place, audit.note) == audit
    assert audit.passed + audit.failed + audit.not_run == len(audit.points())


@pytest.mark.parametrize(
    "points",
    [
        [f"pass oldest-day registry.example {'x' * 66_000}"],
        [f"pass oldest-day registry.example {'x' * 301}"],
        ["pass oldest-day registry.example 김지우"],
        ["pass oldest-day registry.example All is young."] * 33,
    ],
)
def test_no_self_audit_keeps_the_audit_from_being_made(office: Office, service: Audited, points: list[str]) -> None:
    """One that is longer than an entry of the log, or more than an audit has room for, fails its service."""
    service.points = points
    assert failed(office.audit()) == [ANSWERED]


def test_two_services_that_each_take_half_an_entry_keep_no_audit_from_being_made(
    tmp_path: Path, service: Audited
) -> None:
    other = Audited("other.example")
    other.today = service.today
    other.server.routes["/v1/audit"] = lambda: {"statement": other.own_audit()}
    for each in (service, other):
        each.points = [f"pass {'n' * 40} {each.name} {'…' * 300}"] * 32
    office = Office(Retention(tmp_path / "two", pinned(service), pinned(other)))
    assert {key for key, point in office.audit().items() if point.result is PointResult.FAIL} == {
        (service.name, ANSWERED),
        (other.name, ANSWERED),
    }
    office.close()
    other.server.stop()


def test_an_auditors_codes_of_issuers_that_publish_no_keys_fail_and_end_no_audit(
    office: Office, service: Audited
) -> None:
    service.server.routes["/v1/keys"] = lambda: {"issuer": "none", "keys": 7}
    assert failed(office.audit(AuditRequest(tokens=["a"]))) == ["tokens"]
