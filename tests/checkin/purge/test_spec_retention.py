"""The examples of docs/spec/retention.md and days.md are what the code reads and computes."""

from __future__ import annotations

import re
from pathlib import Path

from checkin.clock import Calendar, parse_rfc3339
from checkin.protocol.note import NoteVerifier, open_note
from checkin.purge.early import EarlyDestruction
from checkin.purge.statement_store import (
    DAY_CLOSED,
    EARLY_DESTRUCTION,
    KEY_DESTROYED,
    KEY_MADE,
    KINDS,
    PURGE_REPORT,
    read_count,
)

SPEC = Path(__file__).parents[3] / "docs" / "spec"
RETENTION = (SPEC / "retention.md").read_text(encoding="utf-8")
ABOUT_DAYS = (KEY_MADE, KEY_DESTROYED, DAY_CLOSED, PURGE_REPORT)
DAYS = (SPEC / "days.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, str]]:
    """(kind without prefix and version, note)."""
    found = re.findall(r"```(key-made|key-destroyed|day-closed|purge-report)\n(.*?)```", RETENTION, re.DOTALL)
    assert len(found) == 5
    return found


def test_every_example_of_a_statement_opens_and_reads() -> None:
    """Under the key beside it, and no kind is left out."""
    vkey = re.search(r"`(registry\.example\+[^`]+)`", RETENTION)
    assert vkey
    verifier = NoteVerifier.parse(vkey[1])
    kinds = set()
    for name, note in examples():
        kind = KINDS[f"checkin/{name}/v1"]
        values = kind.read(open_note(note, [verifier]).text)
        assert values["service"] == verifier.name
        kinds.add(kind.kind)
    assert kinds == {kind.kind for kind in ABOUT_DAYS}


def test_the_examples_tell_one_story() -> None:
    """One key made and destroyed, one closing, and dates that fit the calendar."""
    calendar = Calendar()
    texts = {name: note.partition("\n\n")[0] + "\n" for name, note in reversed(examples())}
    made, closed, report = (
        KINDS[f"checkin/{name}/v1"].read(texts[name]) for name in ("key-made", "day-closed", "purge-report")
    )
    day = calendar.parse_date(str(made["day"]))
    assert made["key"] == report["key"] == f"day-{day}"
    assert made["commitment"] == report["commitment"]
    assert closed["digest"] == report["closing"]
    assert read_count(str(closed["count"])) == int(str(report["rows"]))
    assert report["due"] == report["done"] == calendar.date(day + 28)


def test_the_grammar_lists_the_fields_of_every_kind_in_order() -> None:
    """The table is the code."""
    for kind in ABOUT_DAYS:
        names = ", ".join(f"`{field.name}`" for field in kind.fields if field.name != "clock")
        assert f"| `{kind.kind}` | {names} |" in RETENTION


def test_the_example_of_an_early_destruction_is_signed_by_two_officers_and_read() -> None:
    """Under the keys beside it, which no single one replaces; and its fields are the code's."""
    note = re.search(r"```early-destruction\n(.*?)```", RETENTION, re.DOTALL)
    assert note
    keys = [NoteVerifier.parse(vkey) for vkey in re.findall(r"`(health\.example/[^`]+)`", RETENTION)]
    read = EarlyDestruction.read(open_note(note[1], keys, 2).text)
    assert (read.service, read.last - read.first, read.day) == ("registry.example", 2, read.last)
    names = ", ".join(f"`{field.name}`" for field in EARLY_DESTRUCTION.fields if field.name != "clock")
    assert f"| `{EARLY_DESTRUCTION.kind}` | {names} |" in RETENTION


def test_the_example_of_a_day_is_what_the_calendar_says() -> None:
    """Every line of it."""
    block = re.search(r"```days\n(.*?)```", DAYS, re.DOTALL)
    assert block
    lines = dict(re.split(r" {2,}", line) for line in block[1].strip().splitlines())
    calendar, day = Calendar(), int(lines["day"])
    assert lines["date"] == calendar.date(day)
    assert lines["starts"] == calendar.rfc3339(calendar.start(day))
    assert lines["closes"] == calendar.rfc3339(calendar.closes(day))
    assert lines["due"] == calendar.rfc3339(calendar.due(day))
    assert int(lines["oldest at due"]) == calendar.oldest(calendar.due(day))
    assert calendar.oldest(parse_rfc3339("2026-12-19T23:59:59+09:00")) == day
    assert calendar.hour(day, parse_rfc3339("2026-11-22T13:34:00+09:00")) == 13


def test_the_rules_that_the_code_quotes_are_in_the_page() -> None:
    """A `# SPEC days.md` comment says what the page says."""
    folder = Path(__file__).parents[3] / "checkin"
    quoting = ("purge/clock_guard.py", "service/time_peers.py")
    code = "".join((folder / name).read_text(encoding="utf-8") for name in quoting)
    quotes = re.findall(r'# SPEC days\.md §3: "([^"]+)"', code)
    assert len(quotes) == 6
    for quote in quotes:
        assert quote in " ".join(DAYS.split())
