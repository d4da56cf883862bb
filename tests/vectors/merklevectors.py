"""Proofs, tiles and heads made by the Python implementation, good and bad, with its own verdict on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checkin.tlog.merkle import (
    EMPTY_ROOT,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    subtrees,
    verify_consistency,
    verify_inclusion,
)
from checkin.tlog.tiles import ENTRIES, Tile, new_tiles, write_bundle
from tests.vectors.material import code_of

Proof = list[bytes]


def merkle() -> dict[str, Any]:
    """`proofs`, `logs` as files, and `paths` of tiles."""
    entries = [f"entry {number}".encode() for number in range(700)]
    leaves = [leaf_hash(entry) for entry in entries]
    tree = subtrees(leaves)
    tiles = [
        Tile(level, number, width)
        for level, number in ((0, 0), (0, 999), (1, 1000), (2, 1234067), (ENTRIES, 67))
        for width in (1, 256)
    ]
    return {
        "proofs": [*_inclusions(leaves, tree), *_consistencies(tree)],
        "logs": [_log(entries, tree, size) for size in (1, 255, 256, 257, 700)],
        "paths": [
            {"tile": ["entries" if level == ENTRIES else level, number, width], "path": tile.path()}
            for tile in tiles
            for level, number, width in [tile]
        ],
    }


def _spoiled(proof: Proof) -> Iterator[tuple[str, Proof]]:
    """The proof, and what can be wrong with one."""
    yield "as made", proof
    yield "one more", [*proof, EMPTY_ROOT]
    yield "a hash too short", [*proof[:-1], EMPTY_ROOT[:31]]
    if proof:
        yield "one less", proof[:-1]
        yield "another last hash", [*proof[:-1], EMPTY_ROOT]
        yield "another first bit", [bytes([proof[0][0] ^ 0x80, *proof[0][1:]]), *proof[1:]]
        yield "the other way round", proof[::-1]


def _inclusions(leaves: Proof, tree: Subtree) -> Iterator[dict[str, Any]]:
    for size in (1, 2, 3, 7, 8, 9, 21, 300):
        root = tree(0, size)
        for index in sorted({0, 1, size // 2, size - 1, size}):
            proof = inclusion_proof(index, size, tree) if index < size else []
            for what, spoiled in _spoiled(proof):
                yield {
                    "kind": "inclusion",
                    "name": f"{index} in {size}, {what}",
                    "numbers": [index, size],
                    "hashes": [leaves[index].hex(), root.hex()],
                    "proof": [value.hex() for value in spoiled],
                    "expected": code_of(verify_inclusion, leaves[index], index, size, spoiled, root),
                }


def _consistencies(tree: Subtree) -> Iterator[dict[str, Any]]:
    for size in (1, 2, 5, 8, 21, 300):
        root = tree(0, size)
        for old in sorted({0, 1, size // 2, size - 1, size, size + 1}):
            before = tree(0, old) if old else EMPTY_ROOT
            proof = consistency_proof(old, size, tree) if old <= size else []
            for what, spoiled in _spoiled(proof):
                yield {
                    "kind": "consistency",
                    "name": f"{old} to {size}, {what}",
                    "numbers": [old, size],
                    "hashes": [before.hex(), root.hex()],
                    "proof": [value.hex() for value in spoiled],
                    "expected": code_of(verify_consistency, old, before, size, root, spoiled),
                }


def _log(entries: list[bytes], tree: Subtree, size: int) -> dict[str, Any]:
    """Its files; from 256 entries on, the first bundle and tile are there in full only, as logs keep them."""
    files = {tile.path(): _content(tile, entries, tree).hex() for tile in new_tiles(0, size)}
    olds = sorted({1, size // 2 or 1, size - 1 or 1, size})
    earlier = [{"size": old, "root": tree(0, old).hex(), "expected": "ok"} for old in olds]
    earlier += [{"size": old, "root": EMPTY_ROOT.hex(), "expected": "proof_invalid"} for old in olds]
    earlier += [{"size": size + 1, "root": EMPTY_ROOT.hex(), "expected": "proof_invalid"}]
    shown = sorted({0, size // 2, size - 1})
    return {
        "size": size,
        "root": tree(0, size).hex(),
        "files": files,
        "entries": [[index, entries[index].hex()] for index in shown],
        "earlier": earlier,
    }


def _content(tile: Tile, entries: list[bytes], tree: Subtree) -> bytes:
    first = tile.number * 256
    numbers = range(first, first + tile.width)
    if tile.level == ENTRIES:
        return write_bundle([entries[number] for number in numbers])
    span = 256**tile.level
    return b"".join(tree(number * span, (number + 1) * span) for number in numbers)
