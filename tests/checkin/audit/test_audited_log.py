"""What an audit finds in the log: a report that is missing or never came, another history, a changed file."""

from __future__ import annotations

import shutil
from pathlib import Path

from checkin.audit.point import PointResult
from checkin.purge.statement_store import DAY_CLOSED
from retention.log_audit import AUTHORITY, CONTINUES, FILES, LOGGED, MATCH, STATED
from tests.checkin.audit.office import Audited, Office, ask, failed
from tests.support.retention_service import Retention
from tests.support.service_folder import CALENDAR, DAY, HOUR


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
    look = parts.look()
    for number in range(1, 300):
        service.make_key(DAY + number)
    parts.intake.take_all(parts.settings.services[0], service.notes)
    points = {point.name: point for point in look.points(None, CALENDAR.date(DAY), {})}
    assert {point.result for name, point in points.items() if name != AUTHORITY} == {PointResult.PASS}, points


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


def rewrite(retention: Retention, data: Path, notes: list[str]) -> None:
    """Somebody with the log's key makes another log in its place; what was received stays in the database."""
    shutil.rmtree(data / "log")
    (data.parent / "keys" / "signed-head.json").unlink()  # which would keep an honest operator from it
    parts = retention.parts()
    parts.log.append([note.encode() for note in notes])
    parts.close()
