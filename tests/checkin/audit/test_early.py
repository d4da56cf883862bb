"""A day that was destroyed before it was due: told as that where officers ordered it, and a fault where nobody did."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.audit.auditor import verify
from checkin.audit.evidence import Evidence
from checkin.cli import app
from checkin.protocol.note import sign_note
from checkin.purge.statement_store import EARLY_DESTRUCTION, KEY_DESTROYED
from tests.checkin.audit.evidence import AUTHORITY, CALENDAR, LAST, Site, signer

SERVICE = "registry.example"
DAY = LAST - 2
TODAY = CALENDAR.date(LAST)


def order(officers: int = 2, service: str = SERVICE, day: int = LAST, first: int = DAY, last: int = DAY) -> str:
    """What officers and the service sign."""
    days = {name: CALENDAR.date(value) for name, value in (("first", first), ("last", last), ("day", day))}
    text = EARLY_DESTRUCTION.write({"authority": AUTHORITY, "service": service, "reason": "A theft.", **days})
    return sign_note(text, *(signer(f"{AUTHORITY}/officer-{n}") for n in range(1, officers + 1)), signer(service))


def folder(path: Path, *before: str, after: str = "") -> Path:
    """Evidence in which the day was destroyed today, with these notes before or after its report."""
    site = Site.make(path)
    site.notes += before
    site.report(SERVICE, DAY, closing="-", done=TODAY)
    site.notes += [after] if after else []
    site.conclude()
    return site.write()


def test_a_day_that_officers_had_destroyed_is_shown_as_that(tmp_path: Path) -> None:
    keys = ["--vkeys", str(folder(tmp_path / "e", order()) / "vkeys.txt")]
    told = CliRunner().invoke(app, ["audit", "verify", "--dir", str(tmp_path / "e"), *keys])
    assert told.exit_code == 0, told.output
    assert re.search(rf"1482 records destroyed {TODAY} early, by 2 officers, report \d+: A theft\.\n", told.output)
    assert "destroyed early, by officers' order" in told.output
    found = json.loads(
        CliRunner().invoke(app, ["audit", "verify", "--dir", str(tmp_path / "e"), *keys, "--json"]).output
    )
    [day] = [day for day in found["days"] if day["state"] == "early"]
    assert (day["service"], day["day"]) == (SERVICE, CALENDAR.date(DAY))
    assert day["by"] == f"{AUTHORITY}/officer-1, {AUTHORITY}/officer-2"
    shown = CliRunner().invoke(app, ["audit", "show", "--dir", str(tmp_path / "e")]).output
    date = CALENDAR.date(DAY)
    assert f"  {date} destroyed early on {TODAY}, ordered by 2 officers: A theft.\n" in shown
    page = (tmp_path / "e/audit.html").read_text()
    assert "앞당겨 파기됨" in page and '<q dir="auto">A theft.</q>' in page


NOT_ORDERED: dict[str, dict[str, int | str]] = {
    "of another service": {"service": "issuer.example"},
    "of other days": {"first": DAY - 2, "last": DAY - 1},
    "by one officer": {"officers": 1},
    "by the service alone": {"officers": 0},
}


@pytest.mark.parametrize("case", [*NOT_ORDERED, "of nobody", "after it"])
def test_a_service_that_destroys_early_by_itself_is_caught(tmp_path: Path, case: str) -> None:
    if case == "after it":
        found = verify(Evidence.of_folder(folder(tmp_path, after=order())))
    else:
        notes = [order(**NOT_ORDERED[case])] if case in NOT_ORDERED else []  # type: ignore[arg-type]
        found = verify(Evidence.of_folder(folder(tmp_path, *notes)))
    reasons = [fault.reason for fault in found.faults]
    assert any(reason.startswith("It was destroyed before it was due") for reason in reasons), reasons
    assert not any(day.state == "early" for day in found.days)


@pytest.mark.parametrize(("purpose", "ordered"), [("intake", True), ("intake", False), ("signing", True)])
def test_a_key_of_scans_that_wait_ends_early_by_officers_word_alone(
    tmp_path: Path, purpose: str, ordered: bool
) -> None:
    """What was queued under it is lost; and no order is about a key that signs."""
    site = Site.make(tmp_path)
    site.notes += [order(first=LAST, last=LAST)] if ordered else []
    site.say(SERVICE, KEY_DESTROYED, key=f"{purpose}-{LAST}", commitment="ab" * 32, due=TODAY, done=TODAY)
    site.conclude()
    site.write()
    reasons = [fault.reason for fault in verify(Evidence.of_folder(tmp_path)).faults]
    allowed = purpose == "intake" and ordered
    assert any(reason.startswith("The key was destroyed before it was due") for reason in reasons) != allowed, reasons
