"""RFC 6962 trees: every proof to 256 leaves leads home, and no changed bit does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from checkin.errors import ProofInvalid
from checkin.tlog.merkle import (
    EMPTY_ROOT,
    RootBuilder,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    subtrees,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(n.to_bytes(2, "big")) for n in range(256)]
SUBTREE = subtrees(LEAVES)
ROOTS = [EMPTY_ROOT, *(SUBTREE(0, size) for size in range(1, 257))]
CHANCE = random.Random(6962)  # a sample of tests that is the same each time, nothing secret

# The eight entries that implementations of RFC 6962 have been tested with since the first, and their roots.
KNOWN_ENTRIES = [
    bytes.fromhex(entry)
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_roots_are_those_that_other_implementations_publish() -> None:
    """Sizes 1 to 8, and nothing at all."""
    hashes = [leaf_hash(entry) for entry in KNOWN_ENTRIES]
    assert [root(hashes[:size]).hex() for size in range(1, 9)] == KNOWN_ROOTS
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_proofs_are_those_of_the_example_in_the_rfc() -> None:
    """RFC 6962 §2.1.3, with the letters of its picture."""
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    assert inclusion_proof(0, 7, SUBTREE) == [b, h, m]
    assert inclusion_proof(3, 7, SUBTREE) == [c, g, m]
    assert inclusion_proof(4, 7, SUBTREE) == [f, j, k]
    assert inclusion_proof(6, 7, SUBTREE) == [i, k]
    assert consistency_proof(3, 7, SUBTREE) == [c, d, g, m]
    assert consistency_proof(4, 7, SUBTREE) == [m]
    assert consistency_proof(6, 7, SUBTREE) == [i, j, k]


def test_a_stream_of_leaves_has_the_root_of_the_list() -> None:
    """At every size, and also when it goes on from where another one stopped."""
    builder = RootBuilder()
    for size, leaf in enumerate(LEAVES):
        assert builder.root() == ROOTS[size]
        builder.add(leaf)
    resumed = RootBuilder([SUBTREE(0, 128), SUBTREE(128, 160), SUBTREE(160, 161)], 161)
    for leaf in LEAVES[161:]:
        resumed.add(leaf)
    assert resumed.root() == builder.root() == ROOTS[256]
    with pytest.raises(ValueError, match="complete subtrees"):
        RootBuilder([], 1)


def test_ranges_of_leaves_joined_in_any_order_have_the_root_of_all() -> None:
    """Every size to 300, cut at random into one to seven ranges, some of them empty."""
    leaves, chance = [leaf_hash(n.to_bytes(2, "big")) for n in range(300)], random.Random(9162)
    for size in range(len(leaves) + 1):
        cuts = [0, *sorted(chance.choices(range(size + 1), k=chance.randint(0, 6))), size]
        ranges = [RootBuilder.at(low) for low in cuts[:-1]]
        for each, high in zip(ranges, cuts[1:], strict=True):
            for leaf in leaves[each.begin : high]:
                each.add(leaf)
        while len(ranges) > 1:
            at = chance.randrange(len(ranges) - 1)
            ranges[at].join(ranges.pop(at + 1))
        assert (ranges[0].root(), ranges[0].size) == (root(leaves[:size]), size)


def test_a_range_joins_no_other_than_its_neighbour_and_has_no_root_of_its_own() -> None:
    tree, gap = RootBuilder(), RootBuilder.at(1)
    for wrong in (lambda: tree.join(gap), gap.root):
        with pytest.raises(ValueError, match="begin"):
            wrong()


def test_every_leaf_of_every_tree_to_256_is_proved() -> None:
    """All pairs of index and size."""
    for size in range(1, 257):
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, SUBTREE), ROOTS[size])


def test_every_tree_to_256_continues_every_smaller_one() -> None:
    """All pairs of sizes, from nothing on."""
    for size in range(257):
        for old in range(size + 1):
            verify_consistency(old, ROOTS[old], size, ROOTS[size], consistency_proof(old, size, SUBTREE))


def flipped(values: Sequence[bytes], bits: Iterator[int] | range) -> Iterator[list[bytes]]:
    """The same values with one bit changed, for each of the bits counted through all of them."""
    for bit in bits:
        which, rest = divmod(bit, 256)
        value = bytearray(values[which])
        value[rest // 8] ^= 1 << rest % 8
        yield [*values[:which], bytes(value), *values[which + 1 :]]


def refuses(check: Callable[[list[bytes]], None], values: Sequence[bytes], sample: int | None = None) -> None:
    """Every bit, or a sample of them, changed one at a time: each is refused."""
    bits = range(256 * len(values))
    picked = bits if sample is None else iter(CHANCE.sample(bits, sample))
    for changed in flipped(values, picked):
        with pytest.raises(ProofInvalid):
            check(changed)


@pytest.mark.parametrize("size", range(1, 9))
def test_no_changed_bit_passes_for_an_inclusion(size: int) -> None:
    """Leaf, root or any hash of the proof; every bit of small trees."""
    for index in range(size):
        proof = inclusion_proof(index, size, SUBTREE)
        refuses(
            lambda v, at=index: verify_inclusion(v[0], at, size, v[2:], v[1]),  # type: ignore[misc]
            [LEAVES[index], ROOTS[size], *proof],
        )


@pytest.mark.parametrize("size", range(2, 9))
def test_no_changed_bit_passes_for_a_consistency(size: int) -> None:
    """Either root or any hash of the proof; every bit of small trees."""
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, SUBTREE)
        refuses(
            lambda v, at=old: verify_consistency(at, v[0], size, v[1], v[2:]),  # type: ignore[misc]
            [ROOTS[old], ROOTS[size], *proof],
        )


def test_no_changed_bit_passes_in_larger_trees() -> None:
    """A sample of pairs and bits."""
    for _ in range(150):
        size = CHANCE.randrange(9, 257)
        index = CHANCE.randrange(size)
        values = [LEAVES[index], ROOTS[size], *inclusion_proof(index, size, SUBTREE)]
        refuses(lambda v: verify_inclusion(v[0], index, size, v[2:], v[1]), values, 20)  # noqa: B023  # called at once
        old = CHANCE.randrange(1, size)
        values = [ROOTS[old], ROOTS[size], *consistency_proof(old, size, SUBTREE)]
        refuses(lambda v: verify_consistency(old, v[0], size, v[1], v[2:]), values, 20)  # noqa: B023  # called at once


def test_a_proof_is_for_its_own_place_only() -> None:
    """Another leaf's proof, another place, a hash too many or too few, in another order."""
    for size in range(2, 20):
        for index in range(size):
            proof = inclusion_proof(index, size, SUBTREE)
            leaf = LEAVES[index]
            for at in set(range(size)) - {index}:
                with pytest.raises(ProofInvalid):
                    verify_inclusion(leaf, at, size, proof, ROOTS[size])
            for wrong in (proof[1:], proof[:-1], [*proof, proof[-1]], [leaf, *proof]):
                with pytest.raises(ProofInvalid):
                    verify_inclusion(leaf, index, size, wrong, ROOTS[size])


