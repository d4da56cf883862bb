"""What ended is known beside the key ring for as long as its day's key, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import JournalDamaged, NotReady
from checkin.keys.journal import Ending, Journal
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from tests.support.small_files import small_files

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
    assert journal.append(DAY, SOME[:2]).last == 2
    assert journal.append(DAY + 1, SOME[2:]).last == 3
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
    assert journal.append(DAY, SOME[1:2]).last == 2
    assert journal.since(0) == (SOME[:2], True)


@pytest.mark.parametrize("kept", [0, 1, 16, 17, 200, 353])
def test_a_line_that_a_power_cut_left_as_zeros_is_passed_over_and_written_over(
    journal: Journal, tmp_path: Path, kept: int
) -> None:
    """A file system may have noted the new size before the content, or a part of it."""
    journal.append(DAY, SOME[:2])
    path = tmp_path / "keys" / "journal" / f"day-{DAY}.log"
    whole = path.read_bytes()
    size = len(whole) // 2
    path.write_bytes(whole[: size + kept] + bytes(size - kept) + bytes(4096))
    assert (journal.last(), journal.since(0)) == (1, (SOME[:1], True))
    assert journal.append(DAY, SOME[1:2]).last == 2
    assert journal.since(0) == (SOME[:2], True)
    assert path.stat().st_size == 2 * size


def test_what_ended_nothing_is_struck_out_and_its_number_is_not_given_again(journal: Journal) -> None:
    journal.append(DAY, SOME[:1])
    refused = journal.append(DAY, [Ending("account", "8"), Ending("account", "9")])
    journal.append(DAY + 1, SOME[1:2])
    journal.strike(refused)
    assert (journal.last(), journal.since(0)) == (4, (SOME[:2], True))
    journal.strike(journal.append(DAY + 1, SOME[2:]))
    assert (journal.last(), journal.since(4), journal.since(0)) == (5, ([], True), (SOME[:2], True))
    journal.forget(DAY + 2)
    assert journal.last() == 5


@pytest.mark.parametrize("at", [0, 100])
def test_damage_before_the_last_line_is_said_and_hinders_nothing_that_does_not_need_it(
    journal: Journal, tmp_path: Path, at: int
) -> None:
    """Whatever byte it is: what the line said is not known any more."""
    journal.append(DAY, SOME[:2])
    path = tmp_path / "keys" / "journal" / f"day-{DAY}.log"
    content = bytearray(path.read_bytes())
    content[at] = ord("Q" if content[at] != ord("Q") else "R")
    path.write_bytes(content)
    assert journal.append(DAY, SOME[2:]).last == 3
    with pytest.raises(JournalDamaged, match=rf"day-{DAY}\.log"):
        journal.since(0)
    journal.forget(DAY + 1)
    assert journal.last() == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"number": "3"}', b'{"number": -1}', b"\xff"])
def test_a_damaged_note_of_what_is_gone_is_said(journal: Journal, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys" / "journal" / "gone.json").write_bytes(content)
    with pytest.raises(JournalDamaged, match=r"gone\.json"):
        journal.append(DAY, SOME)


def test_a_journal_that_cannot_be_written_says_so_and_keeps_nothing(journal: Journal, tmp_path: Path) -> None:
    """Neither the whole line nor the one that the disk cut."""
    journal.append(DAY, SOME[:1])
    path = tmp_path / "keys" / "journal" / f"day-{DAY}.log"
    size = path.stat().st_size
    with small_files(2 * size + 10), pytest.raises(NotReady, match="journal"):
        journal.append(DAY, SOME[1:])
    assert path.stat().st_size == size
    assert journal.since(0) == (SOME[:1], True)
    assert journal.append(DAY, SOME[1:]).last == 3


def test_without_a_key_of_today_or_before_nothing_is_written(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys", bytes(32), allow_unfit=True)
    journal = Journal(tmp_path / "journal", ring)
    with pytest.raises(NotReady):
        journal.append(DAY, SOME)
    ring.make(KeyName(Purpose.DAY, DAY), oldest=DAY)
    assert journal.append(DAY + 5, SOME).last == 3
