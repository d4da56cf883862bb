"""The ledger: an issuer that cannot list what it issued, and an authority that can for one person."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checkin.errors import SealBroken
from checkin.protocol.primitives import OpeningKey, SealingKey
from checkin.vault.engines import Row
from checkin.vault.ledger import (
    LedgerBatch,
    LedgerEntry,
    ledger_row,
    open_entry,
    open_row,
    quota_key,
    subject_group,
    visit_id,
)
from checkin.vault.vault import Vault
from tests.support.vaults import DAY, open_vault

AUTHORITY = OpeningKey(bytes(31) + b"\x40")
PUBLIC = SealingKey(AUTHORITY.public)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path, "issuer", ordered=False)
    yield vault
    vault.store.close()


def a_batch() -> LedgerBatch:
    return LedgerBatch(os.urandom(32), 10)


def a_row(vault: Vault, subject: int, batch: LedgerBatch) -> Row:
    return ledger_row(vault, DAY, subject, batch, issuer=1, authority=PUBLIC, key=os.urandom(16))


def test_the_authority_learns_one_person_s_visit_ids_from_what_the_issuer_stored(vault: Vault) -> None:
    mine, others = [a_batch(), a_batch()], [a_batch() for _ in range(5)]
    rows = [a_row(vault, 7, batch) for batch in mine]
    rows += [a_row(vault, subject, batch) for subject, batch in enumerate(others)]
    assert all(vault.insert(DAY, rows))
    entries = [open_row(vault, DAY, row) for row in vault.store.group(DAY, subject_group(vault, DAY, 7))]
    opened = [open_entry(entry, issuer=1, day=DAY, authority=AUTHORITY) for entry in entries]
    assert sorted(opened, key=lambda batch: batch.sigma) == sorted(mine, key=lambda batch: batch.sigma)


def test_visit_ids_follow_from_sigma_as_the_protocol_says() -> None:
    batch = a_batch()
    ids = [hmac.new(batch.sigma, bytes([0, 0, 0, i]), hashlib.sha256).digest()[:16] for i in range(10)]
    assert batch.visit_ids() == ids == [visit_id(batch.sigma, i) for i in range(10)]


def test_the_issuer_s_own_keys_do_not_open_sigma(vault: Vault) -> None:
    batch = a_batch()
    row = a_row(vault, 7, batch)
    entry = open_row(vault, DAY, row)
    assert len(entry.sealed) == 84
    assert batch.sigma not in entry.sealed
    with pytest.raises(SealBroken):
        open_entry(entry, issuer=1, day=DAY, authority=OpeningKey(os.urandom(32)))


def test_an_entry_opens_for_its_issuer_day_and_row_only(vault: Vault) -> None:
    """So an issuer cannot pass one person's batch for another's by moving it to another row."""
    rows = [a_row(vault, subject, a_batch()) for subject in (7, 8)]
    one, other = (open_row(vault, DAY, row) for row in rows)
    assert open_entry(one, issuer=1, day=DAY, authority=AUTHORITY)
    wrong: list[tuple[LedgerEntry, int, int]] = [
        (one, 2, DAY),
        (one, 1, DAY + 1),
        (replace(one, key=other.key), 1, DAY),
        (replace(one, group=other.group), 1, DAY),
        (replace(one, sealed=other.sealed), 1, DAY),
    ]
    for entry, issuer, day in wrong:
        with pytest.raises(SealBroken):
            open_entry(entry, issuer=issuer, day=day, authority=AUTHORITY)


def test_a_person_has_another_group_on_another_day(vault: Vault) -> None:
    assert subject_group(vault, DAY, 7) != subject_group(vault, DAY + 1, 7)


def test_a_phones_batch_of_a_number_has_one_row_and_no_key_tells_whose_it_is(vault: Vault) -> None:
    keys = [
        quota_key(vault, day, phone, number)
        for day in (DAY, DAY + 1)
        for phone in ("+821", "+8210")
        for number in range(6)
    ]
    assert len(set(keys)) == len(keys) == 24
    assert quota_key(vault, DAY, "+8210", 5) == keys[11]
    alike = [ledger_row(vault, DAY, 7, a_batch(), issuer=1, authority=PUBLIC, key=keys[0]) for _ in range(2)]
    assert [vault.insert(DAY, [row]) for row in alike] == [[True], [False]]


@pytest.mark.parametrize(("sigma", "count"), [(bytes(31), 10), (bytes(33), 10), (bytes(32), 0), (bytes(32), 1001)])
def test_a_batch_of_another_size_cannot_be_made(sigma: bytes, count: int) -> None:
    with pytest.raises(ValueError, match="batch"):
        LedgerBatch(sigma, count)


def test_an_entry_that_holds_no_batch_says_so() -> None:
    """An issuer could seal anything; it must not make the authority count to four billion."""
    entry = LedgerEntry(bytes(16), bytes(16), b"")
    info = b"ck1/sigma" + (1).to_bytes(4, "big") + DAY.to_bytes(4, "big") + bytes(32)
    for plain in (b"", bytes(36), bytes(35), bytes(32) + b"\xff" * 4, bytes(37)):
        with pytest.raises(SealBroken, match="no batch"):
            open_entry(replace(entry, sealed=PUBLIC.seal(plain, info)), issuer=1, day=DAY, authority=AUTHORITY)
