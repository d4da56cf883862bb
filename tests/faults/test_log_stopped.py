"""The log when writing fails: nothing acknowledged is lost, and no two heads fork, wherever it stops.

Each write is made to fail in both forms: not done, and done but reported as failed.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.fsck import check_log
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.reader import LogReader, folder_fetch
from retention.log import Log, LogFiles
from retention.log_state import LogState

SIGNER = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
BATCHES = [[b"a"], [b"b", b"c"], [b"%d" % number for number in range(300)]]
WRITES = ((LogState, "sequence"), (LogFiles, "write"), (LogState, "swap"), (LogState, "keep_note"))


class PowerCut(Exception):
    """The machine stops here."""


@contextmanager
def stopping_at(count: int, *, done: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """The write number `count` fails, before it is done or after; tells whether there was such a write."""
    numbers = itertools.count()
    struck = []

    def failing(original: Callable[..., object]) -> Callable[..., object]:
        def call(*values: object) -> object:
            if next(numbers) != count:
                return original(*values)
            struck.append(True)
            if done:
                original(*values)
            raise PowerCut

        return call

    with monkeypatch.context() as patch:
        for owner, name in WRITES:
            patch.setattr(owner, name, failing(getattr(owner, name)))
        yield lambda: bool(struck)


def shown(folder: Path) -> Checkpoint | None:
    """What a reader saw at this moment."""
    try:
        return open_checkpoint((folder / "checkpoint").read_text(), SIGNER.verifier)
    except FileNotFoundError:
        return None


def stop_and_go_on(folder: Path, count: int, *, done: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Appends all batches, stopped once; then again from the start. Whether it was stopped at all."""
    acknowledged: dict[bytes, int] = {}
    seen = []
    with stopping_at(count, done=done, monkeypatch=monkeypatch) as struck:
        try:
            log = Log(folder, SIGNER)
            for batch in BATCHES:
                acknowledged.update(zip(batch, log.append(batch), strict=True))
                seen.append(shown(folder))
        except PowerCut:
            seen.append(shown(folder))
    log = Log(folder, SIGNER)
    recovered = shown(folder)
    assert recovered is not None
    for batch in BATCHES:
        for entry, place in zip(batch, log.append(batch), strict=True):
            assert acknowledged.get(entry, place) == place
    head = shown(folder)
    assert head is not None
    # One history, in the order in which it was given, whatever happened.
    assert head.root == root(leaf_hash(entry) for batch in BATCHES for entry in batch)
    reader = LogReader(folder_fetch(folder), head)
    for old in filter(None, [*seen, recovered]):
        reader.verify_continues(old)
    for entry, place in acknowledged.items():
        assert place % 50 or reader.entry(place) == entry
    assert check_log(folder_fetch(folder), head) == []
    log.close()
    return struck()


@pytest.mark.parametrize("done", [False, True], ids=["not-done", "done-but-reported-failed"])
def test_a_log_that_was_stopped_at_any_write_goes_on_with_one_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Every single write, from making the log to the last checkpoint."""
    for count in itertools.count():
        if not stop_and_go_on(tmp_path / str(count), count, done=done, monkeypatch=monkeypatch):
            break
    assert count > 20


def test_a_running_log_goes_on_after_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason to start again."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    for count, done in itertools.product(range(6), (False, True)):
        entry = b"%d %d" % (count, done)
        with stopping_at(count, done=done, monkeypatch=monkeypatch) as struck, pytest.raises(PowerCut):
            log.append([entry])
        assert struck()
        place = log.append([entry])[0]
        head = open_checkpoint(log.checkpoint(), SIGNER.verifier)
        assert LogReader(log.file, head).entry(place) == entry
    assert head.size == 13
    assert shown(tmp_path) == head
    assert check_log(folder_fetch(tmp_path), head) == []


def test_a_folder_that_cannot_be_written_is_named_as_the_cause(tmp_path: Path) -> None:
    """And the entry is appended once it can."""
    log = Log(tmp_path, SIGNER)
    (tmp_path / "tile").write_text("in the way")
    with pytest.raises(NotReady, match="look at its disk"):
        log.append([b"a"])
    (tmp_path / "tile").unlink()
    assert log.append([b"a"]) == [0]


APPENDER = """
    import sys
    from pathlib import Path
    from checkin.protocol.note import NoteSigner
    from checkin.protocol.primitives import SigningKey
    from retention.log import Log

    log = Log(Path(sys.argv[1]), NoteSigner("retention.example/log", SigningKey(bytes([5]) * 32)))
    print("open", flush=True)
    for number in range(100_000):
        entry = f"{sys.argv[2]} {number}"
        print(log.append([entry.encode()])[0], entry, flush=True)
"""


def test_killed_processes_leave_what_they_acknowledged(tmp_path: Path) -> None:
    """SIGKILL at some moment, several times over the same folder."""
    acknowledged: dict[str, int] = {}
    heads: list[Checkpoint] = []
    for turn, (first, seconds) in enumerate([(0, 0.05), (1, 0.11), (3, 0.23), (0, 0.17)]):
        program = [sys.executable, "-c", textwrap.dedent(APPENDER), str(tmp_path), str(turn)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            lines = [process.stdout.readline().rstrip("\n") for _ in range(first)]
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().split("\n")[:-1]
        acknowledged.update((line.partition(" ")[2], int(line.partition(" ")[0])) for line in lines)
        heads.append(open_checkpoint((tmp_path / "checkpoint").read_text(), SIGNER.verifier))
    log = Log(tmp_path, SIGNER)
    reader = LogReader(folder_fetch(tmp_path), open_checkpoint(log.published(), SIGNER.verifier))
    assert len(acknowledged) >= 4
    for entry, place in acknowledged.items():
        assert reader.entry(place) == entry.encode()
    for old in heads:
        reader.verify_continues(old)
    assert check_log(folder_fetch(tmp_path), reader.head) == []
