"""The health authority looks through its own folder: nothing of a destroyed day is left, and its end is in the log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.audit.authority_audit import AuthorityAudit
from checkin.audit.point import Point, PointResult
from checkin.cli.authority import app
from checkin.keys.officer_folder import load_signer
from checkin.parties.authority_folder import AuthorityFolder
from checkin.parties.renewal import exchange_officers
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.proof import PinnedLog
from retention.log import Log
from tests.checkin.audit.evidence import CALENDAR, LAST

LOG = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
PINNED = PinnedLog(LOG.verifier)
NOW = CALENDAR.start(LAST) + 3600


class Office:
    """An authority one of whose keys is destroyed and stated in a log, and another destroyed since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        begun = CALENDAR.start(LAST - 29)
        self.authority = AuthorityFolder.init(
            folder, "health.example", officers=3, threshold=2, now=begun, allow_unfit=True
        )
        self.authority.make_keys(begun)
        self.authority.list_keys(begun)
        self.authority.destroy_due(NOW - 86400, confirm_clock=True)
        self.log = Log(folder.parent / "log", LOG)
        self.state()
        self.authority.destroy_due(NOW)

    def state(self) -> None:
        """What is destroyed, signed and logged."""
        stated = self.authority.state_destroyed()
        assert stated
        self.log_text(stated.text())

    def log_text(self, text: str) -> None:
        """A list or statement, signed and logged."""
        note = sign_note(text, *(load_signer(self.folder / f"officers/{number}") for number in (1, 2)))
        (place,) = self.log.append([note.encode()])
        self.authority.keep_logged(place, note, self.log.proof(place))

    def look(self, now: float = NOW) -> dict[str, Point]:
        """The points, by name."""
        authority = AuthorityFolder.open(self.folder, allow_unfit=True)
        return {point.name: point for point in AuthorityAudit(authority, now, PINNED).points()}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "authority")


def slot(office: Office, day: int) -> Path:
    return office.folder / f"ring/authority-{day}.slot"


def test_a_folder_in_order_passes(office: Office) -> None:
    """A key that was destroyed today waits for the officers without being a fault."""
    points = office.look()
    assert {point.result for point in points.values()} == {PointResult.PASS}
    assert points["statements-logged"].evidence == (
        "The end of 1 keys is in the log, signed by 2 officers; 1 wait for the officers, none for over a week."
    )
    assert points["destroyed-keys"].evidence.startswith("2 destroyed keys are absent and were overwritten; 13 live")


def test_a_folder_whose_officers_were_exchanged_passes_with_what_former_ones_stated(office: Office) -> None:
    exchange_officers(office.authority, [office.folder / "officers" / number for number in "23"], 4, 3)
    points = office.look()
    assert {point.result for point in points.values()} == {PointResult.PASS}
    assert points["statements-logged"].evidence.startswith("The end of 1 keys is in the log")


def test_a_destroyed_days_slot_that_is_still_there_is_found(office: Office) -> None:
    """As when somebody puts a copy back, or a run was cut short for good."""
    shutil.copy(slot(office, LAST - 20), slot(office, LAST - 29))
    points = office.look()
    assert points["destroyed-keys"].result is PointResult.FAIL
    assert f"{CALENDAR.date(LAST - 29)} has a tombstone and is still there" in points["destroyed-keys"].evidence
    assert points["oldest-day"].result is PointResult.FAIL


def test_a_statement_that_is_missing_for_a_week_is_found(office: Office) -> None:
    """The day was destroyed yesterday or a week ago; nobody can be shown that."""
    shutil.rmtree(office.folder / "logged")
    assert office.look()["statements-logged"].result is PointResult.PASS
    point = office.look(NOW + 86400 * 7)["statements-logged"]
    assert point.result is PointResult.FAIL and CALENDAR.date(LAST - 29) in point.evidence
    assert (CALENDAR.date(LAST - 28) in point.evidence) is False, "that one has a day left"


def unlinked(office: Office) -> str:
    (office.folder / f"ring/authority-{LAST - 29}.overwritten").unlink()
    return "unlinked and not overwritten"


def lost(office: Office) -> str:
    slot(office, LAST - 20).unlink()
    return "gone without a tombstone"


def swapped(office: Office) -> str:
    shutil.copy(slot(office, LAST - 20), slot(office, LAST - 21))
    return "another key than the one that was listed"


def copied(office: Office) -> str:
    shutil.copy(slot(office, LAST - 20), office.folder / "backup.slot")
    return "backup.slot"


def strange(office: Office) -> str:
    (office.folder / "ring/notes.txt").write_text("hello")
    return "ring/notes.txt"


def forged(office: Office) -> str:
    (path,) = (office.folder / "logged").glob("*.txt")
    path.write_text(path.read_text().replace(CALENDAR.date(LAST - 1), CALENDAR.date(LAST)))
    return "does not verify"


def another_log(office: Office) -> str:
    log = Log(office.folder.parent / "other", NoteSigner("other.example/log", SigningKey(b"\x06" * 32)))
    ((_, (note, _)),) = office.authority.logged().items()
    (place,) = log.append([note.encode()])
    office.authority.keep_logged(place, note, log.proof(place))
    return "note_untrusted"


@pytest.mark.parametrize("plant", [unlinked, lost, swapped, copied, strange, forged, another_log])
def test_what_was_planted_is_found(office: Office, plant: Callable[[Office], str]) -> None:
    """Each alone makes one line fail, and the line says what it is."""
    found = plant(office)
    failed = [point.evidence for point in office.look().values() if point.result is PointResult.FAIL]
    assert len(failed) == 1 and found in failed[0]


def test_a_listed_key_that_was_carried_off_is_missed_also_after_its_day(office: Office, tmp_path: Path) -> None:
    """A thief takes a slot away whole, to open the day whenever he likes: no later list makes the audit forget it."""
    day = LAST - 20
    office.log_text(office.authority.list_keys(NOW).text())
    assert office.look()["destroyed-keys"].result is PointResult.PASS
    slot(office, day).rename(tmp_path / "stolen.slot")
    later = NOW + 20 * 86400
    office.authority.destroy_due(later, confirm_clock=True)
    office.authority.make_keys(later)
    office.authority.list_keys(later)
    assert day not in office.authority.listed(), "its own list does not go back so far"
    point = office.look(later)["destroyed-keys"]
    assert point.result is PointResult.FAIL
    assert f"the key of {CALENDAR.date(day)} was listed and is gone without a tombstone" in point.evidence


def test_the_command_shows_the_lines_and_fails_when_one_does(office: Office) -> None:
    """For a person and for a program."""
    args = ["keys", "status", "--dir", str(office.folder), "--allow-unfit-storage"]
    office.authority.destroy_due(NOW + 400 * 86400, confirm_clock=True)
    done = CliRunner().invoke(app, [*args, "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.output)
    assert shown["result"] == "pass" and len(shown["points"]) == 4
    assert [point["result"] for point in shown["points"]].count("not-run") == 1, "there is no parties.toml"
    strange(office)
    told = CliRunner().invoke(app, args)
    assert told.exit_code == 1 and "✗ Every file, table and column is declared (failed)" in told.output
