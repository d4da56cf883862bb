"""An outsider with vkeys.txt and a folder of files: what he can say, and that nobody can change a byte unseen."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.audit.auditor import verify
from checkin.audit.evidence import Evidence
from checkin.cli import app
from checkin.cli.audit import OWN_KEYS
from checkin.errors import SettingsInvalid
from checkin.protocol.note import NoteSigner, Signature, join_note, split_note, unverified_text
from checkin.protocol.primitives import SigningKey, random_bytes
from tests.checkin.audit.evidence import CALENDAR, FIRST, LAST, SERVICES, Site, signer

REGISTRY = "registry.example"


def faults(folder: Path) -> list[tuple[str, str]]:
    """(file, what happened to it)."""
    return [(fault.path, fault.kind) for fault in verify(Evidence.of_folder(folder)).faults]


def report(day: int, service: str = REGISTRY) -> str:
    """The file of a report."""
    return f"purge-reports/{service}-{CALENDAR.date(day)}.txt"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing is wrong; never changed."""
    return Site.make(tmp_path_factory.mktemp("evidence") / "folder").write()


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(honest, tmp_path / "copy"))


def test_an_outsider_can_say_for_each_of_sixty_days_what_was_destroyed_and_by_whom(honest: Path) -> None:
    """Both services, every day: destroyed with rows, day and report number, or kept until a day."""
    verdict = verify(Evidence.of_folder(honest))
    assert verdict.ok and verdict.date == CALENDAR.date(LAST)
    assert len(verdict.days) == 60 * len(SERVICES)
    for state in verdict.days:
        day = CALENDAR.parse_date(state.day)
        assert state.state == ("destroyed" if day <= LAST - 28 else "held")
        if state.index is not None:
            assert (state.rows, state.done) == ("1482", CALENDAR.date(day + 28))


def test_the_command_prints_each_day_in_a_line_that_fits_a_terminal_and_succeeds(honest: Path) -> None:
    """Exit status 0."""
    done = CliRunner().invoke(app, ["audit", "verify", "--dir", str(honest), "--vkeys", str(honest / "vkeys.txt")])
    assert done.exit_code == 0, done.output
    assert done.output.count("records destroyed") == 2 * 32 and "Nothing is wrong." in done.output
    assert max(len(line) for line in done.output.splitlines() if line.startswith("  ")) <= 80
    keys = ["--vkeys", str(honest / "vkeys.txt")]
    shown = CliRunner().invoke(app, ["audit", "verify", "--dir", str(honest), *keys, "--json"])
    assert json.loads(shown.output)["ok"] is True


def test_a_folder_under_its_own_keys_proves_nothing_about_who_made_it(honest: Path) -> None:
    """Whoever forges a folder forges its vkeys.txt: no exit status 0, no `ok`. Control: with pinned keys, above."""
    done = CliRunner().invoke(app, ["audit", "verify", "--dir", str(honest)])
    assert done.exit_code == OWN_KEYS
    assert "consistent under the folder's own keys, which proves nothing about who made it" in done.output
    assert "Nothing is wrong" not in done.output
    shown = CliRunner().invoke(app, ["audit", "verify", "--dir", str(honest), "--json"])
    assert shown.exit_code == OWN_KEYS
    assert {"ok": False, "pinned": False, "faults": []}.items() <= json.loads(shown.output).items()


def test_a_signature_line_of_an_unknown_key_is_ignored(folder: Path) -> None:
    """A witness that the reader has not pinned, and noise: C2SP signed-note, and as the public page does. Control: the
    same line under the name of a pinned key is no unknown one."""
    checkpoint = folder / "checkpoint.txt"
    genuine = checkpoint.read_text()
    text = unverified_text(genuine)
    stranger = NoteSigner("stranger.example", SigningKey(random_bytes(32)))
    checkpoint.write_text(genuine + stranger.sign(text))
    assert faults(folder) == []
    forged = Signature(REGISTRY, signer(REGISTRY).verifier.key_id, random_bytes(64)).line()
    checkpoint.write_text(genuine + forged)
    assert faults(folder) == []  # a service's key signs no checkpoints, so it is unknown here
    log = signer("retention.example/log").verifier
    checkpoint.write_text(genuine + Signature(log.name, log.key_id, random_bytes(64)).line())
    assert faults(folder) == [("checkpoint.txt", "altered")]


