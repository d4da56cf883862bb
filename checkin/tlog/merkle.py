"""Merkle trees of RFC 6962: roots, inclusion proofs, consistency proofs, and their verifiers.

Hashes are 32 bytes of SHA-256. A subtree is named by its range of leaves [low, high); `Subtree` gives the hash of
one, wherever it comes from: leaves in memory (`subtrees`) or tiles in files (`tiles.py`).
Source: RFC 6962 §2.1. A verifier knows from the sizes alone which subtrees a proof names, so it walks that path and
accepts exactly as many hashes as it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, reduce
from typing import Final, Self

from checkin.errors import ProofInvalid
from checkin.protocol.primitives import sha256

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256()
MAX_PROOF: Final = 64  # hashes: no tree of 2⁶³ leaves needs more

Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00", entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01", left, right)


def joined(complete: Iterable[bytes]) -> bytes:
    """The hash over complete subtrees side by side; there is at least one, and the largest comes first."""
    return reduce(lambda right, left: node_hash(left, right), reversed([*complete]))


def split_size(size: int) -> int:
    """The largest power of two below `size` (2 or more): how many leaves the left half has."""
    return 1 << (size - 1).bit_length() - 1


class RootBuilder:
    """The root of a stream of leaves, in memory that grows with the logarithm of their number.

    One that begins elsewhere (`at`) is a *compact range*: the hashes of the largest complete subtrees of the leaves
    [begin, size), all that is needed of them to be joined with their neighbours.
    """

    def __init__(self, complete: Iterable[bytes] = (), size: int = 0) -> None:
        """Empty, or going on from `size` leaves; `complete`: the hashes of their complete subtrees, largest first."""
        self.begin = 0
        self.size = size
        self._complete = list(complete)  # one a set bit of `size`
        if len(self._complete) != size.bit_count():
            raise ValueError("a size has as many complete subtrees as it has set bits")

    @classmethod
    def at(cls, begin: int) -> Self:
        """Empty, for the leaves from number `begin` on."""
        builder = cls()
        builder.begin = builder.size = begin
        return builder

    def add(self, leaf: bytes, width: int = 1) -> None:
        """Takes the next leaf's hash, or that of the complete subtree of the next `width` leaves."""
        low, end = self.size, self.size + width
        while low & width and low - width >= self.begin:
            leaf = node_hash(self._complete.pop(), leaf)
            low -= width
            width *= 2
        self._complete.append(leaf)
        self.size = end

    def join(self, right: RootBuilder) -> None:
        """Takes all leaves of the range that begins where this one ends."""
        if right.begin != self.size:
            raise ValueError("a range is joined with the one that begins at its end")
        for subtree in right._complete:
            left = right.size - self.size
            fitting = 1 << left.bit_length() - 1
            self.add(subtree, min(fitting, self.size & -self.size or fitting))

    def root(self) -> bytes:
        """The root over all leaves so far; SHA-256 of nothing when there are none. More may be added afterwards."""
        if self.begin:
            raise ValueError("only a range that begins with the first leaf has a root")
        return joined(self._complete) if self._complete else EMPTY_ROOT


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The Merkle tree hash over these leaf hashes (RFC 6962 §2.1)."""
    builder = RootBuilder()
    for leaf in leaf_hashes:
        builder.add(leaf)
    return builder.root()


def subtrees(leaf_hashes: Sequence[bytes]) -> Subtree:
    """The subtrees over leaves in memory; each hash is computed once."""

    @cache
    def subtree(low: int, high: int) -> bytes:
        if high - low == 1:
            return leaf_hashes[low]
        middle = low + split_size(high - low)
        return node_hash(subtree(low, middle), subtree(middle, high))

    return subtree


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The subtrees that an inclusion proof hashes, from the leaf's sibling up; `ValueError` outside the tree."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf in a tree of this size")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + split_size(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def consistency_ranges(old: int, size: int) -> list[tuple[int, int]]:
    """The subtrees that a consistency proof hashes; none when nothing was added, or was there before."""
    if not 0 <= old <= size:
        raise ValueError("a tree does not shrink")
    if old == 0:
        return []
    # The path of the last old leaf; all that is old beside it there is one subtree, and one hash.
    path, low = inclusion_ranges(old - 1, size), old - 1
    while path and path[0][1] == low:
        low, _ = path.pop(0)
    return [(low, old), *path] if low else path


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """RFC 6962 §2.1.1 for the leaf at `index` in the tree of the first `size` leaves; `ValueError` outside it."""
    return [subtree(low, high) for low, high in inclusion_ranges(index, size)]


def consistency_proof(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """RFC 6962 §2.1.2 from the first `old` to the first `size` leaves; `ValueError` when `old` is larger."""
    return [subtree(low, high) for low, high in consistency_ranges(old, size)]


def _check_hashes(proof: Sequence[bytes], *others: bytes) -> None:
    if len(proof) > MAX_PROOF or any(len(value) != HASH_SIZE for value in (*proof, *others)):
        raise ProofInvalid("A proof is a list of at most 64 hashes of 32 bytes.")


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Raises `ProofInvalid` unless the leaf with hash `leaf` is at `index` under the root `expected` of `size` leaves.

    The root is bound to its size by the checkpoint, not by this proof: take both from the same checkpoint.
    """
    _check_hashes(proof, leaf, expected)
    if not 0 <= index < size:
        raise ProofInvalid("The proof is for an entry that a log of this size does not have.")
    sides = [low < index for low, _ in inclusion_ranges(index, size)]
    if len(sides) != len(proof):
        raise ProofInvalid("The proof has not as many hashes as this entry's path.")
    for left, sibling in zip(sides, proof, strict=True):
        leaf = node_hash(sibling, leaf) if left else node_hash(leaf, sibling)
    if leaf != expected:
        raise ProofInvalid("The entry is not in the log at this place.")


def verify_consistency(old: int, old_root: bytes, size: int, expected: bytes, proof: Sequence[bytes]) -> None:
    """Raises `ProofInvalid` unless the tree of `size` leaves with root `expected` begins with that of `old` leaves."""
    _check_hashes(proof, old_root, expected)
    if not 0 <= old <= size:
        raise ProofInvalid("A log does not shrink.")
    if old in (0, size):
        if proof or old_root != (expected if old else EMPTY_ROOT):
            raise ProofInvalid("Two roots of one size differ, or there is a proof where none belongs.")
        return
    ranges = consistency_ranges(old, size)
    if len(ranges) != len(proof):
        raise ProofInvalid("The proof has not as many hashes as there are between these sizes.")
    path = list(zip(ranges, proof, strict=True))
    # Where the old tree is a complete subtree of the new one, the path starts at its root, which is not sent.
    before = after = path.pop(0)[1] if old & (old - 1) else old_root
    for (_, high), value in path:
        if high <= old:
            before, after = node_hash(value, before), node_hash(value, after)
        else:
            after = node_hash(after, value)
    if (before, after) != (old_root, expected):
        raise ProofInvalid("The log was rewritten: the new root does not continue the old one.")
