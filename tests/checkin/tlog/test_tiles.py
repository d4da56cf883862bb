"""Tiles: names of files, what is in them, and every proof out of them."""

from __future__ import annotations

import random

import pytest

from checkin.errors import NoteMalformed, ProofInvalid
from checkin.tlog.merkle import RootBuilder, consistency_proof, inclusion_proof, leaf_hash, root, subtrees
from checkin.tlog.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    TileHashes,
    new_tiles,
    parse_path,
    read_bundle,
    split_tile,
    tile_of,
    write_bundle,
)

LEAVES = [leaf_hash(n.to_bytes(3, "big")) for n in range(66_000)]
SUBTREE = subtrees(LEAVES)


def content(tile: Tile) -> bytes:
    """What the specification says is in a tile: hashes over 256**L entries each."""
    span = WIDTH**tile.level
    first = tile.number * WIDTH
    return b"".join(SUBTREE(at * span, (at + 1) * span) for at in range(first, first + tile.width))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1067), "tile/0/x001/067"),
        (Tile(1, 1234067, 17), "tile/1/x001/x234/067.p/17"),
        (Tile(63, 999, 1), "tile/63/999.p/1"),
        (Tile(ENTRIES, 1234067, 255), "tile/entries/x001/x234/067.p/255"),
    ],
)
def test_tiles_are_named_as_the_specification_names_them(tile: Tile, path: str) -> None:
    """Both ways."""
    assert tile.path() == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/entries/../../log.sqlite",
        "/tile/0/000",
        "tile/0/000/",
    ],
)
def test_nothing_else_is_the_name_of_a_tile(path: str) -> None:
    """So that a request reaches tiles and no other file."""
    with pytest.raises(NoteMalformed):
        parse_path(path)


def test_a_log_has_the_tiles_of_the_specifications_example() -> None:
    """70,000 entries, and exactly 256."""
    tiles = new_tiles(0, 70_000)
    assert sum(tile.level == 0 and tile.width == WIDTH for tile in tiles) == 273
    partial = [tile for tile in tiles if tile.level >= 0 and tile.width < WIDTH]
    assert partial == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert Tile(1, 0) in tiles
    assert [tile for tile in new_tiles(0, 256) if tile.level >= 0] == [Tile(0, 0), Tile(1, 0, 1)]
    assert new_tiles(0, 0) == []


def test_growing_adds_what_changed_and_nothing_else() -> None:
    """From any size to any larger one, the tiles of the larger are the old ones and the new ones."""
    for old in range(0, 1100, 37):
        for size in range(old, 1100, 41):
            before, after = set(new_tiles(0, old)), set(new_tiles(0, size))
            added = new_tiles(old, size)
            assert len(set(added)) == len(added)
            assert set(added) >= after - before
            assert set(added) <= after
            assert all(tile not in before for tile in added)


def test_any_proof_comes_out_of_tiles() -> None:
    """The same as out of the leaves, at sizes around the borders of tiles."""
    chance = random.Random(28)  # a sample of tests that is the same each time, nothing secret
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000):
        hashes = TileHashes(size, content)
        assert hashes.subtree(0, size) == SUBTREE(0, size)
        for _ in range(10):
            smaller = chance.randrange(1, size + 1)
            index = chance.randrange(smaller)
            assert inclusion_proof(index, smaller, hashes.subtree) == inclusion_proof(index, smaller, SUBTREE)
            assert consistency_proof(index, smaller, hashes.subtree) == consistency_proof(index, smaller, SUBTREE)


def test_a_root_goes_on_from_the_tiles_right_edge() -> None:
    """What the log does when entries are added."""
    for size in (0, 1, 3, 255, 256, 700):
        builder = RootBuilder(TileHashes(size, content).frontier(), size)
        for leaf in LEAVES[size : size + 5]:
            builder.add(leaf)
        assert builder.root() == root(LEAVES[: size + 5])


def test_a_reader_asks_for_tiles_that_the_size_has_and_once() -> None:
    """Never for a partial tile that a checkpoint does not call for."""
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return content(tile)

    hashes = TileHashes(70_000 - 4_500, read)
    for index in (0, 300, 65_499):
        inclusion_proof(index, 65_500, hashes.subtree)
    assert len(asked) == len(set(asked))
    assert set(asked) <= set(new_tiles(0, 65_500))
    assert tile_of(0, 65_499, 65_500) in asked


def test_a_bundle_holds_entries_of_any_bytes() -> None:
    """Also empty ones and the largest."""
    entries = [b"", b"a", b"\n" * 300, bytes(0xFFFF)]
    assert read_bundle(write_bundle(entries), 4) == entries
    with pytest.raises(OverflowError):
        write_bundle([bytes(0x10000)])


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x01", b"\x00\x01a", b"\x00\x01a\x00\x00\x00", b"\x00\x01a\x00\x02b"]
)
def test_a_bundle_that_is_cut_off_or_counts_wrong_is_refused(data: bytes) -> None:
    """Two entries were promised."""
    with pytest.raises(ProofInvalid):
        read_bundle(data, 2)


def test_a_tile_of_another_length_is_refused() -> None:
    """A byte too few, a hash too many."""
    data = content(Tile(0, 0, 3))
    assert split_tile(data, 3) == LEAVES[:3]
    for wrong in (data[:-1], data + data[:32], b""):
        with pytest.raises(ProofInvalid):
            split_tile(wrong, 3)
