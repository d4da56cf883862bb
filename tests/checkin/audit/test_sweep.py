"""The search for phone numbers in raw bytes: ids and hashes are none, however they lie, and every number is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.audit.sweep import OVERLAP, has_phone, sweep

# One hash in ten thousand has such digits somewhere; this one has nothing else.
LIKE_A_PHONE = "01012345678a0119876543b" * 3
PHONE = b"010-1234-5678"
CHUNK = 1024


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in pieces of 1 KiB."""
    monkeypatch.setattr("checkin.audit.sweep.CHUNK", CHUNK)


@pytest.mark.parametrize("length", [16, 32, 64])
def test_hashes_at_any_distance_from_each_other_are_no_phones(length: int) -> None:
    """Looking at what is around one of them cuts another in two; its rest alone would read as a number."""
    for shift in range(12):
        digest = LIKE_A_PHONE[shift : shift + length]
        for gap in range(1, 140):
            text = f"{digest}{'.' * gap}" * 6
            assert not has_phone(text.encode()), (shift, gap)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("first", [0, 5])
def test_a_hash_that_is_read_in_two_pieces_is_no_phone(tmp_path: Path, first: int) -> None:
    """Its beginning ends the first piece, or its end begins the second one."""
    digest = LIKE_A_PHONE[first : first + 64].encode()
    for before in (*range(1, 64), *range(OVERLAP + 1, OVERLAP + 64)):
        (tmp_path / "log").write_bytes(b"\n" * (CHUNK - before) + digest + b"\n" * CHUNK)
        assert sweep(tmp_path).hits == (), before


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("phone", [PHONE, b"01012345678", b"+82 10 1234 5678", "01012345678".encode("utf-16-le")])
def test_a_phone_that_is_read_in_two_pieces_is_found(tmp_path: Path, phone: bytes) -> None:
    """Wherever it is cut, also at the end of the file."""
    for before in (*range(len(phone) + 1), *range(OVERLAP, OVERLAP + len(phone) + 1)):
        for rest in (b"", b"\n" * CHUNK):
            (tmp_path / "log").write_bytes(b"\n" * (CHUNK - before) + phone + rest)
            assert len(sweep(tmp_path).hits) == 1, (before, rest)


def test_a_phone_beside_a_hash_is_found() -> None:
    """At any distance but none: what is glued to a hash is a part of it."""
    digest = LIKE_A_PHONE[:64].encode()
    for gap in range(1, 100):
        assert has_phone(digest + b"." * gap + PHONE + b"." * gap + digest), gap
