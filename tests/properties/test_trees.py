"""For every tree: proofs made are accepted, and only documented errors escape from the verifiers."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import ProofInvalid
from checkin.tlog.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    subtrees,
    verify_consistency,
    verify_inclusion,
)

entries = st.lists(st.binary(max_size=8), min_size=1, max_size=70)
sizes = st.integers(-1, 2**64)
hashes = st.binary(min_size=32, max_size=32)


@given(entries, st.data())
def test_proofs_lead_home(leaves: list[bytes], data: st.DataObject) -> None:
    """Also for equal entries and sizes that are no powers of two."""
    hashed = [leaf_hash(entry) for entry in leaves]
    subtree, size = subtrees(hashed), len(hashed)
    index = data.draw(st.integers(0, size - 1))
    verify_inclusion(hashed[index], index, size, inclusion_proof(index, size, subtree), root(hashed))
    verify_consistency(index, root(hashed[:index]), size, root(hashed), consistency_proof(index, size, subtree))


@given(sizes, sizes, st.lists(hashes | st.binary(max_size=40), max_size=66), hashes, hashes)
def test_made_up_proofs_are_refused_and_nothing_else_happens(
    first: int, second: int, proof: list[bytes], left: bytes, right: bytes
) -> None:
    """Any sizes, any hashes."""
    for verify in (
        partial(verify_inclusion, left, first, second, proof, right),
        partial(verify_consistency, first, left, second, right, proof),
    ):
        try:
            verify()
        except ProofInvalid:
            continue
        assert left == right
        assert proof == []
