"""The health authority in an outsider's audit: when each day's key was destroyed, by which officers; and lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.audit.auditor import Verdict, verify
from checkin.audit.authority_days import AuthorityDays
from checkin.audit.evidence import Evidence
from checkin.audit.log_entry import DayState, LogEntry
from checkin.audit.point import Point, PointResult
from checkin.cli import app
from checkin.protocol.key_list import (
    AUTHORITY_DESTROYED,
    AUTHORITY_KEYS,
    AuthorityKey,
    AuthorityList,
    DestroyedKey,
    DestroyedList,
)
from retention.log_audit import AUTHORITY as POINT
from retention.log_audit import LogAudit
from tests.checkin.audit.evidence import AUTHORITY, CALENDAR, FIRST, LAST, Site, commitment, signer

DUE = LAST - 28  # the last day that is destroyed


def site(folder: Path, change: Callable[[Site], object] = lambda _: None, *, checked: bool = True) -> Verdict:
    """Seventy days of two services and an authority that states each key's end by weeks, and at the end that its listed
    keys are its ring's own; then what a test changes."""
    made = Site.make(folder)
    made.notes.pop()
    for first in range(FIRST, LAST + 15, 14):
        made.list_authority(*range(first, first + 14))
    for first in range(FIRST, DUE + 1, 7):
        made.destroy_authority(*range(first, min(first + 7, DUE + 1)))
    if checked:
        made.check_authority(LAST)
    change(made)
    made.conclude()
    return verify(Evidence.of_folder(made.write()))


def states(verdict: Verdict) -> dict[int, DayState]:
    """The authority's."""
    return {CALENDAR.parse_date(day.day): day for day in verdict.days if day.service == AUTHORITY}


def drop(kind: str, day: int) -> Callable[[Site], None]:
    """Takes a statement of that day out of the log, as if it had never been made."""

    def change(made: Site) -> None:
        made.notes = [note for note in made.notes if kind not in note or f"key {CALENDAR.date(day)} " not in note]

    return change


def test_an_outsider_can_say_for_each_day_when_the_authoritys_key_was_destroyed_and_by_whom(tmp_path: Path) -> None:
    """With vkeys.txt and a folder of files: the day, the officers, the entry; or until when it is kept."""
    verdict = site(tmp_path / "folder")
    assert verdict.faults == ()
    for day, state in states(verdict).items():
        if day <= DUE:
            assert (state.state, state.done) == ("destroyed", CALENDAR.date(day + 28))
            assert state.by == "health.example/officer-1, health.example/officer-2" and state.index
        else:
            assert (state.state, state.due, state.by) == ("held", CALENDAR.date(day + 28), "")
    done = CliRunner().invoke(app, ["audit", "verify", "--dir", str(tmp_path / "folder"), "--json"])
    shown = json.loads(done.output)["days"]
    assert sum(day["service"] == AUTHORITY for day in shown) == 60
    told = CliRunner().invoke(app, ["audit", "verify", "--dir", str(tmp_path / "folder")]).output
    assert "stated by" in told and "officer-2" in " ".join(told.split())


def test_a_day_that_is_due_without_a_statement_shows_as_missing(tmp_path: Path) -> None:
    """After a week, in which the officers may come together; the list that named the key is the evidence."""
    verdict = site(tmp_path / "folder", drop("keys-destroyed", FIRST + 21))
    assert len(verdict.faults) == 7, "a statement of seven days is gone"
    for number, fault in enumerate(verdict.faults):
        assert fault.kind == "missing" and fault.path.startswith("log entry ")
        assert f"its key for {CALENDAR.date(FIRST + 21 + number)}" in fault.reason
    assert {states(verdict)[day].state for day in range(FIRST + 21, FIRST + 28)} == {"missing"}
    told = CliRunner().invoke(app, ["audit", "verify", "--dir", str(tmp_path / "folder")])
    assert told.exit_code == 1 and told.output.count("STATEMENT MISSING") == 7


def test_a_day_that_was_due_within_the_week_is_awaited_and_no_fault_yet(tmp_path: Path) -> None:
    verdict = site(tmp_path / "folder", drop("keys-destroyed", DUE - 1))
    assert verdict.ok
    awaited = [day for day, state in states(verdict).items() if state.state == "awaited"]
    assert awaited == list(range(DUE - 7, DUE))
    unstated = site(tmp_path / "today", drop("keys-destroyed", DUE))
    assert unstated.ok and states(unstated)[DUE].state == "held", "it is due this very day"


