"""Texts of orders: what is read is written again as it was, and whatever else comes in, only our errors come out."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import CheckinError
from checkin.orders.order import Order
from checkin.orders.part import Part
from checkin.orders.rows import (
    BatchRow,
    DamagedRow,
    ListedSeal,
    ListedVisit,
    PersonRow,
    PlaceRow,
    UnopenedRow,
    VenueRow,
    VisitRow,
    read_list,
    read_row,
    write_list,
)
from checkin.vault.ledger import LedgerEntry

PAGE = (Path(__file__).parents[2] / "docs/spec/order.md").read_text(encoding="utf-8")
TEXTS = [note.rpartition("\n\n")[0] + "\n" for note in re.findall(r"```order(?:-part)?\n(.*?)```", PAGE, re.S)]

days, u32 = st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)
ids, venues = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)
words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
subjects = st.binary(min_size=72, max_size=72)
entries = st.builds(LedgerEntry, ids, ids, st.binary(min_size=84, max_size=84))
rows = st.one_of(
    st.builds(VisitRow, u32, days, ids, subjects, u32, u32),
    st.builds(PlaceRow, u32, u32, days, ids, u32, venues),
    st.builds(VenueRow, venues, words),
    st.builds(BatchRow.of, days, entries),
    st.builds(PersonRow, ids, st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.just("+821012345678"), words),
    st.builds(UnopenedRow, ids),
    st.builds(DamagedRow, u32),
)
visits = st.builds(ListedVisit, u32, days, ids)
seals = st.builds(ListedSeal, days, ids, st.binary(min_size=24, max_size=24))


def altered(line: str) -> st.SearchStrategy[str]:
    """With a character changed, dropped or doubled."""
    at, char = st.integers(0, len(line) - 1), st.characters(codec="utf-8")
    return st.builds(lambda place, new: line[:place] + new + line[place + 1 :], at, st.one_of(st.just(""), char))


@given(rows)
def test_a_row_is_read_as_it_was_written(row: VisitRow) -> None:
    assert read_row(row.line()) == row


@given(st.one_of(st.text(max_size=200), rows.map(lambda row: row.line()).flatmap(altered)))
def test_a_line_that_is_read_has_one_spelling_and_any_other_is_refused(line: str) -> None:
    try:
        row = read_row(line)
    except CheckinError:
        return
    assert row.line() == line


@given(st.lists(st.one_of(visits, seals), max_size=20))
def test_a_list_is_sorted_without_repetition_and_read_back(items: list[ListedVisit | ListedSeal]) -> None:
    digest = "0" * 64
    lines = read_list(write_list(digest, items), digest)
    assert lines == sorted({item.line() for item in items})
    for line in lines:
        kind = ListedSeal if line[4:5] == "-" else ListedVisit
        assert kind.read(line).line() == line


@given(st.sampled_from(TEXTS).flatmap(altered))
def test_an_altered_order_or_part_is_refused_by_our_errors_or_is_another_one(text: str) -> None:
    """Never a crash, whatever line was hit."""
    for read in (Order.read, Part.read):
        try:
            assert read(text).text == text
        except CheckinError:
            continue
