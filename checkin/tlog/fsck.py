"""Checking every file of a log: which of them are not what was signed, by name.

The entries are the log; every hash is computed from them. Where they lead to the signed root, each tile must be
what they make it. Where they do not, each bundle is held against its own path through the tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from checkin.errors import NoteMalformed, NotFound, ProofInvalid
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.reader import LogReader
from checkin.tlog.tiles import (
    ENTRIES,
    WIDTH,
    Fetch,
    Tile,
    fetch_bundle,
    fetch_tile,
    new_tiles,
    parse_path,
    write_bundle,
)

MAX_FAULTS: Final = 100  # files of one log that are named


class LogFault(NamedTuple):
    """A file of the log, by its path, and what is wrong with it in a sentence."""

    path: str
    reason: str


def check_log(fetch: Fetch, head: Checkpoint, listed: Iterable[str] = ()) -> list[LogFault]:
    """What is wrong with the files of the log under the verified checkpoint `head`; empty when nothing is.

    `listed`: names of all tile files there are, where that is known; older partial tiles among them are checked too.
    """
    tiles = new_tiles(0, head.size)
    bundles = [tile for tile in tiles if tile.level == ENTRIES]
    faults, entries = _read_bundles(fetch, bundles)
    if not faults and root(map(leaf_hash, entries)) == head.root:
        others = _others(listed, set(tiles), faults)
        hashed = [tile for tile in tiles if tile.level != ENTRIES]
        return faults + list(_altered(fetch, entries, hashed + others))
    return faults + list(_off_the_path(fetch, head, bundles, {fault.path for fault in faults}))


def _read_bundles(fetch: Fetch, bundles: list[Tile]) -> tuple[list[LogFault], list[bytes]]:
    faults, entries = [], []
    for bundle in bundles:
        try:
            entries += fetch_bundle(fetch, bundle)
        except (NotFound, ProofInvalid) as error:
            faults.append(LogFault(bundle.path(), error.detail))
            if len(faults) >= MAX_FAULTS:  # a size that was only claimed
                break
    return faults, entries


def _expected(tile: Tile, levels: list[list[bytes]]) -> bytes | None:
    """What the tile is in a log of these levels, entries first; None for a tile that it cannot have."""
    of_level = levels[tile.level + 1] if tile.level + 1 < len(levels) else []
    first = tile.number * WIDTH
    held = of_level[first : first + tile.width]
    if len(held) < tile.width:
        return None
    return write_bundle(held) if tile.level == ENTRIES else b"".join(held)


def _others(listed: Iterable[str], known: set[Tile], faults: list[LogFault]) -> list[Tile]:
    """The listed tiles that this size does not need; a name that is no tile's is a fault."""
    others = []
    for path in listed:
        try:
            tile = parse_path(path)
        except NoteMalformed as error:
            faults.append(LogFault(path, error.detail))
            continue
        if tile not in known:
            others.append(tile)
    return others


def _altered(fetch: Fetch, entries: list[bytes], tiles: Iterable[Tile]) -> Iterator[LogFault]:
    """The tiles that are not what a log of these entries has."""
    levels = [entries, [leaf_hash(entry) for entry in entries]]
    while len(below := levels[-1]) >= WIDTH:
        full = range(0, len(below) - len(below) % WIDTH, WIDTH)
        levels.append([root(below[at : at + WIDTH]) for at in full])
    for tile in tiles:
        try:
            data = fetch(tile.path()) if tile.level == ENTRIES else fetch_tile(fetch, tile)
        except NotFound as error:
            yield LogFault(tile.path(), error.detail)
            continue
        if data != _expected(tile, levels):
            yield LogFault(tile.path(), "The file was altered: its entries give other bytes.")


def _off_the_path(fetch: Fetch, head: Checkpoint, bundles: list[Tile], named: set[str]) -> Iterator[LogFault]:
    """The bundles, and the tiles over them, that do not lead to the root."""
    for bundle in bundles[:MAX_FAULTS] if len(named) >= MAX_FAULTS else bundles:
        first = bundle.number * WIDTH
        if bundle.path() not in named and not _holds(LogReader(fetch, head).entry, first):
            yield LogFault(bundle.path(), "An entry was altered, or stands in another's place.")
        if not _holds(LogReader(fetch, head).inclusion, first):
            yield LogFault(bundle._replace(level=0).path(), "The tile does not lead to the root that was signed.")
    if not bundles:
        yield LogFault("checkpoint", "The root of an empty log is that of nothing.")


def _holds(read: Callable[[int], object], index: int) -> bool:
    try:
        read(index)
    except (NotFound, ProofInvalid):
        return False
    return True
