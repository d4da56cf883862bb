"""Visits in the registry's vault: what a row tells, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checkin.errors import SealBroken
from checkin.vault.vault import Vault
from checkin.vault.visit import (
    CONFLICT,
    CONFLICTS,
    RECORD_SIZE,
    Visit,
    conflict_keys,
    open_visit,
    seal_visit,
    venue_group,
    visit_key,
)
from tests.support.vaults import DAY, a_visit, open_vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path)
    yield vault
    vault.store.close()


def test_a_visit_is_stored_and_found_by_venue_and_hours(vault: Vault) -> None:
    visits = [a_visit() for _ in range(3)]
    rows = [seal_visit(vault, DAY, visit, hour) for visit, hour in zip(visits, (9, 12, 24), strict=True)]
    vault.insert(DAY, [*rows, seal_visit(vault, DAY, a_visit(b"venue--2"), 12)])
    found = vault.store.group(DAY, venue_group(vault, DAY, b"venue--1"), 10, 24)
    assert [open_visit(vault, DAY, row) for row in found] == visits[1:]


def test_a_second_use_of_a_visit_id_finds_its_key_taken_whatever_else_differs(vault: Vault) -> None:
    first = a_visit()
    second = replace(a_visit(b"venue--2"), visit_id=first.visit_id)
    assert vault.insert(DAY, [seal_visit(vault, DAY, first, 1)]) == [True]
    assert vault.insert(DAY, [seal_visit(vault, DAY, second, 2)]) == [False]
    standing = vault.store.get(DAY, [visit_key(vault, DAY, first.visit_id)])
    assert [open_visit(vault, DAY, row) for row in standing.values()] == [first]


def test_a_conflict_lies_beside_the_first_use_once_a_place(vault: Vault) -> None:
    first = a_visit()
    second = replace(a_visit(b"venue--2", CONFLICT), visit_id=first.visit_id)
    places = conflict_keys(vault, DAY, first.visit_id)
    assert vault.insert(DAY, [seal_visit(vault, DAY, first, 1)]) == [True]
    told = vault.insert(DAY, [seal_visit(vault, DAY, second, 1, key) for key in (*places, places[0])])
    assert told == [True] * CONFLICTS + [False]


def test_the_keys_of_conflicts_follow_from_the_visit_id_alone(vault: Vault) -> None:
    """Whoever traces a visit id finds all its rows without knowing where it was used."""
    code = a_visit().visit_id
    expected = [vault.mac(DAY, b"dup" + code + bytes([place])) for place in range(8)]
    assert conflict_keys(vault, DAY, code) == expected


def test_nothing_of_a_visit_can_be_read_in_its_row(vault: Vault) -> None:
    visit = a_visit()
    row = seal_visit(vault, DAY, visit, 12)
    stored = b"|".join((row.key, row.group, row.nonce, row.sealed))
    for part in (visit.venue, visit.visit_id, visit.scan_id, visit.sealed_subject, visit.minute.to_bytes(4, "big")):
        assert part not in stored


def test_the_record_has_the_bytes_of_the_spec() -> None:
    visit = Visit(b"V" * 8, 0x01020304, 0x05060708, b"I" * 16, b"S" * 16, b"X" * 72, 1)
    record = b"V" * 8 + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + b"I" * 16 + b"S" * 16 + b"X" * 72 + b"\x01"
    assert visit.encode() == record
    assert len(record) == RECORD_SIZE == 121


@pytest.mark.parametrize(
    "change",
    [
        {"venue": b"short"},
        {"visit_id": bytes(17)},
        {"scan_id": b""},
        {"sealed_subject": bytes(71)},
        {"minute": -1},
        {"minute": 2**32},
        {"issuer": 2**32},
        {"flags": 256},
    ],
    ids=str,
)
def test_a_visit_that_does_not_fit_its_record_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"size|fit"):
        replace(a_visit(), **change)  # type: ignore[arg-type]


def test_a_row_that_holds_something_else_is_no_visit(vault: Vault) -> None:
    row = vault.seal(DAY, bytes(16), bytes(16), 0, a_visit().encode() + b"\x00")
    with pytest.raises(SealBroken, match="no visit"):
        open_visit(vault, DAY, row)