def test_a_byte_changed_in_any_file_is_named_as_such(folder: Path) -> None:
    """In every kind of file the first byte, the last and one at random; the file is among those that are named."""
    noise = random.Random(28)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    reports = [path for path in files if path.parent.name == "purge-reports"]
    assert len(files) - len(reports) > 5
    for path in [path for path in files if path not in reports[3:]]:
        genuine, name = path.read_bytes(), path.relative_to(folder).as_posix()
        for at in {0, noise.randrange(len(genuine)), len(genuine) - 1}:
            path.write_bytes(genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :])
            try:
                found = {file for file, _ in faults(folder)}
            except SettingsInvalid as error:
                found = {"vkeys.txt"} if "vkeys.txt" in error.detail else set()
            assert name in found, f"byte {at} of {name}"
        path.write_bytes(genuine)
    assert faults(folder) == []


def test_every_byte_of_one_report_and_of_the_checkpoint_counts(folder: Path) -> None:
    """All of them, one after the other."""
    for path in (folder / report(FIRST + 20), folder / "checkpoint.txt"):
        genuine, name = path.read_bytes(), path.relative_to(folder).as_posix()
        for at in range(0, len(genuine), 17 if name.startswith("purge") else 1):
            path.write_bytes(genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :])
            assert [file for file, _ in faults(folder)] == [name], f"byte {at} of {name}"
        path.write_bytes(genuine)


def test_a_file_that_is_taken_away_is_missed(folder: Path) -> None:
    """A report, a tile, the checkpoint."""
    (folder / report(FIRST + 3)).unlink()
    assert faults(folder) == [(report(FIRST + 3), "missing")]
    tile = next(path for path in (folder / "log/tile/entries").rglob("*") if path.is_file())
    tile.unlink()
    assert faults(folder)[0][0] == tile.relative_to(folder).as_posix()
    (folder / "checkpoint.txt").unlink()
    assert faults(folder) == [("checkpoint.txt", "missing")]


def test_a_forged_report_is_named(folder: Path, tmp_path: Path) -> None:
    """Signed by a key that nobody pinned, under the service's own name."""
    forger = NoteSigner(REGISTRY, SigningKey(random_bytes(32)))
    note = Site(tmp_path / "x").report(REGISTRY, FIRST + 5, by=forger)
    (folder / report(FIRST + 5)).write_text(note)
    assert faults(folder) == [(report(FIRST + 5), "forged")]


def test_a_genuine_report_that_was_never_logged_is_named(folder: Path, tmp_path: Path) -> None:
    """A service that says one thing to you and another to the log; and one that says it to you alone."""
    other = Site(tmp_path / "x").report(REGISTRY, FIRST + 5, rows="11")
    (folder / report(FIRST + 5)).write_text(other)
    assert faults(folder) == [(report(FIRST + 5), "contradicts")]
    alone = Site(tmp_path / "x").report(REGISTRY, FIRST + 50)
    shutil.copy(folder / report(FIRST + 6), folder / report(FIRST + 5))
    (folder / report(FIRST + 50)).write_text(alone)
    assert faults(folder) == [(report(FIRST + 5), "reordered"), (report(FIRST + 50), "missing")]


