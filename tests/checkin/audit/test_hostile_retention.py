"""A retention service that lies in every member of every answer: the auditor is told so in a line, and keeps nothing of
it anywhere but in the new folder that was named."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkin.audit.evidence import Evidence, Pinned
from checkin.audit.retention_answers import Reader
from checkin.cli import app
from checkin.errors import CheckinError, ServiceError, Unreachable
from checkin.http.client import Client
from checkin.protocol.note import sign_note
from checkin.tlog.checkpoint import Checkpoint
from tests.checkin.audit.evidence import Site, signer
from tests.checkin.audit.liar import ESCAPES, GONE, LIES, Liar, Recorder, lied, lying, members
from tests.checkin.audit.office import Office
from tests.support.retention_service import Retention, Service, pinned
from tests.support.service_folder import DAY

ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Truth:
    """What a real retention service answered, parsed where it is JSON."""

    def __init__(self, heard: dict[str, bytes], vkeys: str) -> None:
        self.heard = heard
        self.json = {target: json.loads(data) for target, data in heard.items() if target.startswith("/v1/")}
        self.vkeys = vkeys


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Of a log with a purge report of each of two days, and an audit."""
    service = Service()
    service.server.routes["/v1/audit"] = lambda: {}
    retention = Retention(tmp_path_factory.mktemp("truth") / "retention", pinned(service))
    for day in (0, 1):
        service.make_key(DAY - 28 + day)
        service.report(DAY - 28 + day)
    office = Office(retention)
    office.schedule.ask(office.parts.settings.services[0])
    office.audit()
    office.close()
    with retention.client() as client:
        keys = client.get("/v1/keys").json()
        vkeys = "".join(f"{vkey}\n" for vkey in [keys["retention"], keys["log"], *keys["services"].values()])
        with Recorder(str(client.base_url)) as recorder:
            evidence = Evidence.online(recorder, Pinned.read(vkeys))
            size = Checkpoint.read(evidence.checkpoint.decode().partition("\n\n")[0] + "\n").size
            evidence.contents(size)
    service.server.stop()
    return Truth(recorder.heard, vkeys)


@pytest.fixture(scope="module")
def liar(truth: Truth) -> Iterator[Liar]:
    """One server for all lies, told the truth to begin with."""
    with lying(Liar()) as made:
        made.answers = dict(truth.heard)
        yield made


@pytest.fixture
def desk(tmp_path: Path, truth: Truth) -> Path:
    """The auditor's folder, with the pinned keys."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "vkeys.txt").write_text(truth.vkeys)
    return tmp_path


def verify(liar: Liar, desk: Path, *more: str) -> Result:
    """`checkin audit verify --url …`; whatever is no error of ours is raised."""
    keys = str(desk / "keys" / "vkeys.txt")
    return run("audit", "verify", "--url", liar.url, "--vkeys", keys, *more)


READ = {"reports", "audits", "index", "place", "service", "day", "note"}
"""Members that the verdict rests on: about these, every lie; about others, two each in turn."""
TURNS = itertools.cycle(LIES)


def lies_about(place: tuple[str | int, ...]) -> list[Any]:
    """Which lies a member is tried with."""
    if not place or (place[0] in READ and place[-1] in READ and 1 not in place):
        return list(LIES)
    return [next(TURNS) for _ in range(2)]


def run(*words: str) -> Result:
    """A command in this process; its output is what a terminal gets, errors of ours as `main` prints them."""
    done = CliRunner().invoke(app, words)
    if done.exception and not isinstance(done.exception, (SystemExit, CheckinError)):
        raise done.exception
    return done


def tree(folder: Path) -> dict[str, bytes]:
    """Every file by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_lie_in_any_member_of_any_answer_changes_the_verdict_unseen(liar: Liar, truth: Truth, desk: Path) -> None:
    """Each member in turn: an error in one line, a fault, or the very verdict and files that the truth gives."""
    honest = verify(liar, desk, "--json", "--save", str(desk / "honest"))
    assert honest.exit_code == 0, honest.output
    kept, before = tree(desk / "honest"), tree(desk)
    count, told_of = 0, set()
    for target, answer in truth.json.items():
        for place in members(answer):
            for lie in lies_about(place):
                liar.answers = truth.heard | {target: lied(answer, place, lie)}
                save = desk / f"save-{count}"
                count += 1
                done = verify(liar, desk, "--json", "--save", str(save))
                told = (target, place, str(lie)[:40])
                told_of.add(str(lie))
                if done.exit_code == 0:
                    assert json.loads(done.output) == json.loads(honest.output), told
                    assert tree(save).items() <= kept.items(), told
                elif save.exists():
                    assert tree(save).items() <= kept.items(), told
                after = {name: data for name, data in tree(desk).items() if not name.startswith("save-")}
                assert after == before, told
    liar.answers = dict(truth.heard)
    assert count > 150 and len(told_of) == len(LIES)


