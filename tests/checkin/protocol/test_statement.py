"""Statements: fixed lines, read exactly as written."""

from __future__ import annotations

import pytest

from checkin.errors import NoteMalformed
from checkin.protocol.statement import Field, StatementType, kind_of, many, one

REPORT = StatementType(
    "ck1/purge-report",
    "service",
    "day",
    Field("held", repeated=True),
    Field("hold", optional=True),
    Field("remark", repeated=True, optional=True),
)
TEXT = """ck1/purge-report
service issuer.example/checkin
day 2026-11-22
held 2026-11-23
held 2026-11-24
"""
VALUES = {
    "service": "issuer.example/checkin",
    "day": "2026-11-22",
    "held": ["2026-11-23", "2026-11-24"],
    "remark": [],
}


def test_a_statement_reads_as_it_was_written() -> None:
    """Both ways."""
    assert REPORT.write(VALUES) == TEXT
    assert REPORT.read(TEXT) == VALUES
    assert kind_of(TEXT) == REPORT.kind


def test_optional_lines_may_be_there() -> None:
    """In their place."""
    values = {**VALUES, "hold": "art. 5 (until 2026-12-01)", "remark": ["진료소", "b"]}
    text = REPORT.write(values)
    assert text.endswith("hold art. 5 (until 2026-12-01)\nremark 진료소\nremark b\n")
    assert REPORT.read(text) == values


def test_values_are_fetched_by_their_shape() -> None:
    """So that a caller never takes a list for a text."""
    values = REPORT.read(TEXT)
    assert one(values, "day") == "2026-11-22"
    assert many(values, "held") == ["2026-11-23", "2026-11-24"]
    for fetch, name in ((one, "held"), (one, "hold"), (many, "day"), (many, "nothing")):
        with pytest.raises(NoteMalformed):
            fetch(values, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ck1/purge-report",
        "ck1/purge-report\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("ck1/purge-report", "ck1/other"),
        TEXT.replace("day 2026-11-22\n", ""),
        TEXT.replace("day 2026-11-22\n", "day 2026-11-22\nday 2026-11-22\n"),
        TEXT.replace("day 2026-11-22\n", "day\n"),
        TEXT.replace("day 2026-11-22\n", "day  2026-11-22\n"),
        TEXT.replace("day 2026-11-22\n", "day 2026-11-22 \n"),
        TEXT.replace("day 2026-11-22\n", "day 2026-11-22\nunknown x\n"),
        TEXT.replace("held 2026-11-23\nheld 2026-11-24\n", ""),
        "\n".join(["ck1/purge-report", "day 2026-11-22", "service x", "held y", ""]),
        TEXT.replace("service ", "service \u202e"),
        TEXT.replace("service ", "service \u200b"),
        TEXT.replace("service ", "service \t"),
        TEXT.replace("service ", "service \u2028"),
        TEXT.replace("service ", "service \ud800"),
        TEXT.replace("service ", "service \u0378"),
        TEXT.replace("service ", "service \U00013439"),
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_other_lines_are_refused(text: str) -> None:
    """Missing, doubled, unknown, in another order, or with characters that nobody sees."""
    with pytest.raises(NoteMalformed):
        REPORT.read(text)


@pytest.mark.parametrize(
    "change",
    [
        {"day": ""},
        {"day": ["2026-11-22"]},
        {"held": "2026-11-23"},
        {"held": []},
        {"unknown": "x"},
        {"day": "a\nservice b"},
        {"day": " x"},
        {"remark": "x" * 2**20},
        {"remark": ["x" * 2**20]},
    ],
)
def test_values_that_do_not_fit_are_not_written(change: dict[str, str | list[str]]) -> None:
    """No value can smuggle in a line."""
    with pytest.raises(NoteMalformed):
        REPORT.write({**VALUES, **change})


def test_kinds_that_could_not_be_read_back_are_a_mistake_of_the_programmer() -> None:
    """Found when the module is loaded."""
    for kind, fields in (("", ()), ("A", ()), ("a", ("B",)), ("a", ("b", "b"))):
        with pytest.raises(ValueError, match="kind"):
            StatementType(kind, *fields)
