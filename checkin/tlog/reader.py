"""Reading a log from its static files alone: every answer is checked against the root of one checkpoint.

`fetch` gives a file by its path, `checkpoint` or `tile/…`, over HTTP or from a folder. What it gives is believed
only as far as hashes lead from it to the checkpoint, which the caller has verified (`checkpoint.open_checkpoint`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from checkin.errors import NotFound, ProofInvalid
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from checkin.tlog.tiles import ENTRIES, WIDTH, Fetch, TileHashes, fetch_bundle, fetch_tile, tile_of


def folder_fetch(folder: Path) -> Fetch:
    """Files of a copied log; the paths are those that this module makes, never foreign input."""

    def fetch(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError:
            raise NotFound(f"The log has no file {path}.") from None

    return fetch


class LogReader:
    """A log of which one verified checkpoint, `head`, is known."""

    def __init__(self, fetch: Fetch, head: Checkpoint) -> None:
        self.head = head
        self._fetch = fetch
        self._hashes = TileHashes(head.size, lambda tile: fetch_tile(fetch, tile))

    def entry(self, index: int) -> bytes:
        """The entry at that place; raises `NotFound` past the end, `ProofInvalid` if it is not what was logged."""
        if not 0 <= index < self.head.size:
            raise NotFound("The log has no such entry.")
        return self._bundle(index // WIDTH)[index % WIDTH]

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """All entries from `start` on, each checked before it is given; raises as `entry`."""
        for number in range(start // WIDTH, -(-self.head.size // WIDTH)):
            yield from self._bundle(number)[max(0, start - number * WIDTH) :]

    def inclusion(self, index: int) -> list[bytes]:
        """The inclusion proof of the entry at `index`, checked; raises as `entry`."""
        if not 0 <= index < self.head.size:
            raise NotFound("The log has no such entry.")
        proof = inclusion_proof(index, self.head.size, self._hashes.subtree)
        verify_inclusion(self._hashes.subtree(index, index + 1), index, self.head.size, proof, self.head.root)
        return proof

    def verify_continues(self, old: Checkpoint) -> list[bytes]:
        """The proof that this log, neither rewritten nor cut short, continues the verified `old`; or `ProofInvalid`."""
        if old.origin != self.head.origin or old.size > self.head.size:
            raise ProofInvalid("The log is another one, or is shorter than it was.")
        proof = consistency_proof(old.size, self.head.size, self._hashes.subtree)
        verify_consistency(old.size, old.root, self.head.size, self.head.root, proof)
        return proof

    def _bundle(self, number: int) -> list[bytes]:
        """The entries of a bundle, checked: the way from its first entry to the root passes all the others."""
        first = number * WIDTH
        tile = tile_of(0, first, self.head.size)
        entries = fetch_bundle(self._fetch, tile._replace(level=ENTRIES))
        leaves = [leaf_hash(entry) for entry in entries]
        own = b"".join(leaves)
        hashes = TileHashes(self.head.size, lambda other: own if other == tile else fetch_tile(self._fetch, other))
        proof = inclusion_proof(first, self.head.size, hashes.subtree)
        verify_inclusion(leaves[0], first, self.head.size, proof, self.head.root)
        return entries