@pytest.mark.parametrize("member", ["index", "service", "day", "note"])
@pytest.mark.parametrize(
    "lie",
    [GONE, None, -1, 2**70, "../../keys/vkeys", ESCAPES],
    ids=["gone", "null", "negative", "huge", "path", "escapes"],
)
def test_a_lie_in_what_names_a_report_is_never_a_success(
    liar: Liar, truth: Truth, desk: Path, member: str, lie: Any
) -> None:
    """Control: the truth is a success, above."""
    target = "/v1/purge-reports"
    liar.answers = truth.heard | {target: lied(truth.json[target], ("reports", 0, member), lie)}
    done = verify(liar, desk)
    assert done.exit_code == 1
    liar.answers = dict(truth.heard)


def test_a_report_shown_under_another_number_is_named(liar: Liar, truth: Truth, desk: Path) -> None:
    """In its order among the others, so that only the log tells."""
    target = "/v1/purge-reports"
    index = truth.json[target]["reports"][0]["index"]
    liar.answers = truth.heard | {target: lied(truth.json[target], ("reports", 0, "index"), index + 1)}
    done = verify(liar, desk)
    assert done.exit_code == 1 and "reordered" in done.output
    liar.answers = dict(truth.heard)


def test_an_audits_number_leads_nowhere_else(liar: Liar, truth: Truth, desk: Path) -> None:
    """What overwrote the pinned keys of an auditor once."""
    target = "/v1/audits"
    forged = lied(truth.json[target], ("audits", 0, "place"), "../../keys/vkeys")
    liar.answers = truth.heard | {target: forged}
    done = verify(liar, desk, "--save", str(desk / "saved" / "here"))
    assert isinstance(done.exception, ServiceError)
    assert (desk / "keys" / "vkeys.txt").read_text() == truth.vkeys
    liar.answers = dict(truth.heard)


def test_a_log_whose_entries_are_by_nobody_who_is_pinned_is_saved(liar: Liar, truth: Truth, desk: Path) -> None:
    """It is what was signed: only who stated the rest is not known."""
    (desk / "keys" / "vkeys.txt").write_text(truth.vkeys.splitlines()[1] + "\n")
    done = verify(liar, desk, "--save", str(desk / "saved"))
    assert done.exit_code == 1 and "Nothing was saved" not in done.output
    assert (desk / "saved" / "checkpoint.txt").read_bytes() == truth.heard["/checkpoint"]


def test_nothing_is_saved_over_what_is_there(liar: Liar, desk: Path) -> None:
    """A folder that holds something is refused, and left as it is."""
    (desk / "old").mkdir()
    (desk / "old" / "vkeys.txt").write_text("mine")
    done = verify(liar, desk, "--save", str(desk / "old"))
    assert done.exit_code == 1 and "not empty" in str(done.exception)
    assert tree(desk / "old") == {"vkeys.txt": b"mine"}


def test_an_answer_that_is_a_list_is_one_line(liar: Liar, truth: Truth, desk: Path) -> None:
    """Or no JSON, or too deep to read."""
    for body in (b"[1,2]", b"<html>", b"[" * 100_000, b'{"reports":' * 50_000, b"\xff"):
        for target in ("/v1/purge-reports", "/v1/audits"):
            liar.answers = truth.heard | {target: body}
            tried = [verify(liar, desk)]
            if target == "/v1/audits":
                tried.append(run("audit", "show", "--url", liar.url))
            for done in tried:
                assert done.exit_code == 1
                assert isinstance(done.exception, (ServiceError, Unreachable)) and "\n" not in str(done.exception)
    liar.answers = dict(truth.heard)