@pytest.mark.parametrize(("ago", "missed"), [(0, False), (8, False), (9, True)])
def test_a_check_of_the_listed_keys_is_missed_once_it_is_older_than_eight_days(
    tmp_path: Path, ago: int, missed: bool
) -> None:
    """Officers list once a week, and look then whether the keys are the ring's own; a younger check makes it good."""
    days = (LAST, LAST + 1)
    verdict = site(tmp_path / "folder", lambda made: made.check_authority(*days, done=LAST - ago), checked=False)
    assert [fault.kind for fault in verdict.faults] == ["missing"] * missed

    def again(made: Site) -> None:
        made.check_authority(LAST, done=LAST - ago)
        made.check_authority(LAST + 1, done=LAST - 1)

    assert site(tmp_path / "again", again, checked=False).faults == ()


def test_an_authority_that_never_stated_a_check_is_missed_eight_days_after_its_first_list(tmp_path: Path) -> None:
    """A machine that plants a key states none; an authority may begin without one. Control: with one, above."""
    verdict = site(tmp_path / "folder", checked=False)
    (fault,) = verdict.faults
    assert fault.kind == "missing" and f"Since {CALENDAR.date(FIRST)} no officers of {AUTHORITY}" in fault.reason
    by, whose = (f"{AUTHORITY}/officer-1", f"{AUTHORITY}/officer-2"), {"authority": AUTHORITY}
    keys = {day: AuthorityKey(bytes(32), commitment(day)) for day in range(FIRST, FIRST + 15)}
    days = AuthorityDays([LogEntry(3, AUTHORITY_KEYS.kind, {**whose}, by, stated=AuthorityList(AUTHORITY, keys))])
    assert days.unchecked(CALENDAR.date(FIRST + 8)) == []
    assert days.unchecked(CALENDAR.date(FIRST + 9)) == [(AUTHORITY, CALENDAR.date(FIRST), 3)]


def test_a_check_of_another_key_than_was_listed_is_named(tmp_path: Path) -> None:
    """Control: the listed commitment, above."""
    verdict = site(tmp_path / "folder", lambda made: made.check_authority(LAST, commitment="ab" * 32))
    (fault,) = verdict.faults
    assert fault.kind == "altered" and "another key" in fault.reason


def test_an_end_stated_late_is_shown_late(tmp_path: Path) -> None:
    def change(made: Site) -> None:
        drop("keys-destroyed", DUE - 1)(made)
        made.destroy_authority(DUE - 1, late=1)

    verdict = site(tmp_path / "folder", change)
    assert states(verdict)[DUE - 1].state == "late"


def planted(made: Site, fault: str) -> int:
    """The place of the lie in the log."""
    late = FIRST + 21
    match fault:
        case "commitment":
            drop("keys-destroyed", late)(made)
            return made.destroy_authority(*range(late, late + 7), commitment="00" * 32)
        case "unlisted":
            return made.destroy_authority(FIRST - 40)
        case "second key":
            return made.list_authority(LAST, commitment="00" * 32)
        case "too early":
            return made.destroy_authority(LAST, late=-3)
        case _:
            return made.destroy_authority(late, late=2)


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("commitment", "altered", "is not the one that entry"),
        ("unlisted", "altered", "was never listed"),
        ("second key", "contradicts", "lists another key"),
        ("too early", "altered", "before it was due"),
        ("second date", "contradicts", "states something else"),
    ],
)
def test_a_lie_that_officers_signed_and_logged_is_named(tmp_path: Path, fault: str, kind: str, sentence: str) -> None:
    """Whatever two officers sign, what was listed before stands beside it."""
    places: list[int] = []
    verdict = site(tmp_path / "folder", lambda made: places.append(planted(made, fault)))
    named = [found for found in verdict.faults if found.path == f"log entry {places[0]}"]
    assert named and {found.kind for found in named} == {kind} and sentence in named[0].reason
    if fault == "commitment":
        assert states(verdict)[FIRST + 21].state == "missing", "and it is no statement about the key that was listed"
    else:
        assert len(verdict.faults) == len(named)


def test_a_statement_before_its_list_is_named(tmp_path: Path) -> None:
    def change(made: Site) -> None:
        made.destroy_authority(FIRST - 1)
        made.list_authority(FIRST - 1)

    assert [fault.kind for fault in site(tmp_path / "folder", change).faults] == ["reordered"]


def test_an_end_that_was_stated_before_it_came_is_named_for_good(tmp_path: Path) -> None:
    """Two officers stated it while the key lived; the audit after it tells on which day that was."""

    def change(made: Site) -> None:
        for day in (DUE - 1, DUE):
            drop("keys-destroyed", day)(made)
        places.append(made.destroy_authority(*range(FIRST + 35, DUE)))
        made.conclude(FIRST + 35 + 28 - 1)
        places.append(made.destroy_authority(LAST - 1))

    places: list[int] = []
    verdict = site(tmp_path / "folder", change)
    faults = [fault for fault in verdict.faults if "had not come" in fault.reason]
    assert {fault.path for fault in faults} == {f"log entry {place}" for place in places}
    assert {fault.kind for fault in faults} == {"altered"}


