"""The day vault: rows that open only where they belong, and not at all once the key is gone."""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from checkin.errors import DayDestroyed, KeyMissing, SealBroken
from checkin.protocol.primitives import Label, OpeningKey, SealingKey
from checkin.tlog.merkle import root
from checkin.vault.engines import Row
from checkin.vault.ledger import LedgerBatch, ledger_row
from checkin.vault.vault import Vault
from checkin.vault.visit import seal_visit
from tests.support.vaults import DAY, a_visit, destroy_key, open_vault

COLUMNS = ("key", "group", "bucket", "nonce", "sealed")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path)
    yield vault
    vault.store.close()


def a_row(vault: Vault, bucket: int = 1, text: bytes = b"what is in the row") -> Row:
    return vault.seal(DAY, vault.mac(DAY, os.urandom(16)), vault.mac(DAY, os.urandom(8)), bucket, text)


def test_a_row_that_was_stored_opens_again(vault: Vault, tmp_path: Path) -> None:
    row = a_row(vault)
    assert vault.insert(DAY, [row]) == [True]
    vault.store.close()
    again = open_vault(tmp_path)
    assert [again.open(DAY, found) for found in again.store.rows(DAY)] == [b"what is in the row"]
    again.store.close()


def test_the_same_content_is_never_sealed_to_the_same_bytes(vault: Vault) -> None:
    rows = [vault.seal(DAY, b"k" * 16, b"g" * 16, 0, b"same") for _ in range(100)]
    assert len({row.nonce for row in rows}) == len({row.sealed for row in rows}) == 100


