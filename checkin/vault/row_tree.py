"""A day's rows as a Merkle tree (docs/spec/vault.md §6)."""

from __future__ import annotations

from collections.abc import Iterable

from checkin.protocol.encoding import u32be
from checkin.tlog.merkle import RootBuilder, leaf_hash
from checkin.vault.engines import Row


def row_leaf(row: Row) -> bytes:
    """The Merkle leaf hash of a row: every column with its length before it (u32be), so that none can flow into
    the next."""
    columns = (row.key, row.group, bytes([row.bucket]), row.nonce, row.sealed)
    return leaf_hash(b"".join(u32be(len(column)) + column for column in columns))


def rows_root(rows: Iterable[Row]) -> tuple[bytes, int]:
    """Merkle root and number of rows; the caller's order counts."""
    builder = RootBuilder()
    for row in rows:
        builder.add(row_leaf(row))
    return builder.root(), builder.size
