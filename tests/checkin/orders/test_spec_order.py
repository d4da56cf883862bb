"""Every example of docs/spec/order.md is what the code makes and accepts, and its tables are the code's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from checkin.errors import NoteMalformed, OrderScope
from checkin.keys.officers import RingKeys
from checkin.orders.order import Order
from checkin.orders.part import ORDER_ANSWER, STEPS, Part
from checkin.orders.rows import ListedVisit, read_list, read_row
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.statement import many

PAGE = (Path(__file__).parents[3] / "docs/spec/order.md").read_text(encoding="utf-8")


def examples(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)


def officers() -> list[NoteVerifier]:
    return [NoteVerifier.parse(vkey) for vkey in examples("officers-vkeys")[0].split()]


def test_the_order_is_signed_by_two_and_gives_exactly_the_parts_and_the_entry() -> None:
    order = Order.read(open_note(examples("order")[0], officers(), 2).text)
    parts = [open_note(note, officers(), 2).text for note in examples("order-part")]
    assert order.part_texts() == parts
    assert order.entry_text() == open_note(examples("order-logged")[0], officers(), 2).text


def test_the_list_and_the_answer_belong_to_the_second_part() -> None:
    part = Part.read(open_note(examples("order-part")[1], officers(), 2).text)
    assert part.order_key
    items = read_list(open_note(examples("order-list")[0], [part.order_key]).text, part.digest)
    assert [ListedVisit.read(item).line() for item in items] == items
    vkey = re.search(r"`(registry\.example\+[^`]+)`", PAGE)
    assert vkey
    values = ORDER_ANSWER.read(open_note(examples("order-answer")[0], [NoteVerifier.parse(vkey[1])]).text)
    rows = many(values, "row")
    assert values["part"] == part.digest
    assert [read_row(row).line() for row in rows] == rows


def test_no_part_tells_its_audience_more_than_it_must_know() -> None:
    """In the example, word by word."""
    batches, contacts, people = examples("order-part")
    assert "+821012345678" in batches
    for text in (contacts, people):
        assert "+821012345678" not in text
    assert "measles" not in contacts


def test_an_order_whose_answers_or_lists_are_anothers_is_refused() -> None:
    """Before anybody signs it."""
    order = Order.read(open_note(examples("order")[0], officers(), 2).text)
    own = RingKeys("health.example", order.answer_key, order.list_key)
    order.check_keys(own)
    for other in (replace(own, public=bytes(32)), replace(own, list_key="health.example/lists+00000000+AA==")):
        with pytest.raises(OrderScope):
            order.check_keys(other)


def test_a_part_without_a_line_of_its_step_is_refused() -> None:
    """Whatever the line is: nothing of an order is left open."""
    for note in examples("order-part"):
        text = open_note(note, officers(), 2).text
        assert Part.read(text).text == text
        for line in text.splitlines(keepends=True):
            with pytest.raises(NoteMalformed):
                Part.read(text.replace(line, "", 1))


def test_the_steps_of_the_page_are_those_of_the_code() -> None:
    """With their lines and their audiences."""
    rows = re.findall(r"^\| `(\w+)` \| (?:registry|issuer) \| ([^|]+) \|", PAGE, re.M)
    lines = {step: {line.strip() for line in re.sub(r"\([^)]*\)", "", text).split(",")} for step, text in rows}
    assert lines == {step: set(one.lines) for step, one in STEPS.items()}


def test_the_codes_of_the_page_are_those_of_the_code() -> None:
    from checkin import errors  # noqa: PLC0415 - only this test looks at all of them

    codes = {kind.code for kind in errors.OrderError.__subclasses__()}
    assert set(re.findall(r"`(order_\w+)`", PAGE)) == codes
