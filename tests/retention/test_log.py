"""The log: what is acknowledged stays, under heads that only grow, in files that anybody can check."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import LogConflict, NotFound, NotReady, RequestTooLarge, SettingsInvalid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.fsck import check_log
from checkin.tlog.merkle import EMPTY_ROOT, leaf_hash, root, verify_consistency, verify_inclusion
from checkin.tlog.proof import LogProof, PinnedLog
from checkin.tlog.reader import LogReader, folder_fetch
from retention.log import Log
from retention.log_state import Head, LogState
from tests.retention.logs import SIGNER, WITNESS, entries, files_of, head_of, reader_of
from tests.support.retention_service import Retention
from tests.support.waiting import until


def test_a_new_log_has_a_checkpoint_over_nothing(tmp_path: Path) -> None:
    """So that a reader has something to start from."""
    log = Log(tmp_path, SIGNER)
    assert head_of(log) == Checkpoint(SIGNER.name, 0, EMPTY_ROOT)
    assert (tmp_path / "checkpoint").read_text() == log.checkpoint() == log.published()
    assert log.consistency(0, 0) == []


def test_a_service_that_has_its_keys_writes_nothing_beside_its_settings(retention: Retention) -> None:
    """The folder is read-only in a container, and to the unit of systemd; here a draft would leave its time on it."""
    retention.parts().close()
    assert (retention.folder / "log.key").exists()
    before = retention.folder.stat().st_mtime_ns
    retention.parts().close()
    assert retention.folder.stat().st_mtime_ns == before


def test_what_was_appended_is_proved_from_the_files_alone(tmp_path: Path) -> None:
    """Across the borders of tiles, with appends of any size."""
    log = Log(tmp_path, SIGNER)
    heads = [head_of(log)]
    for low, high in ((0, 1), (1, 3), (3, 255), (255, 256), (256, 257), (257, 600)):
        assert log.append(entries(low, high)) == list(range(low, high))
        heads.append(head_of(log))
        assert heads[-1].root == root(map(leaf_hash, entries(0, high)))
    reader = LogReader(folder_fetch(tmp_path), heads[-1])
    for index in (0, 1, 255, 256, 599):
        assert reader.entry(index) == entries(index, index + 1)[0]
    assert list(reader.entries()) == entries(0, 600)
    assert list(reader.entries(300)) == entries(300, 600)
    for old in heads:
        assert reader.verify_continues(old) == log.consistency(old.size, heads[-1].size)
    assert check_log(folder_fetch(tmp_path), heads[-1], files_of(tmp_path)) == []


def test_the_log_answers_with_the_same_proofs(tmp_path: Path) -> None:
    """For any size that it has had."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 300))
    for size in (1, 7, 256, 257, 300):
        for index in {0, size // 2, size - 1}:
            leaf = leaf_hash(reader_of(log).entry(index))
            proof = log.inclusion(index, size)
            verify_inclusion(leaf, index, size, proof, root(map(leaf_hash, entries(0, size))))
    verify_consistency(256, root(map(leaf_hash, entries(0, 256))), 300, head_of(log).root, log.consistency(256, 300))


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_what_is_not_there_has_no_proof(tmp_path: Path, index: int) -> None:
    """Neither past the end nor before the beginning."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 3))
    with pytest.raises(NotFound):
        log.inclusion(index, 3)
    with pytest.raises(NotFound):
        log.inclusion(0, 4)
    with pytest.raises(NotFound):
        log.consistency(4, 3)
    with pytest.raises(NotFound):
        log.consistency(2, 1)
    with pytest.raises(NotFound):
        log.file("tile/0/001")


def test_sending_a_statement_again_gives_its_place_again(tmp_path: Path) -> None:
    """A service that got no answer repeats itself; the log does not."""
    log = Log(tmp_path, SIGNER)
    assert log.append([b"a", b"b", b"a"]) == [0, 1, 0]
    before = log.checkpoint()
    assert log.append([b"b"]) == [1]
    assert log.append([]) == []
    assert log.checkpoint() == before
    assert Log(tmp_path, SIGNER).append([b"c", b"a"]) == [2, 0]


def test_a_batch_gets_one_checkpoint(tmp_path: Path) -> None:
    """Not one an entry."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 100))
    sizes = [row["size"] for row in sqlite_utils.Database(tmp_path / "log.sqlite").query("SELECT size FROM heads")]
    assert sizes == [0, 100]


def test_those_who_append_at_once_each_get_their_place(tmp_path: Path) -> None:
    """Two openers of one folder, four threads."""
    logs = [Log(tmp_path, SIGNER), Log(tmp_path, SIGNER)]
    places: dict[int, list[int]] = {}

    def work(worker: int) -> None:
        low = worker * 10
        places[worker] = [logs[worker % 2].append([entry])[0] for entry in entries(low, low + 10)]

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(place for some in places.values() for place in some) == list(range(40))
    for worker, some in places.items():
        assert [reader_of(logs[0]).entry(place) for place in some] == entries(worker * 10, worker * 10 + 10)
    assert check_log(folder_fetch(tmp_path), head_of(logs[1]), files_of(tmp_path)) == []


class SlowThenBroken:
    """Stands before a log's swap: the first one waits until it is told to go on, the second one fails once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.go_on, self._broken = threading.Event(), threading.Event(), False
        swap = LogState.swap

        def call(state: LogState, old: Head, new: Head) -> None:
            if old.size == 0:
                self.entered.set()
                assert self.go_on.wait(60)
            if old.size == 1 and not self._broken:
                self._broken = True
                raise NotReady
            swap(state, old, new)

        monkeypatch.setattr(LogState, "swap", call)


def test_those_who_wait_share_one_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one head is being made, the others gather; if that fails for one, the others still get their places."""
    log = Log(tmp_path, SIGNER)
    gate = SlowThenBroken(monkeypatch)
    failures: list[bytes] = []
    places: dict[bytes, int] = {}

    def append(entry: bytes) -> None:
        try:
            places[entry] = log.append([entry])[0]
        except NotReady:
            failures.append(entry)

    threads = [threading.Thread(target=append, args=(entry,)) for entry in (b"first", *entries(0, 8))]
    threads[0].start()
    assert gate.entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(log._queue) == 8)
    gate.go_on.set()
    for thread in threads:
        thread.join()
    assert places.pop(b"first") == 0
    assert len(failures) == 1
    assert sorted([*places, *failures]) == entries(0, 8)
    failed = list(reader_of(log).entries()).index(failures[0])
    assert sorted(places.values()) == [place for place in range(1, 9) if place != failed]
    sizes = [row["size"] for row in sqlite_utils.Database(tmp_path / "log.sqlite").query("SELECT size FROM heads")]
    assert sizes == [0, 1, 9]


