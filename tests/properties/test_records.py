"""Records of visits and of the ledger: what is read is written again to the same bytes; only documented errors."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import SealBroken
from checkin.protocol.primitives import OpeningKey
from checkin.vault.ledger import MAX_BATCH, LedgerBatch, LedgerEntry, open_entry
from checkin.vault.visit import RECORD_SIZE, Visit

U32 = st.integers(0, 2**32 - 1)
VISITS = st.builds(
    Visit,
    venue=st.binary(min_size=8, max_size=8),
    minute=U32,
    issuer=U32,
    visit_id=st.binary(min_size=16, max_size=16),
    scan_id=st.binary(min_size=16, max_size=16),
    sealed_subject=st.binary(min_size=72, max_size=72),
    flags=st.integers(0, 255),
)
BATCHES = st.builds(LedgerBatch, sigma=st.binary(min_size=32, max_size=32), count=st.integers(1, MAX_BATCH))
AUTHORITY = OpeningKey(bytes(31) + b"\x40")


@given(VISITS)
def test_a_visit_is_read_as_it_was_written(visit: Visit) -> None:
    assert Visit.decode(visit.encode()) == visit


@given(st.binary(min_size=RECORD_SIZE, max_size=RECORD_SIZE) | st.binary(max_size=2 * RECORD_SIZE))
def test_a_record_that_is_accepted_is_written_again_to_the_same_bytes(record: bytes) -> None:
    with suppress(SealBroken):
        assert Visit.decode(record).encode() == record
        assert len(record) == RECORD_SIZE


@given(BATCHES)
def test_a_batch_is_read_as_it_was_written(batch: LedgerBatch) -> None:
    assert LedgerBatch.decode(batch.encode()) == batch


@given(st.binary(max_size=80) | st.binary(min_size=36, max_size=36) | BATCHES.map(LedgerBatch.encode))
def test_a_batch_that_is_accepted_is_written_again_to_the_same_bytes(plain: bytes) -> None:
    with suppress(SealBroken):
        assert LedgerBatch.decode(plain).encode() == plain


@given(BATCHES)
def test_the_visit_ids_of_a_batch_are_all_different(batch: LedgerBatch) -> None:
    assert len(set(batch.visit_ids())) == batch.count


@given(st.binary(max_size=120), st.binary(min_size=16, max_size=16), U32, U32)
def test_an_entry_that_nobody_sealed_is_refused_and_nothing_else_happens(
    sealed: bytes, column: bytes, issuer: int, day: int
) -> None:
    try:
        open_entry(LedgerEntry(column, column, sealed), issuer=issuer, day=day, authority=AUTHORITY)
    except SealBroken:
        return
    raise AssertionError("something opened")