def test_reports_that_changed_places_are_named(folder: Path) -> None:
    """Two files swapped, and a report under another service's name."""
    one, two = folder / report(FIRST + 1), folder / report(FIRST + 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert faults(folder) == [(report(FIRST + 1), "reordered"), (report(FIRST + 2), "reordered")]


def test_a_day_without_a_report_is_named_though_the_log_is_in_order(tmp_path: Path) -> None:
    """The key was stated to be made, the day was due, and nobody said what became of it."""
    site = Site.make(tmp_path / "folder")
    day = CALENDAR.date(FIRST + 9)
    site.notes = [note for note in site.notes if not _is_report(note, REGISTRY, day)][:-1]
    site.conclude()
    assert faults(site.write()) == [(report(FIRST + 9), "missing")]
    states = {(state.day, state.service): state.state for state in verify(Evidence.of_folder(tmp_path / "folder")).days}
    assert CALENDAR.date(LAST - 59) > day or states[day, REGISTRY] == "missing"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"commitment": "00" * 32}, "commitment is not the one"),
        ({"closing": "00" * 32}, "does not say what the day was closed with"),
        ({"done": "2026-10-20"}, "before it was due"),
        ({"key": "day-1"}, "never stated to be made"),
        ({"oldest_day_held": "2026-10-01"}, "still held a day that was due"),
    ],
)
def test_a_logged_report_that_contradicts_what_was_stated_is_named(
    tmp_path: Path, changed: dict[str, str], sentence: str
) -> None:
    """A service may sign and log what it likes; what it said before is in the log, too."""
    site = Site.make(tmp_path / "folder")
    day = CALENDAR.date(FIRST + 30)
    site.notes = [note for note in site.notes if not _is_report(note, REGISTRY, day)][:-1]
    index = len(site.notes)
    site.report(REGISTRY, FIRST + 30, None, **changed)
    site.conclude()
    found = verify(Evidence.of_folder(site.write())).faults
    assert {fault.path for fault in found} == {f"log entry {index}"}
    assert any(sentence in fault.reason for fault in found)


def test_two_reports_about_one_day_contradict(tmp_path: Path) -> None:
    """Both are signed and logged; the second one is named, the first is the one that the table shows."""
    site = Site.make(tmp_path / "folder")
    site.notes.pop()
    index = len(site.notes)
    site.report(REGISTRY, FIRST + 30, rows="11")
    site.conclude()
    kept = [note for note in site.notes if note.startswith("checkin/purge-report") and "\nrows 11\n" not in note]
    assert (f"log entry {index}", "contradicts") in faults(site.write(reports=kept))


def test_a_report_that_stands_before_its_key_was_made_is_named(tmp_path: Path) -> None:
    """The log's order is part of what it says."""
    site = Site.make(tmp_path / "folder")
    made = next(at for at, note in enumerate(site.notes) if f"key day-{FIRST + 30}\n" in note and REGISTRY in note)
    note = site.notes.pop(made)
    site.notes[-1:] = [note]
    site.conclude()
    assert [kind for _, kind in faults(site.write())] == ["reordered"]


def test_a_rewritten_log_does_not_continue_an_earlier_checkpoint(tmp_path: Path, honest: Path) -> None:
    """The log signs a second history, in order in itself: whoever kept a checkpoint sees it."""
    earlier = (honest / "checkpoint.txt").read_bytes()
    site = Site.make(tmp_path / "folder")
    site.notes[3] = site.notes[3].replace("1482", "1481")
    site.notes = site.notes[:40] + site.notes[41:-1]
    site.conclude()
    site.conclude()
    verdict = verify(Evidence.of_folder(site.write()), previous=earlier)
    assert [(fault.path, fault.kind) for fault in verdict.faults] == [("checkpoint.txt", "rewritten")]
    assert verify(Evidence.of_folder(honest), previous=earlier).ok


def test_a_log_that_changed_its_key_continues_what_the_former_one_signed(honest: Path, folder: Path) -> None:
    """With both in vkeys.txt, the present one below; a thief of the former one signs no newer head."""
    new = NoteSigner("retention.example/log", SigningKey(b"\x15" * 32))
    earlier, path = (honest / "checkpoint.txt").read_bytes(), folder / "checkpoint.txt"
    text, lines = split_note(earlier.decode())
    path.write_text(join_note(text, [new.sign(text), *(line.line() for line in lines[1:])]))
    with (folder / "vkeys.txt").open("a") as file:
        file.write(f"{new.verifier.vkey}\n")
    assert verify(Evidence.of_folder(folder), previous=earlier).ok
    path.write_bytes(earlier)
    [fault] = verify(Evidence.of_folder(folder)).faults
    assert (fault.path, fault.kind) == ("checkpoint.txt", "altered") and "former key" in fault.reason


