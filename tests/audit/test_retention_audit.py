"""The retention service's audit: what it composes of the services' own, of its log, and what it cannot be told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

from checkin.audit.auditpoint import SELF_AUDIT, Point, Result
from checkin.clockguard import ClockGuard
from checkin.log.logproof import LogProof
from checkin.note import NoteSigner, open_note, sign_note
from checkin.primitives import SigningKey
from checkin.service.auth import token_hash
from checkin.statements import DAY_CLOSED
from retention.auditing import ANSWERED, TEST_VISIT, Asked, Auditing
from retention.audits import Audit, Audits
from retention.logaudit import AUTHORITY, CONTINUES, FILES, LOGGED, MATCH, STATED, LogAudit
from retention.parts import Parts
from retention.schedule import Schedule
from tests.checkin.house import CALENDAR, DAY, HOUR
from tests.retention.world import Retention, Service, pinned

AUDITOR = "the-auditor-of-this-test"


class Audited(Service):
    """A registry that audits itself and says what a test wants."""

    points: list[str]
    today: str

    def own_audit(self, signer: NoteSigner | None = None) -> str:
        """What it found on itself."""
        values = {"service": self.name, "day": self.today, "point": self.points, "clock": "simulated"}
        return sign_note(SELF_AUDIT.write(values), signer or self.signer)


@pytest.fixture
def service() -> Iterator[Audited]:
    """It finds that all is well."""
    service = Audited()
    service.points = ["pass oldest-day registry.example All is young."]
    service.today = CALENDAR.date(DAY)
    service.server.routes["/v1/audit"] = lambda: {"statement": service.own_audit()}
    yield service
    service.server.stop()


@pytest.fixture
def retention(tmp_path: Path, service: Audited) -> Retention:
    """Asks that registry, and takes an auditor's token."""
    retention = Retention(tmp_path / "retention", pinned(service))
    with retention.config.open("a") as file:
        file.write(f'auditor_token_sha256 = "{token_hash(AUDITOR).hex()}"\n')
    return retention


class Office:
    """One process of it."""

    def __init__(self, retention: Retention) -> None:
        self.parts: Parts = retention.parts()
        party = self.parts.party
        self.audits = Audits(party.data / "audits.db")
        guard = ClockGuard(party.data / "clock.json", party.clock, tuple)
        guard.tick()
        self.auditing = Auditing(self.parts, guard, self.audits)
        self.schedule = Schedule(self.parts)

    def audit(self, asked: Asked | None = None) -> dict[tuple[str, str], Point]:
        """The lines of a new audit, by service and point."""
        audit = self.auditing.run(asked)
        assert audit is not None
        return {(point.service, point.name): point for point in audit.points()}

    def done(self) -> None:
        """Waits for the audit that is being made, however long it takes."""
        if self.auditing._worker:
            self.auditing._worker.join()

    def close(self) -> None:
        """As the process ends."""
        self.audits.close()
        self.parts.close()


@pytest.fixture
def office(retention: Retention) -> Iterator[Office]:
    """A running one."""
    office = Office(retention)
    yield office
    office.close()


def failed(points: dict[tuple[str, str], Point]) -> list[str]:
    """The names of points that fail."""
    return [point.name for point in points.values() if point.result is Result.FAIL]


def ask(office: Office) -> None:
    """What the schedule does daily."""
    office.schedule.ask(office.parts.settings.services[0])


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
    proof.verify(audit.note.encode(), office.parts.log_verifier)
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
    not_run = {point.name for point in points.values() if point.result is Result.NOT_RUN}
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


def test_a_services_own_failure_fails_the_whole(office: Office, service: Audited) -> None:
    """And its evidence is shown."""
    service.points = ["fail closings registry.example A row was changed."]
    assert failed(office.audit()) == ["closings"]
    assert office.audits.find()[0].result == "fail"


def test_a_report_that_is_missing_from_the_log_is_found(retention: Retention, service: Audited) -> None:
    """The log was made anew without it; what the service states and what the log has are compared."""
    service.make_key(DAY)
    retention.go(DAY + 29)
    service.today = CALENDAR.date(DAY + 29)
    service.report(DAY)
    office = Office(retention)
    ask(office)
    assert failed(office.audit()) == []
    data = office.parts.party.data
    office.close()
    made, _ = service.notes
    rewrite(retention, data, [made])
    office = Office(retention)
    points = office.audit()
    office.close()
    assert {STATED, LOGGED, CONTINUES} == set(failed(points))
    about = f"purge-report {CALENDAR.date(DAY)} is stated and is not in the log"
    assert about in points[service.name, STATED].evidence
    assert f"no report of {service.name} about {CALENDAR.date(DAY)}" in points["retention.example", LOGGED].evidence


def test_a_report_that_was_never_given_is_found(retention: Retention, service: Audited) -> None:
    """The key was stated to be made; its day is over; the service says nothing."""
    service.make_key(DAY)
    retention.go(DAY + 29, HOUR)
    service.today = CALENDAR.date(DAY + 29)
    office = Office(retention)
    assert failed(office.audit()) == [LOGGED]
    office.close()


def test_a_rewritten_log_is_found(retention: Retention, service: Audited) -> None:
    """Same key, same name, in order in itself: it does not continue the log of the last audit."""
    service.make_key(DAY)
    office = Office(retention)
    assert failed(office.audit()) == []
    data = office.parts.party.data
    office.close()
    service.notes.clear()
    service.make_key(DAY + 1)
    rewrite(retention, data, [*service.notes, *(service.make_key(DAY + number) for number in range(2, 9))])
    office = Office(retention)
    points = office.audit()
    office.close()
    assert CONTINUES in failed(points)
    assert "does not continue that of the audit" in points["retention.example", CONTINUES].evidence


