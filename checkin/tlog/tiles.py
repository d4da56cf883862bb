"""Tiles: a log as files that never change, from which anyone computes any proof.

Source: c2sp.org/tlog-tiles. A tile at level L holds up to 256 hashes, each over 256**L entries; an entry bundle
holds up to 256 entries, each behind its length in two bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from checkin.errors import NoteMalformed, NotFound, ProofInvalid
from checkin.tlog.merkle import HASH_SIZE, joined, root

WIDTH: Final = 256
MAX_ENTRY: Final = 0xFFFF
ENTRIES: Final = -1  # the "level" of entry bundles
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-5]?[0-9]|6[0-3])/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[0-9]{1,3}))?"
)


Fetch = Callable[[str], bytes]
"""Gives the bytes of a file of the log by its path, over HTTP or from a folder; raises `NotFound`."""


class Tile(NamedTuple):
    """Which tile: level 0 to 63 (or `ENTRIES`), its number in the level, how many hashes or entries it has."""

    level: int
    number: int
    width: int = WIDTH

    def path(self) -> str:
        """`tile/0/x001/067`, with `.p/<width>` when it is not full."""
        *high, low = [thousand.zfill(3) for thousand in f"{self.number:,}".split(",")]
        number = "/".join([*(f"x{thousand}" for thousand in high), low])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{number}" + ("" if self.width == WIDTH else f".p/{self.width}")

    def cut(self, wider: bytes) -> bytes:
        """Its bytes out of those of the same tile when it had grown."""
        if self.level != ENTRIES:
            return wider[: self.width * HASH_SIZE]
        end = 0
        for _ in range(self.width):
            end += 2 + int.from_bytes(wider[end : end + 2], "big")
        return wider[:end]


def parse_path(path: str) -> Tile:
    """Inverse of `Tile.path`; raises `NoteMalformed`, so that nothing else is ever looked up in a folder."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise NoteMalformed("This is not the path of a tile.")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    tile = Tile(level, int(match["index"].replace("x", "").replace("/", "")), int(match["width"] or WIDTH))
    if tile.path() != path or not 0 < tile.width <= WIDTH:
        raise NoteMalformed("This is not the path of a tile.")
    return tile


def tile_of(level: int, position: int, size: int) -> Tile:
    """The tile, as wide as it is in a log of `size` entries, that holds the hash number `position` of a level."""
    count = size >> 8 * max(level, 0)
    index = position // WIDTH
    return Tile(level, index, min(WIDTH, count - index * WIDTH))


def new_tiles(old: int, size: int) -> list[Tile]:
    """All tiles and bundles that a log of `size` entries has and one of `old` had not; bundles first, then upwards."""
    tiles = []
    level = ENTRIES
    while count := size >> 8 * max(level, 0):
        before = old >> 8 * max(level, 0)
        if count > before:
            tiles += [tile_of(level, at, size) for at in range(before - before % WIDTH, count, WIDTH)]
        level += 1
    return tiles


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries of at most 65,535 bytes, each behind its length u16be; `OverflowError` for a longer one."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes, width: int) -> list[bytes]:
    """Inverse of `write_bundle`; raises `ProofInvalid` unless there are exactly `width` entries."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise ProofInvalid("An entry bundle is cut off.")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise ProofInvalid("An entry bundle has another number of entries than its name says.")
    return entries


def split_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile; raises `ProofInvalid` unless there are exactly `width`."""
    if len(data) != width * HASH_SIZE:
        raise ProofInvalid("A tile has another number of hashes than its name says.")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def fetch_tile(fetch: Fetch, tile: Tile) -> bytes:
    """The bytes of a tile, cut out of the full one where the partial one has been removed."""
    try:
        return fetch(tile.path())
    except NotFound:
        if tile.width == WIDTH:
            raise
        return tile.cut(fetch(tile._replace(width=WIDTH).path()))


def fetch_bundle(fetch: Fetch, tile: Tile) -> list[bytes]:
    return read_bundle(fetch_tile(fetch, tile), tile.width)


class TileHashes:
    """The hash of any subtree of a log of `size` entries, out of its tiles; nothing here is verified.

    What is computed from it is: a proof is checked against the root of a checkpoint before anyone believes it.
    """

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        """`read` returns a tile's bytes; it is called once a tile and only for tiles that this size has."""
        self.size = size
        self._tile: Callable[[Tile], list[bytes]] = cache(lambda tile: split_tile(read(tile), tile.width))

    def subtree(self, low: int, high: int) -> bytes:
        """The hash over the entries [low, high), which must be a subtree of the log; raises `ProofInvalid`."""
        return joined(self._complete(at, height) for at, height in _complete_ranges(low, high))

    def frontier(self) -> list[bytes]:
        """The hashes of the complete subtrees, largest first: what a `RootBuilder` goes on from."""
        return [self._complete(at, height) for at, height in _complete_ranges(0, self.size)]

    def _complete(self, at: int, height: int) -> bytes:
        level, rest = divmod(height, 8)
        position = at >> 8 * level
        hashes = self._tile(tile_of(level, position, self.size))
        start = position % WIDTH
        return root(hashes[start : start + (1 << rest)])


def _complete_ranges(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that make up [low, high), largest first: where each begins, and its height."""
    while low < high:
        height = (high - low).bit_length() - 1
        yield low, height
        low += 1 << height
