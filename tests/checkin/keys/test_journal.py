"""What ended is known beside the key ring for as long as its day's key, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.keys.journal import Ending, Journal
from checkin.keys.key_ring import KeyName, KeyRing, Purpose

DAY = 20779
SOME = [Ending("account", str(number)) for number in range(3)]


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys", bytes(32), allow_unfit=True)
    for day in (DAY, DAY + 1):
        ring.make(KeyName(Purpose.DAY, day), oldest=DAY)
    return ring


@pytest.fixture
def journal(ring: KeyRing, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "keys" / "journal", ring)


def destroy(ring: KeyRing, day: int) -> None:
    ring.entomb(KeyName(Purpose.DAY, day), {})
    ring.destroy(KeyName(Purpose.DAY, day))


def test_endings_are_read_in_order_from_any_number_on(journal: Journal, ring: KeyRing, tmp_path: Path) -> None:
    assert (journal.last(), journal.since(0)) == (0, ([], True))
    assert journal.append(DAY, SOME[:2]) == 2
    assert journal.append(DAY + 1, SOME[2:]) == 3
    again = Journal(tmp_path / "keys" / "journal", ring)
    assert again.last() == 3
    assert again.since(0) == (SOME, True)
    assert again.since(2) == (SOME[2:], True)
    assert again.since(3) == ([], True)


def test_no_file_shows_what_ended(journal: Journal, tmp_path: Path) -> None:
    """And every line has one length, whatever it is about."""
    journal.append(DAY, [Ending("account", "9223372036854775807"), Ending("keys", "1", "ab" * 64)])
    content = (tmp_path / "keys" / "journal" / f"day-{DAY}.log").read_bytes()
    assert b"9223372036854775807" not in content and b"account" not in content
    assert len({len(line) for line in content.splitlines()}) == 1


def test_with_the_days_key_its_endings_are_gone_and_that_is_said(journal: Journal, ring: KeyRing) -> None:
    journal.append(DAY, SOME[:2])
    journal.append(DAY + 1, SOME[2:])
    destroy(ring, DAY)
    for _ in range(2):
        assert journal.since(0) == (SOME[2:], False)
        assert journal.since(2) == (SOME[2:], True)
        journal.forget(DAY + 1)
    destroy(ring, DAY + 1)
    journal.forget(DAY + 2)
    assert (journal.last(), journal.since(2), journal.since(3)) == (3, ([], False), ([], True))


def test_a_line_that_a_crash_cut_off_is_passed_over_and_written_over(journal: Journal, tmp_path: Path) -> None:
    journal.append(DAY, SOME[:1])
    path = tmp_path / "keys" / "journal" / f"day-{DAY}.log"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert journal.since(0) == (SOME[:1], True)
    assert journal.append(DAY, SOME[1:2]) == 2
    assert journal.since(0) == (SOME[:2], True)


def test_without_a_key_of_today_or_before_nothing_is_written(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys", bytes(32), allow_unfit=True)
    journal = Journal(tmp_path / "journal", ring)
    with pytest.raises(NotReady):
        journal.append(DAY, SOME)
    ring.make(KeyName(Purpose.DAY, DAY), oldest=DAY)
    assert journal.append(DAY + 5, SOME) == 3