class Endless(Liar):
    """Its lists never end: each page is one report older."""

    number = 2**24
    lock = threading.Lock()

    def answer(self, target: str) -> bytes | None:
        """A page."""
        self.asked.append(target)
        with self.lock:
            self.number -= 1
        report = {"index": self.number, "service": "x.example", "day": "2026-11-20", "note": "x" * 1000}
        return json.dumps({"reports": [report]}).encode()


def test_lists_that_never_end_are_left() -> None:
    """Bounded in pages, in bytes and in time."""
    endless = Endless()
    with lying(endless), Client(endless.url) as client:
        with pytest.raises(ServiceError, match="do not end"):
            Reader(client, pages=20).reports()
        assert len(endless.asked) == 20
        with pytest.raises(ServiceError, match="more than any log"):
            Reader(client, size=5000).reports()
        with pytest.raises(ServiceError, match="too long"):
            Reader(client, seconds=0).reports()
        endless.number = 10
        with pytest.raises(ServiceError, match="documented form"):
            Reader(client).reports()


def test_a_list_that_repeats_itself_is_left(liar: Liar, truth: Truth, desk: Path) -> None:
    """The same page for every question."""
    page = truth.heard["/v1/purge-reports"]
    repeated = {target: page for target in truth.heard if target.startswith("/v1/purge-reports")}
    liar.answers = truth.heard | repeated
    done = verify(liar, desk)
    assert isinstance(done.exception, ServiceError) and "not in its order" in str(done.exception)
    liar.answers = dict(truth.heard)


def test_a_head_of_more_entries_than_there_are_is_left_after_a_few_questions(tmp_path: Path) -> None:
    """The log's own key signs 2^40 entries, or a million that are not there."""
    site = Site.make(tmp_path / "site")
    site.write()
    keys = (tmp_path / "site" / "vkeys.txt").read_text().splitlines(keepends=True)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "vkeys.txt").write_text("".join(key for key in keys if "witness" not in key))
    for size in (2**40, 2**20):
        with lying(Liar()) as liar:
            text = Checkpoint("retention.example/log", size, bytes(32)).write()
            head = sign_note(text, signer("retention.example/log"))
            liar.answers = {
                "/checkpoint": head.encode(),
                "/v1/purge-reports": b'{"reports": []}',
                "/v1/audits": b'{"audits": []}',
            }
            done = verify(liar, tmp_path)
            assert done.exit_code == 1
            assert len(liar.asked) < 1000


def test_escape_sequences_of_the_service_reach_no_terminal(liar: Liar, truth: Truth, desk: Path) -> None:
    """In every member of every answer, in faults and in errors; and in a note's own lines."""
    for target, answer in truth.json.items():
        for place in members(answer):
            if place and place[-1] not in READ:
                continue
            liar.answers = truth.heard | {target: lied(answer, place, ESCAPES)}
            for done in (verify(liar, desk), verify(liar, desk, "--json"), run("audit", "show", "--url", liar.url)):
                assert not ACTING.search(done.output), (target, place)
    liar.answers = dict(truth.heard)


def test_days_that_come_with_an_audit_are_of_its_form_and_do_not_act(liar: Liar, truth: Truth) -> None:
    """`checkin audit show` draws them: a name is text, a state one of six, and there is an end to them."""
    newest = truth.json["/v1/audits"]["audits"][0]
    day = {"day": "2026-11-20", "service": "\x1b[2Jregistry\u202e", "state": "held"}
    early = day | {"state": "early", "by": "\x1b[2J, \u202e", "reason": "\x1b[2Jno reason\u202e"}
    for days, good in (([day, early], True), ([day | {"state": "fine"}], False), ([day] * 6001, False)):
        told = json.dumps(newest | {"days": days}).encode()
        liar.answers = truth.heard | {f"/v1/audits/{newest['place']}": told}
        done = run("audit", "show", "--url", liar.url)
        assert not ACTING.search(done.output.replace("\n", ""))
        assert ("█ 1 kept" in done.output) == ("no reason" in done.output) == good
        assert good or isinstance(done.exception, ServiceError)
    liar.answers = dict(truth.heard)
