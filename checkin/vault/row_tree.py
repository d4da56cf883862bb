"""A day's rows as a Merkle tree (docs/spec/vault.md §6)."""

from __future__ import annotations

from collections.abc import Iterable

from checkin.protocol.encoding import u32be
from checkin.tlog.merkle import RootBuilder, leaf_hash
from checkin.vault.engines import KEY_SIZE, NONCE_SIZE, Row

_KEY, _BUCKET, _NONCE = map(u32be, (KEY_SIZE, 1, NONCE_SIZE))  # which every row has, and a day has millions of rows


def row_leaf(row: Row) -> bytes:
    """The Merkle leaf hash of a row: every column with its length before it (u32be), so that none can flow into
    the next."""
    fixed = b"".join((_KEY, row.key, _KEY, row.group, _BUCKET, bytes([row.bucket]), _NONCE, row.nonce))
    return leaf_hash(b"".join((fixed, u32be(len(row.sealed)), row.sealed)))


def rows_root(rows: Iterable[Row]) -> tuple[bytes, int]:
    """Merkle root and number of rows; the caller's order counts."""
    builder = RootBuilder()
    for row in rows:
        builder.add(row_leaf(row))
    return builder.root(), builder.size