@pytest.mark.parametrize(
    "columns", [names for size in (1, 2, 3, 4) for names in itertools.combinations(COLUMNS, size)], ids="-".join
)
def test_columns_swapped_between_two_stored_rows_do_not_open(
    vault: Vault, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    """Every set of columns, by someone who writes to the database file."""
    one, other = sorted((a_row(vault, 1), a_row(vault, 2)), key=lambda row: row.key)
    vault.insert(DAY, [one, other])
    with closing(sqlite3.connect(tmp_path / "venue" / f"day-{DAY}.db")) as database, database:
        database.execute('DELETE FROM "rows"')
        for row, source in ((one, other), (other, one)):
            values = [getattr(source if name in columns else row, name) for name in COLUMNS]
            database.execute('INSERT INTO "rows" VALUES (?, ?, ?, ?, ?)', values)
    swapped = list(vault.store.rows(DAY))
    assert len(swapped) == 2
    for row in swapped:
        with pytest.raises(SealBroken):
            vault.open(DAY, row)


def test_a_row_opens_on_no_other_day_and_in_no_other_service(vault: Vault, tmp_path: Path) -> None:
    row, issuer = a_row(vault), open_vault(tmp_path, "issuer")
    with pytest.raises(SealBroken):
        vault.open(DAY + 1, row)
    with pytest.raises(SealBroken):
        issuer.open(DAY, row)  # even under the same keys
    issuer.store.close()


def test_every_changed_byte_of_a_row_shows(vault: Vault) -> None:
    row = a_row(vault)
    for name in ("key", "group", "nonce", "sealed"):
        column = getattr(row, name)
        for at in range(len(column)):
            changed = column[:at] + bytes([column[at] ^ 1]) + column[at + 1 :]
            with pytest.raises(SealBroken):
                vault.open(DAY, replace(row, **{name: changed}))
    for short in (b"", row.sealed[:15], row.sealed[:-1]):
        with pytest.raises(SealBroken):
            vault.open(DAY, replace(row, sealed=short))


def test_names_of_people_and_places_differ_from_day_to_day(vault: Vault) -> None:
    assert vault.mac(DAY, b"venue--1") == vault.mac(DAY, b"venue", b"--1")
    assert vault.mac(DAY, b"venue--1") != vault.mac(DAY + 1, b"venue--1")
    assert vault.mac(DAY, b"venue--1") != vault.mac(DAY, b"venue--2")


@pytest.mark.parametrize(
    "use",
    [
        lambda vault, _: vault.mac(DAY, b"venue--1"),
        lambda vault, row: vault.seal(DAY, row.key, row.group, 0, b""),
        lambda vault, row: vault.open(DAY, row),
        lambda vault, row: vault.insert(DAY, [row]),
        lambda vault, _: vault.root(DAY),
        lambda vault, _: vault.freeze(DAY),
        lambda vault, _: vault.attach(DAY, Label.CLOSE, b"x"),
        lambda vault, _: vault.attachment(DAY, Label.CLOSE),
    ],
    ids=["mac", "seal", "open", "insert", "root", "freeze", "attach", "attachment"],
)
def test_a_key_destroyed_in_another_process_stops_the_vault_at_once(
    vault: Vault, tmp_path: Path, use: Callable[[Vault, Row], object]
) -> None:
    row = a_row(vault)
    vault.insert(DAY, [row])
    process = get_context("spawn").Process(target=destroy_key, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    vault.store.drop(DAY)
    with pytest.raises(DayDestroyed):
        use(vault, row)
    assert vault.store.days() == []  # nothing made the day again


def test_a_row_whose_key_is_destroyed_while_it_is_written_is_not_acknowledged(vault: Vault, tmp_path: Path) -> None:
    row, insert = a_row(vault), vault.store.insert

    def destroyed_meanwhile(day: int, rows: list[Row]) -> list[bool]:
        destroy_key(tmp_path)
        vault.store.drop(DAY)
        return insert(day, rows)

    vault.store.insert = destroyed_meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(DayDestroyed):
        vault.insert(DAY, [row])
    assert vault.store.days() == [DAY]  # what the race left is listed, so that the next purge drops it
    vault.store.drop(DAY)
    assert vault.store.days() == []


def test_a_day_that_never_had_a_key_takes_nothing(vault: Vault) -> None:
    with pytest.raises(KeyMissing):
        vault.insert(DAY + 2, [a_row(vault)])
    assert vault.store.days() == []


def test_the_root_is_that_of_the_framed_columns_in_the_order_of_the_keys(vault: Vault) -> None:
    """Computed a second time from the spec."""
    rows = [a_row(vault, bucket) for bucket in range(25)]
    vault.insert(DAY, rows)
    leaves = []
    for row in sorted(rows, key=lambda row: row.key):
        entry = b"".join(
            len(column).to_bytes(4, "big") + column
            for column in (row.key, row.group, bytes([row.bucket]), row.nonce, row.sealed)
        )
        leaves.append(hashlib.sha256(b"\x00" + entry).digest())
    assert vault.root(DAY) == (root(leaves), 25)
    assert vault.root(DAY + 1) == (hashlib.sha256(b"").digest(), 0)


def test_what_is_attached_is_sealed_and_is_no_row(vault: Vault, tmp_path: Path) -> None:
    assert vault.attach(DAY, Label.CLOSE, b"salt" * 8) == b"salt" * 8
    assert vault.attach(DAY, Label.CLOSE, b"other") == b"salt" * 8
    assert vault.attachment(DAY, Label.CLOSE) == b"salt" * 8
    assert vault.attachment(DAY + 1, Label.CLOSE) is None
    for file in (tmp_path / "venue").iterdir():
        assert b"salt" * 8 not in file.read_bytes()
    stored = vault.store.attachment(DAY, Label.CLOSE.value.decode())
    assert stored is not None
    vault.store.attach(DAY + 1, Label.CLOSE.value.decode(), stored)
    with pytest.raises(SealBroken):
        vault.attachment(DAY + 1, Label.CLOSE)


@pytest.mark.parametrize("name", ["", "Venue", "ck1/close", "a" * 17, "venue\n"])
def test_a_service_name_that_could_be_taken_for_something_else_is_refused(vault: Vault, name: str) -> None:
    with pytest.raises(ValueError, match="service"):
        Vault(name, vault.store, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"key": b"k"}, {"group": b""}, {"nonce": b"n" * 13}, {"bucket": 25}, {"bucket": -1}], ids=str
)
def test_a_row_with_a_column_of_another_size_cannot_be_made(vault: Vault, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"size|hour"):
        replace(a_row(vault), **change)  # type: ignore[arg-type]


def bytes_a_row(vault: Vault, rows: list[Row]) -> float:
    """What a row takes on the disk after commits of 100, once nobody has the day open."""
    for at in range(0, len(rows), 100):
        vault.insert(DAY, rows[at : at + 100])
    vault.store.close()
    return vault.store.measure(DAY).bytes / len(rows)


def test_a_visit_takes_at_most_320_bytes_on_the_disk(vault: Vault) -> None:
    visits = [seal_visit(vault, DAY, a_visit(venue=bytes(7) + bytes([number % 100])), 12) for number in range(10_000)]
    assert len(visits[0].sealed) == 137
    assert bytes_a_row(vault, visits) <= 320


def test_a_ledger_row_takes_at_most_320_bytes_on_the_disk(tmp_path: Path) -> None:
    vault = open_vault(tmp_path, "issuer", ordered=False)
    authority = SealingKey(OpeningKey(os.urandom(32)).public)
    row = ledger_row(vault, DAY, 1, LedgerBatch(os.urandom(32), 10), issuer=1, authority=authority, key=bytes(16))
    assert len(row.sealed) == 100
    rows = [a_row(vault, 0, bytes(84)) for _ in range(10_000)]
    assert bytes_a_row(vault, rows) <= 320