def test_a_changed_file_of_the_log_is_found(office: Office, service: Audited) -> None:
    """A bundle of entries with one bit changed: the very file is named."""
    service.make_key(DAY)
    assert failed(office.audit()) == []
    folder = office.parts.party.data / "log" / "tile" / "entries"
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    points = office.audit()
    assert FILES in failed(points)
    assert "tile/entries/000" in points["retention.example", FILES].evidence


def test_what_is_logged_while_an_audit_reads_is_no_fault(office: Office, service: Audited) -> None:
    """The head was taken; then another statement came."""
    service.make_key(DAY)
    ask(office)
    parts = office.parts
    note = parts.log.checkpoint()
    look = LogAudit("retention.example", parts.party.data / "log", parts.log.file, note, parts.log_verifier)
    for number in range(1, 300):
        service.make_key(DAY + number)
    parts.receipt.take_all(parts.settings.services[0], service.notes)
    points = {point.name: point for point in look.points(None, CALENDAR.date(DAY), {})}
    assert {point.result for name, point in points.items() if name != AUTHORITY} == {Result.PASS}, points


def test_a_report_that_contradicts_what_was_stated_is_found(
    office: Office, retention: Retention, service: Audited
) -> None:
    """It names another closing than the one that was logged."""
    service.make_key(DAY)
    service.say(  # the day was closed with a digest that the report does not name
        DAY_CLOSED,
        day=CALENDAR.date(DAY),
        digest="cd" * 32,
        count="12",
    )
    service.report(DAY)
    retention.go(DAY + 28)
    service.today = CALENDAR.date(DAY + 28)
    assert MATCH in failed(office.audit())


def test_a_trace_that_did_not_find_the_test_visitor_fails(office: Office) -> None:
    """Also when it did and no executed order is in the log."""
    assert TEST_VISIT in failed(office.audit(Asked(found=False)))
    assert TEST_VISIT in failed(office.audit(Asked(found=True)))


def test_there_is_one_audit_a_day_by_itself(office: Office, retention: Retention, service: Audited) -> None:
    """Once every service was asked; again on the next day."""
    office.auditing.daily()
    office.done()
    assert office.audits.find() == []
    for day in (DAY, DAY + 1):
        retention.go(day, 12 * HOUR)
        service.today = CALENDAR.date(day)
        ask(office)
        for _ in range(2):
            office.auditing.daily()
            office.done()
    assert [audit.day for audit in office.audits.find()] == [CALENDAR.date(DAY + 1), CALENDAR.date(DAY)]


def test_a_service_that_takes_its_time_keeps_no_other_from_being_asked(office: Office, service: Audited) -> None:
    """The chore returns at once, and starts no second audit meanwhile."""
    go_on = threading.Event()
    honest = service.server.routes["/v1/audit"]

    def slow() -> object:
        assert go_on.wait(120)
        return honest()

    service.server.routes["/v1/audit"] = slow
    ask(office)
    office.auditing.daily()
    office.auditing.daily()
    assert office.audits.find() == []
    go_on.set()
    office.done()
    assert len(office.audits.find()) == 1


def test_over_http_anybody_reads_and_only_the_auditor_asks(retention: Retention) -> None:
    """History, one audit as JSON and as a page, its proof; refused without the token."""
    with retention.client() as client:
        assert client.post("/v1/audits", json={}).status_code == 401
        other = {"Authorization": "Bearer somebody"}
        assert client.post("/v1/audits", json={}, headers=other).status_code == 403
        made = client.post("/v1/audits", json={}, headers={"Authorization": f"Bearer {AUDITOR}"})
        assert made.status_code == 201, made.text
        place = made.json()["place"]
        assert client.get("/v1/audits").json()["audits"][0]["place"] == place
        assert client.get("/v1/audits", params={"before": place}).status_code == 200
        shown = client.get(f"/v1/audits/{place}").json()
        assert shown["note"] == made.json()["note"] and shown["counts"]["fail"] == 0
        page = client.get(f"/audits/{place}")
        assert page.status_code == 200 and "28일 점검 보고서" in page.text
        assert "<script" not in page.text and "<style" not in page.text
        assert client.get("/static/audit.css").status_code == 200
        LogProof.read(client.get(f"/v1/audits/{place}/proof").text)
        for path in ("/v1/audits/99999", "/audits/99999", "/v1/audits/99999/proof"):
            assert client.get(path).json()["code"] == "not_found"


def test_an_audit_reads_back_as_it_was_signed(office: Office) -> None:
    """Counts and lines of the table are those of the note."""
    office.audit()
    (audit,) = office.audits.find()
    assert Audit.of(audit.place, audit.note) == audit
    assert audit.passed + audit.failed + audit.not_run == len(audit.points())


def rewrite(retention: Retention, data: Path, notes: list[str]) -> None:
    """Somebody with the log's key makes another log in its place; what was received stays in the database."""
    shutil.rmtree(data / "log")
    parts = retention.parts()
    parts.log.append([note.encode() for note in notes])
    parts.close()


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
    assert {key for key, point in office.audit().items() if point.result is Result.FAIL} == {
        (service.name, ANSWERED),
        (other.name, ANSWERED),
    }
    office.close()
    other.server.stop()


def test_an_auditors_codes_of_issuers_that_publish_no_keys_fail_and_end_no_audit(
    office: Office, service: Audited
) -> None:
    service.server.routes["/v1/keys"] = lambda: {"issuer": "none", "keys": 7}
    assert failed(office.audit(Asked(tokens=("a",)))) == ["tokens"]