def test_full_tiles_replace_partial_ones(tmp_path: Path) -> None:
    """And readers of an older checkpoint find what they need in the full one."""
    log = Log(tmp_path, SIGNER)
    for high in range(10, 300, 10):
        log.append(entries(high - 10, high))
        if high == 250:
            old = head_of(log)
    names = files_of(tmp_path)
    assert not [name for name in names if name.startswith(("tile/0/000.p", "tile/entries/000.p"))]
    assert "tile/0/001.p/34" in names
    assert list(LogReader(folder_fetch(tmp_path), old).entries()) == entries(0, 250)


def test_one_partial_form_of_a_tile_stays_and_answers_for_those_before_it(tmp_path: Path) -> None:
    """So that a night's audit reads what there is, and not each state that it was in; a reader of an older checkpoint
    gets the same bytes as on its day."""
    log = Log(tmp_path, SIGNER)
    heads = []
    seen: dict[str, bytes] = {}
    for count in range(1, 40):
        log.append(entries(count - 1, count))
        heads.append(head_of(log))
        seen |= {f"{place}.p/{count}": log.file(f"{place}.p/{count}") for place in ("tile/0/000", "tile/entries/000")}
    assert sorted(name for name in files_of(tmp_path) if ".p/" in name) == ["tile/0/000.p/39", "tile/entries/000.p/39"]
    assert {name: log.file(name) for name in seen} == seen
    for head in heads:
        assert list(LogReader(log.file, head).entries()) == entries(0, head.size)
    with pytest.raises(NotFound):
        log.file("tile/0/000.p/40")
    assert check_log(folder_fetch(tmp_path), heads[-1], files_of(tmp_path)) == []


def test_what_the_shown_checkpoint_needs_stays_until_the_next_has_its_witnesses(tmp_path: Path) -> None:
    """A copy of the folder is enough to check what everybody sees."""
    log = Log(tmp_path, SIGNER, quorum=1)
    texts = {}
    for count in range(1, 6):
        log.append(entries(count - 1, count))
        texts[count] = head_of(log).write()
        if count == 2:
            log.add_cosignatures(2, [WITNESS.cosign(texts[2], 100)])
    assert open_checkpoint(log.published(), SIGNER.verifier).size == 2
    names = sorted(name for name in files_of(tmp_path) if ".p/" in name)
    assert names == [f"tile/{level}/000.p/{width}" for level in ("0", "entries") for width in (2, 3, 4, 5)]
    log.add_cosignatures(4, [WITNESS.cosign(texts[4], 100)])
    log.append(entries(5, 6))
    head = open_checkpoint(log.published(), SIGNER.verifier)
    assert (head.size, check_log(folder_fetch(tmp_path), head)) == (4, [])
    names = sorted(name for name in files_of(tmp_path) if ".p/" in name)
    assert names == [f"tile/{level}/000.p/{width}" for level in ("0", "entries") for width in (4, 5, 6)]