def test_a_second_key_does_not_hide_an_end_that_had_not_come() -> None:
    """Both lies are named: what the one is about changes nothing in the day on which the other is judged."""
    by, whose = (f"{AUTHORITY}/officer-1", f"{AUTHORITY}/officer-2"), {"authority": AUTHORITY}
    pairs = [{day: bytes([number]) * 32 for day in (FIRST, FIRST + 60)} for number in (1, 2)]
    keys = [{day: AuthorityKey(public, commitment(day)) for day, public in pair.items()} for pair in pairs]
    lists = [
        LogEntry(number, AUTHORITY_KEYS.kind, {**whose}, by, stated=AuthorityList(AUTHORITY, some))
        for number, some in enumerate(keys)
    ]
    gone = {FIRST: DestroyedKey(commitment(FIRST), FIRST + 28)}
    days = AuthorityDays(
        [*lists, LogEntry(2, AUTHORITY_DESTROYED.kind, {**whose}, by, stated=DestroyedList(AUTHORITY, gone))]
    )
    named = [(entry.index, kind) for entry, kind, _ in days.quarrels(CALENDAR.date(FIRST + 27))]
    assert named == [(1, "contradicts"), (1, "contradicts"), (2, "altered")]


@pytest.mark.parametrize("officers", [(1,), (1, 1)])
def test_one_officer_states_nothing(tmp_path: Path, officers: tuple[int, ...]) -> None:
    """The log would not take it; a log that did is found out."""
    gone = DestroyedList(AUTHORITY, {FIRST: DestroyedKey(commitment(FIRST), FIRST + 28)})
    verdict = site(tmp_path / "folder", lambda made: made.say_officers(gone.text(), *officers))
    assert [fault.kind for fault in verdict.faults] == ["altered"] and "two officers" in verdict.faults[0].reason


def test_officers_of_one_authority_do_not_speak_for_another(tmp_path: Path) -> None:
    """Nor do two services."""
    for number, name in enumerate(("other.example", "retention.example")):
        gone = DestroyedList(name, {FIRST: DestroyedKey(commitment(FIRST), FIRST + 28)})
        verdict = site(tmp_path / str(number), lambda made, gone=gone: made.say_officers(gone.text()))  # type: ignore[misc]
        assert [fault.kind for fault in verdict.faults] == ["altered"]


def test_an_officer_whom_nobody_pinned_is_a_forgery(tmp_path: Path) -> None:
    gone = DestroyedList("evil.example", {FIRST: DestroyedKey(commitment(FIRST), FIRST + 28)})
    verdict = site(tmp_path / "folder", lambda made: made.say_officers(gone.text(), authority="evil.example"))
    assert [fault.kind for fault in verdict.faults] == ["forged"]


def test_a_log_of_a_deployment_whose_authority_logs_nothing_has_no_such_days(tmp_path: Path) -> None:
    """And the daily audit says that this could not be looked at."""
    folder = Site.make(tmp_path / "folder").write()
    verdict = verify(Evidence.of_folder(folder))
    assert verdict.ok and states(verdict) == {}
    assert look(folder).result is PointResult.NOT_RUN


def look(folder: Path) -> Point:
    """The line of the retention service's own audit about the authority."""
    note = (folder / "checkpoint.txt").read_text(encoding="utf-8")
    audit = LogAudit(
        "retention.example",
        folder / "log",
        lambda path: (folder / "log" / path).read_bytes(),
        note,
        signer("retention.example/log").verifier,
    )
    (point,) = [point for point in audit.points(None, CALENDAR.date(LAST), {}) if point.name == POINT]
    return point


def test_the_daily_audit_has_a_line_about_the_authority(tmp_path: Path) -> None:
    """It passes, and fails with the days that are missing and the entries that lie."""
    site(tmp_path / "good")
    assert look(tmp_path / "good").line() == (
        f"pass authority-keys retention.example 43 of 43 listed keys that were due by {CALENDAR.date(LAST)} are "
        "stated to be destroyed, none is overdue."
    )
    site(tmp_path / "missing", drop("keys-destroyed", FIRST + 21))
    missing = look(tmp_path / "missing")
    assert missing.result is PointResult.FAIL and f"its key for {CALENDAR.date(FIRST + 21)}" in missing.evidence
    site(tmp_path / "lie", lambda made: planted(made, "second key"))
    assert look(tmp_path / "lie").result is PointResult.FAIL