def test_a_statement_of_a_key_that_is_not_in_vkeys_is_forged(tmp_path: Path) -> None:
    """It is in the log, and nobody whom we know signed it."""
    site = Site.make(tmp_path / "folder")
    site.notes.pop()
    index = len(site.notes)
    site.report(REGISTRY, FIRST + 60, by=signer("mallory.example"))
    site.conclude()
    folder = site.write(reports=[note for note in site.notes if _is_kind(note) and "mallory" not in note])
    assert faults(folder)[0] == (f"log entry {index}", "forged")
    # Or it is an honest party's whose key the reader has not got yet: the sentence says whose to look for.
    assert "mallory.example" in verify(Evidence.of_folder(folder)).faults[0].reason


def test_a_service_cannot_speak_for_another(tmp_path: Path) -> None:
    """The issuer signs the registry's report."""
    site = Site.make(tmp_path / "folder")
    site.notes.pop()
    index = len(site.notes)
    site.report(REGISTRY, FIRST + 60, by=signer("issuer.example"))
    site.conclude()
    assert f"log entry {index}" in dict(faults(site.write()))


def test_without_the_log_key_nothing_is_believed(folder: Path) -> None:
    """And without readable keys nothing is even looked at."""
    vkeys = folder / "vkeys.txt"
    lines = vkeys.read_text().splitlines(keepends=True)
    vkeys.write_text("".join(line for line in lines if "/log+" not in line))
    assert faults(folder)[0][0] == "checkpoint.txt"
    vkeys.write_text("".join(lines)[:-5])
    done = CliRunner().invoke(app, ["audit", "verify", "--dir", str(folder)])
    assert isinstance(done.exception, SettingsInvalid)


def test_the_command_names_the_fault_and_fails(folder: Path) -> None:
    """For a script that looks at the exit status alone, too."""
    path = folder / report(FIRST + 4)
    path.write_text(path.read_text().replace("rows 1482", "rows 1481"))
    done = CliRunner().invoke(app, ["audit", "verify", "--dir", str(folder)])
    assert done.exit_code == 1
    assert f"{report(FIRST + 4)}: altered." in done.output
    (folder / "purge-reports" / "notes.md").write_text("not a report")
    shown = CliRunner().invoke(app, ["audit", "verify", "--dir", str(folder), "--json"])
    assert {fault["path"] for fault in json.loads(shown.output)["faults"]} == {
        report(FIRST + 4),
        "purge-reports/notes.md",
    }


def test_show_reads_an_audit_from_its_folder(honest: Path) -> None:
    """In words, and as JSON."""
    done = CliRunner().invoke(app, ["audit", "show", "--dir", str(honest)])
    assert done.exit_code == 0 and "Nothing is older than 28 days (passed)" in done.output
    shown = CliRunner().invoke(app, ["audit", "show", "--dir", str(honest), "--json"])
    assert json.loads(shown.output)["points"][0]["result"] == "pass"


def _is_kind(note: str) -> bool:
    return note.startswith("checkin/purge-report/")


def _is_report(note: str, service: str, day: str) -> bool:
    return _is_kind(note) and f"service {service}\nday {day}\n" in note


def test_an_audit_by_another_service_than_the_logs_own_is_none(tmp_path: Path) -> None:
    """An issuer signs that all is well, and outsiders would be shown it as the newest audit."""
    site = Site.make(tmp_path)
    site.conclude(by="issuer.example")
    verdict = verify(Evidence.of_folder(site.write()), CALENDAR.date(LAST))
    assert verdict.audits == 1
    named = {(fault.path, fault.kind) for fault in verdict.faults}
    assert (f"log entry {site.audit}", "altered") in named and ("audit.json", "altered") in named
