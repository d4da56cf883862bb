"""Statements are kept once and for good, and small counts are not spelled out."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.purge.statement_store import FEWER, StatementFolder, published_count, read_count


@pytest.mark.parametrize(("count", "text"), [(0, FEWER), (1, FEWER), (9, FEWER), (10, "10"), (123456, "123456")])
def test_a_count_below_ten_is_not_told(count: int, text: str) -> None:
    """The exact edge."""
    assert published_count(count) == text


@given(st.integers(0, 2**60))
def test_a_published_count_reads_back(count: int) -> None:
    """What is published is the count or nothing."""
    assert read_count(published_count(count)) == (count if count >= 10 else None)


@pytest.mark.parametrize("text", ["9", "0", "-12", "012", "1e3", "fewer than 9", "", "many"])
def test_nobody_can_publish_a_small_count_in_another_spelling(text: str) -> None:
    """There is one way to write each."""
    with pytest.raises(ValueError, match=r"."):
        read_count(text)


def test_the_first_statement_of_a_name_stands(tmp_path: Path) -> None:
    """A service cannot take back what it stated; the same again is no second statement."""
    book = StatementFolder(tmp_path / "book")
    assert book.put("purge-2026-11-20", "one\n")
    assert not book.put("purge-2026-11-20", "another\n")
    assert book.get("purge-2026-11-20") == "one\n"
    assert book.all() == [("purge-2026-11-20", "one\n")]
    assert [path.name for path in (tmp_path / "book").iterdir()] == ["purge-2026-11-20.txt"]


def test_of_many_writers_at_once_one_wins(tmp_path: Path) -> None:
    """And all read the same afterwards."""
    books = [StatementFolder(tmp_path) for _ in range(8)]
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda book=book, n=n: won.append(book.put("closed-2026-11-20", f"{n}\n")))
        for n, book in enumerate(books)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert len({book.get("closed-2026-11-20") for book in books}) == 1


@pytest.mark.parametrize("name", ["../secret", "", "A", "a/b", ".a", "a" * 101])
def test_a_name_never_leads_out_of_the_book(tmp_path: Path, name: str) -> None:
    """Names are words and days."""
    with pytest.raises(ValueError, match="name of a statement"):
        StatementFolder(tmp_path).get(name)


def test_what_was_never_stated_is_not_there(tmp_path: Path) -> None:
    """Neither as a file nor as a half of one."""
    book = StatementFolder(tmp_path)
    assert book.get("purge-2026-11-20") is None
    assert "purge-2026-11-20" not in book


def test_a_page_opens_no_file_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many statements there are; pages together are all of them, each once."""
    book = StatementFolder(tmp_path)
    names = sorted(f"{kind}-{number}" for kind in ("closed", "key-made", "purge") for number in range(7))
    for name in names:
        book.put(name, f"{name}\n")
    opened: list[str] = []
    real = Path.open

    def counted(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path.stem)
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", counted)
    assert book.page("closed-6", 2) == [("key-made-0", "key-made-0\n"), ("key-made-1", "key-made-1\n")]
    assert opened == ["key-made-0", "key-made-1"]
    assert [name for name, _ in book.all("purge-")] == [f"purge-{number}" for number in range(7)]
    assert len(opened) == 9
    paged, after = [], ""
    while page := book.page(after, 4):
        paged += [name for name, _ in page]
        after = paged[-1]
    assert paged == names


def test_a_damaged_statement_keeps_no_other_from_being_shown(tmp_path: Path) -> None:
    """Whoever collects them refuses that one alone."""
    book = StatementFolder(tmp_path)
    for name in ("closed-1", "closed-2"):
        book.put(name, f"{name}\n")
    (tmp_path / "closed-1.txt").write_bytes(b"\xffclosed-1\n")
    assert [name for name, _ in book.page("", 9)] == ["closed-1", "closed-2"]
    assert book.get("closed-2") == "closed-2\n"