def test_a_consistency_proof_is_for_its_own_sizes_only() -> None:
    """Another old size, a hash too many or too few."""
    for size in range(2, 20):
        for old in range(1, size):
            proof = consistency_proof(old, size, SUBTREE)
            for wrong in (proof[1:], proof[:-1], [*proof, proof[-1]], [ROOTS[old], *proof], []):
                with pytest.raises(ProofInvalid):
                    verify_consistency(old, ROOTS[old], size, ROOTS[size], wrong)
            for other in set(range(1, size)) - {old}:
                with pytest.raises(ProofInvalid):
                    verify_consistency(other, ROOTS[other], size, ROOTS[size], proof)


def test_a_log_that_was_rewritten_has_no_proof() -> None:
    """One entry changed, all later ones the same."""
    forged = subtrees([leaf_hash(b"forged"), *LEAVES[1:]])
    for old in range(1, 40):
        proof = consistency_proof(old, 40, forged)
        with pytest.raises(ProofInvalid):
            verify_consistency(old, ROOTS[old], 40, forged(0, 40), proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, -1)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    """Neither made nor accepted."""
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(index, size, SUBTREE)
    with pytest.raises(ProofInvalid):
        verify_inclusion(LEAVES[0], index, size, [], ROOTS[1])


def test_a_tree_does_not_shrink() -> None:
    """Neither made nor accepted; two roots of one size must be the same; nothing continues into anything."""
    with pytest.raises(ValueError, match="shrink"):
        consistency_proof(5, 4, SUBTREE)
    for old, size, proof in ((5, 4, []), (-1, 4, []), (4, 4, [LEAVES[0]]), (0, 4, [LEAVES[0]])):
        with pytest.raises(ProofInvalid):
            verify_consistency(old, ROOTS[max(old, 0)], size, ROOTS[size], proof)
    with pytest.raises(ProofInvalid):
        verify_consistency(4, ROOTS[4], 4, ROOTS[5], [])
    with pytest.raises(ProofInvalid):
        verify_consistency(0, ROOTS[1], 4, ROOTS[4], [])


def test_hashes_of_another_size_and_endless_proofs_are_refused() -> None:
    """Before anything is computed."""
    for proof in ([b""], [LEAVES[1] + b"x"], [LEAVES[1]] * 65):
        with pytest.raises(ProofInvalid, match="64 hashes"):
            verify_inclusion(LEAVES[0], 0, 2, proof, ROOTS[2])
        with pytest.raises(ProofInvalid, match="64 hashes"):
            verify_consistency(1, ROOTS[1], 2, ROOTS[2], proof)
    with pytest.raises(ProofInvalid, match="64 hashes"):
        verify_inclusion(b"short", 0, 1, [], b"short")