def test_a_witness_that_is_away_for_long_takes_nothing_of_what_is_shown(tmp_path: Path) -> None:
    """However many heads have been signed since: a copy of the folder can still be checked."""
    log = Log(tmp_path, SIGNER, quorum=1)
    log.append(entries(0, 2))
    log.add_cosignatures(2, [WITNESS.cosign(head_of(log).write(), 100)])
    for count in range(2, 105):
        log.append(entries(count, count + 1))
    head = open_checkpoint(log.published(), SIGNER.verifier)
    assert (head.size, check_log(folder_fetch(tmp_path), head)) == (2, [])


def test_an_entry_that_no_bundle_can_hold_is_refused(tmp_path: Path) -> None:
    """Before anything gets a place."""
    log = Log(tmp_path, SIGNER)
    with pytest.raises(RequestTooLarge):
        log.append([b"fine", bytes(65_536)])
    assert log.append([bytes(65_535)]) == [0]


def test_cosignatures_are_kept_and_renewed(tmp_path: Path) -> None:
    """One line a witness, the newest."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    text = head_of(log).write()
    log.add_cosignatures(1, [WITNESS.cosign(text, 100)])
    log.add_cosignatures(1, [WITNESS.cosign(text, 200)])
    assert log.checkpoint() == sign_note(text, SIGNER) + WITNESS.cosign(text, 200)
    assert open_checkpoint(log.published(), SIGNER.verifier, [WITNESS.verifier]).size == 1
    with pytest.raises(NotFound):
        log.add_cosignatures(7, [WITNESS.cosign(text, 200)])


def test_with_a_quorum_readers_see_witnessed_checkpoints_only(tmp_path: Path) -> None:
    """The one before stays until the witness has answered."""
    log = Log(tmp_path, SIGNER, quorum=1)
    with pytest.raises(NotFound):
        log.published()
    log.append([b"a"])
    log.add_cosignatures(1, [WITNESS.cosign(head_of(log).write(), 100)])
    log.append([b"b"])
    assert head_of(log).size == 2
    assert open_checkpoint(log.published(), SIGNER.verifier, [WITNESS.verifier]).size == 1
    log.add_cosignatures(2, [WITNESS.cosign(head_of(log).write(), 101)])
    assert open_checkpoint(log.published(), SIGNER.verifier, [WITNESS.verifier]).size == 2


def test_a_proof_to_carry_along_is_under_what_readers_are_shown(tmp_path: Path) -> None:
    """With a quorum, under a witnessed checkpoint; what is not under one yet has no such proof."""
    log = Log(tmp_path, SIGNER, quorum=1)
    log.append([b"a", b"b"])
    log.add_cosignatures(2, [WITNESS.cosign(head_of(log).write(), 100)])
    log.append([b"c"])
    LogProof.read(log.proof(1)).verify(b"b", PinnedLog(SIGNER.verifier, (WITNESS.verifier,)))
    with pytest.raises(NotFound):
        log.proof(2)


def test_a_folder_belongs_to_one_log(tmp_path: Path) -> None:
    """By its name."""
    Log(tmp_path, SIGNER)
    with pytest.raises(SettingsInvalid):
        Log(tmp_path, NoteSigner("other.example/log", SigningKey(b"\x05" * 32)))


def test_only_one_of_two_heads_follows_another(tmp_path: Path) -> None:
    """Compare and swap, down in the database."""
    state = LogState(tmp_path / "log.sqlite", SIGNER.name)
    empty, first = state.head(), Head(1, b"\x01" * 32)
    state.swap(empty, first)
    for old, new in (
        (empty, Head(1, b"\x02" * 32)),
        (empty, Head(2, b"\x02" * 32)),
        (Head(1, b"\x02" * 32), Head(2, b"\x03" * 32)),
        (first, Head(1, b"\x01" * 32)),
        (first, empty),
    ):
        with pytest.raises(LogConflict):
            state.swap(old, new)
    assert state.head() == first
    state.close()


def test_the_database_opens_as_it_is_and_shows_statements(tmp_path: Path) -> None:
    """With sqlite-utils, and so with Datasette."""
    log = Log(tmp_path, SIGNER)
    log.append(entries(0, 2))
    database = sqlite_utils.Database(tmp_path / "log.sqlite")
    assert [row["text"] for row in database["statements"].rows] == ["statement 0\n", "statement 1\n"]
    assert set(database.table_names()) == {"log", "entries", "heads"}
    database.close()
