"""The simulation: `checkin simulate`, as a real command with three real services, over thirty days of a tiny town."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import chain, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin.audit.point import AUDIT, Point, PointResult
from checkin.cli import app
from checkin.deployment.deployment import SERVICES
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.simulation.holding import failed
from checkin.simulation.plan import Mishap, Plan, Size, contacts, patient_of
from checkin.simulation.simulation import _announced, _many
from tests.support.commands import command

TOWN = Size(people=4, venues=2, days=30, seed=3)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The folder, the numbers and the telling of one simulation."""
    folder = tmp_path_factory.mktemp("simulation") / "town"
    sizes = [f"--{name}={value}" for name, value in vars_of(TOWN).items()]
    options = ["--dir", str(folder), "--json", "--report", str(folder.parent / "town.html")]
    line = [sys.executable, "-m", "checkin", "simulate", *sizes, *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return folder, json.loads(done.stdout), done.stderr


def vars_of(size: Size) -> dict[str, int]:
    """By the names of the command's options."""
    return {"people": size.people, "venues": size.venues, "days": size.days, "seed": size.seed}


def test_a_trace_finds_exactly_those_whom_the_town_knows_to_have_been_there(
    lived: tuple[Path, dict[str, Any], str],
) -> None:
    """Nobody is missed and nobody is found who was not there; the town's truth is worked out from its plan alone."""
    _, numbers, _ = lived
    trace, plan = numbers["trace"], Plan(TOWN)
    first, last = trace["about"]
    true = contacts(plan, patient_of(plan, first, last), first, last)
    assert 0 < len(true) == trace["contacts"] == trace["found"]
    assert trace["precision"] == trace["recall"] == 1
    assert trace["told"] == len(true) + 1  # the patient, too, learns that the codes were asked for


def test_days_are_destroyed_when_they_are_28_days_old_and_no_sooner(lived: tuple[Path, dict[str, Any], str]) -> None:
    """Nobody presses a button; each destroyed day has a report of both services in the log."""
    _, numbers, _ = lived
    assert (numbers["held_days"], numbers["destroyed_days"], numbers["overdue_days"]) == (28, 2, 0)
    assert numbers["reports"] == 4
    assert numbers["audits"].keys() == {"pass"}
    assert numbers["points"]["pass"] > 10 and "fail" not in numbers["points"]


def test_every_code_that_was_scanned_has_an_end(lived: tuple[Path, dict[str, Any], str]) -> None:
    """Each visit of the plan is accepted once; what is refused are pictures and second uses, and nothing is lost."""
    _, numbers, _ = lived
    visits = list(chain.from_iterable(Plan(TOWN).days))
    frozen, twice = (sum(visit.mishap is what for visit in visits) for what in (Mishap.FROZEN, Mishap.TWICE))
    assert numbers["accepted"] == len(visits)
    assert numbers["refused"]["token_expired"] == frozen > 0
    assert numbers["refused"]["already_used"] + numbers["conflicts"] == twice > 0
    assert numbers["check_ins"] == len(visits) + frozen + twice
    assert numbers["batches"] == TOWN.people * TOWN.days


def test_no_evening_holds_more_than_28_days(lived: tuple[Path, dict[str, Any], str]) -> None:
    """Beside the running services, in every evening; one day more each time until the first is destroyed."""
    _, numbers, _ = lived
    assert [evening["held"] for evening in numbers["evenings"]] == [min(day, 28) for day in range(1, 31)]
    assert numbers["evenings"][-1]["visits"] == numbers["visits_held"]
    assert sum(numbers["scans_by_hour"].values()) == numbers["check_ins"]


class Page(HTMLParser):
    """Texts by the tag they stand in, and what is fetched from elsewhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.fetched: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "rect", "line"):
            self._open.append(tag)
        self.fetched += [f"{name} of {tag}" for name, _ in attrs if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.texts.setdefault(self._open[-1], []).append(data.strip())


def test_the_page_of_plots_says_each_number_in_a_table_and_each_sentence_in_two_languages(
    lived: tuple[Path, dict[str, Any], str],
) -> None:
    """Who sees no bars hears of each plot what it is and what it shows, and reads the numbers; nothing is fetched."""
    folder, numbers, _ = lived
    page = Page(folder.parent / "town.html")
    assert page.fetched == [] and "script" not in page.texts
    assert len(page.texts["title"]) == 1 + 5 and len(page.texts["desc"]) == 5
    assert all(re.search("[가-힣]", text) for text in page.texts["title"] + page.texts["desc"])
    evenings, traces = numbers["evenings"], numbers["traces"]
    wanted = [evening["held"] for evening in evenings]
    wanted += [evening[what] for evening in evenings for what in ("visit_bytes", "ledger_bytes")]
    wanted += list(numbers["scans_by_hour"].values()) + [trace["seconds"] for trace in traces]
    wanted += [trace[what] for trace in traces for what in ("recall", "precision")]
    assert [text.replace(",", "") for text in page.texts["td"]] == [str(number) for number in wanted]


def test_no_service_has_an_error_to_tell_of(lived: tuple[Path, dict[str, Any], str]) -> None:
    """In thirty days not one line of any log."""
    folder, numbers, _ = lived
    lines = [line for name in SERVICES for line in (folder / "logs" / f"{name}.log").read_text().splitlines()]
    assert len(lines) > 2 * TOWN.days
    errors = [line for line in lines if json.loads(line)["level"] in ("error", "critical")]
    assert [line for line in errors if "audit_point_not_run" not in line] == []  # the audit itself says that
    assert numbers["server_errors"] == 0


def test_without_a_terminal_plain_lines_say_how_far_it_is(lived: tuple[Path, dict[str, Any], str]) -> None:
    """First how long it may take, then how far it is and how much is left; no control codes."""
    told = lived[2]
    assert "on two cores." in told
    assert "day 30 of 30" in told and "a second, 0:00 left" in told
    assert "\x1b" not in told


def test_a_seed_makes_one_town_and_another_seed_another() -> None:
    """Who goes where, with what mishap, and which gates have no network."""
    first, again, other = Plan(TOWN), Plan(TOWN), Plan(Size(4, 2, 30, 4))
    assert (first.days, first.outages, first.people) == (again.days, again.outages, again.people)
    assert first.days != other.days


def test_the_town_knows_its_contacts_to_the_minute() -> None:
    """Two hours before and after, at the same venue; counted once more in the plainest way."""
    plan = Plan(Size(30, 4, 6, 1))
    visits = list(chain.from_iterable(plan.days))
    for patient in range(30):
        pairs = product([one for one in visits if one.who == patient and one.day in (2, 3)], visits)
        near = [b for a, b in pairs if a.where == b.where and -120 <= a.moment - b.moment <= 120]
        assert contacts(plan, patient, 2, 3) == {visit.who for visit in near} - {patient}


def test_one_of_a_thing_is_told_as_one() -> None:
    """Nobody reads of 1 venues."""
    told = _announced(Plan(Size(people=2, venues=1, days=1, seed=1)))
    assert "2 people, 1 venue with " in told
    assert ", 1 day (seed 1): " in told
    assert [_many(count, "visit") for count in (0, 1, 1200)] == ["0 visits", "1 visit", "1,200 visits"]


@pytest.mark.parametrize("wrong", ["--people=1", "--venues=0", "--days=0", "--days=1000", "--seed=-1", "--people=many"])
def test_numbers_that_make_no_town_are_refused_by_name(wrong: str) -> None:
    """Before anything is started."""
    done = command("simulate", wrong)
    assert done.returncode == 2
    assert f"Invalid value for '{wrong.partition('=')[0]}'" in done.stderr


def test_a_page_for_which_there_is_no_folder_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    """Not after half an hour."""
    done = command("simulate", "--report", str(tmp_path / "nowhere" / "town.html"), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "settings_invalid"


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    """Here a folder has its name."""
    done = command("simulate", "--report", str(tmp_path), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "file_trouble"
    assert "A town" not in done.stderr


def test_numbers_are_told_also_where_the_page_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The disk filled up meanwhile. One object tells both."""

    def write(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ended = SimpleNamespace(summary=lambda: {"ok": True}, faults=list)
    monkeypatch.setattr("checkin.cli.simulate.live", lambda *_: ended)
    monkeypatch.setattr("checkin.cli.simulate.report_html", lambda _: "")
    monkeypatch.setattr(Path, "write_text", write)
    run = CliRunner().invoke(app, ["simulate", "--report", str(tmp_path / "town.html"), "--json"])
    assert run.exit_code == 1
    told = json.loads(run.stdout)
    assert (told["ok"], told["error"]["code"]) == (True, "file_trouble")
    assert run.stderr.startswith("checkin: file_trouble: ")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """Nobody's files are overwritten."""
    (tmp_path / "mine.txt").write_text("mine")
    done = command("simulate", "--dir", str(tmp_path), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "settings_invalid"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_of_an_audit_that_failed_the_day_and_the_line_are_told() -> None:
    """Whoever reads the end of a log, and has nothing else, knows where to look."""
    good, bad = (
        Point("log-files", "retention.example", result, "So it is.") for result in (PointResult.PASS, PointResult.FAIL)
    )
    told = failed([{"note": _audit("2026-12-02", good, bad)}, {"note": _audit("2026-12-01", good)}])
    assert told == ["2026-12-02, retention.example, log-files: So it is."]


def _audit(day: str, *points: Point) -> str:
    named = dict.fromkeys(("size", "root", "previous"), "1")
    lines = [point.line() for point in points]
    text = AUDIT.write({"service": "retention.example", "day": day, "result": "fail", **named, "point": lines})
    return sign_note(text, NoteSigner("retention.example", SigningKey(bytes(32))))
