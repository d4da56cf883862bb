"""A log's files: whatever is altered is named, and nothing altered is believed."""

from __future__ import annotations

import random

import pytest

from checkin.errors import NotFound, ProofInvalid
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.fsck import check_log
from checkin.tlog.merkle import EMPTY_ROOT, leaf_hash, root, subtrees
from checkin.tlog.reader import LogReader
from checkin.tlog.tiles import ENTRIES, WIDTH, Fetch, Tile, new_tiles, write_bundle

ORIGIN = "retention.example/log"


def make_log(size: int, word: str = "entry") -> tuple[dict[str, bytes], Checkpoint]:
    """The files of a log and its head, made without the code that serves one."""
    entries = [f"{word} {number}\n".encode() for number in range(size)]
    subtree = subtrees([leaf_hash(entry) for entry in entries])
    files = {}
    for tile in new_tiles(0, size):
        first = tile.number * WIDTH
        span = WIDTH ** max(tile.level, 0)
        hashes = (subtree(at * span, (at + 1) * span) for at in range(first, first + tile.width))
        bundle = tile.level == ENTRIES
        files[tile.path()] = write_bundle(entries[first : first + tile.width]) if bundle else b"".join(hashes)
    return files, Checkpoint(ORIGIN, size, root(map(leaf_hash, entries)))


def fetch_from(files: dict[str, bytes]) -> Fetch:
    """As a folder would."""

    def fetch(path: str) -> bytes:
        if path not in files:
            raise NotFound
        return files[path]

    return fetch


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 700])
def test_an_unaltered_log_has_no_faults(size: int) -> None:
    """At any size."""
    files, head = make_log(size)
    assert check_log(fetch_from(files), head, files) == []


def test_every_altered_byte_is_named_with_its_file() -> None:
    """Every byte of the files of a small log."""
    files, head = make_log(3)
    for path, data in files.items():
        for at in range(len(data)):
            for bit in (1, 128):
                altered = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
                assert [fault.path for fault in check_log(fetch_from({**files, path: altered}), head)] == [path]


def test_an_altered_byte_of_a_larger_log_is_named_with_its_file() -> None:
    """A sample, in bundles and tiles of every level; also cut off, lost, and longer."""
    files, head = make_log(700)
    chance = random.Random(700)  # a sample of tests that is the same each time, nothing secret
    for path, data in files.items():
        wrong: list[bytes] = [data[:-1], data + b"x", b""]
        for _ in range(5):
            at = chance.randrange(len(data))
            wrong.append(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        for altered in wrong:
            assert path in [fault.path for fault in check_log(fetch_from({**files, path: altered}), head)]
        lost = {name: data for name, data in files.items() if name != path}
        assert [fault.path for fault in check_log(fetch_from(lost), head)] == [path]


def test_entries_that_changed_places_are_named() -> None:
    """Within a bundle, and two bundles for one another."""
    files, head = make_log(520)
    first, second = "tile/entries/000", "tile/entries/001"
    swapped = {**files, first: files[second], second: files[first]}
    assert {fault.path for fault in check_log(fetch_from(swapped), head)} == {first, second}
    tail = "tile/entries/002.p/8"
    entries = [f"entry {number}\n".encode() for number in (513, 512, *range(514, 520))]
    assert [fault.path for fault in check_log(fetch_from({**files, tail: write_bundle(entries)}), head)] == [tail]


def test_another_logs_files_are_not_this_logs() -> None:
    """A log rewritten from the start, each file in harmony with the others."""
    head = make_log(300)[1]
    forged = make_log(300, word="forged")[0]
    assert {fault.path for fault in check_log(fetch_from(forged), head)} >= {"tile/entries/000", "tile/0/000"}
    assert check_log(fetch_from({}), Checkpoint(ORIGIN, 0, b"\x01" * 32)) != []


def test_older_partial_tiles_are_checked_where_they_are_listed() -> None:
    """And names that no log of this size has are faults."""
    files, head = make_log(300)
    older = make_log(299)[0]
    both = {**older, **files}
    assert check_log(fetch_from(both), head, both) == []
    wrong = {**both, "tile/0/001.p/43": bytes(43 * 32), "tile/0/002.p/1": bytes(32), "tile/5/000": b"", "tile/x": b""}
    named = {fault.path for fault in check_log(fetch_from(wrong), head, wrong)}
    assert named == {"tile/0/001.p/43", "tile/0/002.p/1", "tile/5/000", "tile/x"}


def test_a_reader_believes_no_altered_entry() -> None:
    """Nor a hash on its way; nor an entry that is not there."""
    files, head = make_log(700)
    good = LogReader(fetch_from(files), head)
    for index in (0, 256, 699):
        assert good.entry(index) == f"entry {index}\n".encode()
    bundle = bytearray(files["tile/entries/001"])
    bundle[-2] ^= 1
    bad = LogReader(fetch_from({**files, "tile/entries/001": bytes(bundle)}), head)
    for index in (256, 511):
        with pytest.raises(ProofInvalid):
            bad.entry(index)
    assert bad.entry(0) == good.entry(0)
    for index in (-1, 700):
        for ask in (good.entry, good.inclusion):
            with pytest.raises(NotFound):
                ask(index)
    with pytest.raises(ProofInvalid):
        LogReader(fetch_from({**files, "tile/1/000.p/2": bytes(64)}), head).entry(0)


def test_a_reader_notices_a_rewritten_a_shortened_and_another_log() -> None:
    """Held against a checkpoint that he kept."""
    files, head = make_log(300)
    forged, forged_head = make_log(400, word="forged")
    assert LogReader(fetch_from(files), head).verify_continues(make_log(123)[1])
    assert LogReader(fetch_from(files), head).verify_continues(Checkpoint(ORIGIN, 0, EMPTY_ROOT)) == []
    with pytest.raises(ProofInvalid):
        LogReader(fetch_from(forged), forged_head).verify_continues(head)
    with pytest.raises(ProofInvalid):
        LogReader(fetch_from(files), head).verify_continues(make_log(301)[1])
    with pytest.raises(ProofInvalid):
        LogReader(fetch_from(files), head).verify_continues(Checkpoint("other.example", 0, EMPTY_ROOT))


def test_a_reader_takes_the_full_tile_where_the_partial_one_is_gone() -> None:
    """And does not invent one that is gone as well."""
    old_files, old = make_log(200)
    files = make_log(300)[0]
    assert not set(old_files) & set(files)
    reader = LogReader(fetch_from(files), old)
    assert reader.entry(199) == b"entry 199\n"
    assert Tile(0, 0, 200).path() in old_files
    with pytest.raises(NotFound):
        LogReader(fetch_from({}), old).entry(0)
    with pytest.raises(NotFound):
        LogReader(fetch_from({}), make_log(256)[1]).entry(0)
