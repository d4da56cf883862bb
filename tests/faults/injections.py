"""Kills a process, or lets its disk fail, at every write, sync, rename, link and unlink that strace sees it make.

    python tests/faults/injections.py                 # every point, every fault: some thousands of runs
    python tests/faults/injections.py purge log       # of these works alone
    python tests/faults/injections.py --every 41      # each 41st: prime to 5, so that it meets each fault

A *work* is what one process of a service does: it is run once to count its system calls, then once for each call and
fault in a copy of the same folder. What it acknowledged before is held against what is there afterwards, and it goes
on from there as the next process would. Prints a line for each work and one count of all; ends with status 1 if
anything was lost, came twice or came back. Needs strace, and the right to attach to a process.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import structlog

from checkin.errors import CheckinError, DayClosed, DayDestroyed, KeyDestroyed
from checkin.keys.key_ring import KeyName, KeyRing, Purpose, change_master
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.fsck import check_log
from checkin.tlog.reader import LogReader, folder_fetch
from checkin.vault.engines.sqlite import path_of
from checkin.vault.vault import Vault
from retention.log import Log
from tests.faults import test_purge_crashes as purges
from tests.support.purging_service import House, day_key
from tests.support.service_folder import CALENDAR
from tests.support.service_folder import DAY as DUE_DAY
from tests.support.vaults import DAY, open_ring, open_vault

CALLS: Final = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "renameat", "renameat2", "link",
                "linkat", "unlink", "unlinkat", "mkdir", "rmdir")  # fmt: skip
FAULTS: Final = {
    "killed": "signal=KILL:when={}",
    "EIO once": "error=EIO:when={}",
    "EIO from then on": "error=EIO:when={}+",
    "ENOSPC once": "error=ENOSPC:when={}",
    "ENOSPC from then on": "error=ENOSPC:when={}+",
}
FAILURES: Final = (CheckinError, OSError, sqlite3.Error)
PATIENCE_SECONDS: Final = 120.0
SIGNER: Final = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
Say = Callable[..., None]
Said = list[list[str]]


@dataclass(frozen=True)
class Work:
    """`prepare` makes the folder; `act` says what it has acknowledged; `check` holds that against the folder, beside
    the one that it began with."""

    prepare: Callable[[Path], None]
    act: Callable[[Path, Say], None]
    check: Callable[[Path, Said, Path], None]


# --- the vaults -------------------------------------------------------------------------------------------------


def _key(number: int) -> bytes:
    return bytes([number]) * 16


def _offer(vault: Vault, day: int, numbers: range, say: Say) -> None:
    """One commit, and again if it failed, as a scanner would."""
    rows = [vault.seal(day, _key(number), b"g" * 16, number % 24, _key(number)) for number in numbers]
    for _ in range(2):
        with suppress(*FAILURES):
            vault.insert(day, rows)
            say("rows", day, numbers.start, numbers.stop)
            return


def _held(folder: Path, vault: Vault, said: Said, service: str) -> None:
    """Each acknowledged row is there, opens, and is there once."""
    for day in (DAY, DAY + 1):
        keys = [row.key for row in vault.store.rows(day) if vault.open(day, row) == row.key]
        assert len(keys) == len(set(keys)), "counted twice"
        ranges = [range(int(at[1]), int(at[2])) for kind, *at in said if kind == "rows" and int(at[0]) == day]
        acknowledged = {_key(number) for numbers in ranges for number in numbers}
        assert acknowledged <= set(keys), "an acknowledged row is lost"
        path = path_of(folder / service, day)
        if path.exists():
            with closing(sqlite3.connect(path)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def prepare_visits(folder: Path) -> None:
    """A day that has rows."""
    vault = open_vault(folder)
    _offer(vault, DAY, range(1, 4), lambda *_: None)
    vault.store.close()


def act_visits(folder: Path, say: Say) -> None:
    """Commits into that day and into one that has no file yet."""
    vault = open_vault(folder)
    for start in (10, 20, 30):
        _offer(vault, DAY, range(start, start + 5), say)
    for start in (40, 50):
        _offer(vault, DAY + 1, range(start, start + 5), say)
    vault.store.close()


def act_first(folder: Path, say: Say) -> None:
    """The first check-in of a day makes its file."""
    vault = open_vault(folder)
    _offer(vault, DAY, range(10, 11), say)
    vault.store.close()


def check_visits(folder: Path, said: Said, before: Path) -> None:
    """And what is offered again is not new."""
    vault = open_vault(folder)
    earlier = [["rows", str(DAY), "1", "4"]] if (before / "venue").exists() else []
    _held(folder, vault, earlier + said, "venue")
    for kind, day, start, _stop in said:
        assert kind == "rows"
        assert vault.insert(int(day), [vault.seal(int(day), _key(int(start)), b"g" * 16, 0, b"again")]) == [False]
    _offer(vault, DAY, range(60, 61), lambda *_: None)
    assert vault.store.get(DAY, [_key(60)])
    vault.store.close()


def prepare_keys(folder: Path) -> None:
    """A registry to which nobody came yet."""
    open_vault(folder).store.close()
    (folder / "venue").rmdir()


def prepare_ledger(folder: Path) -> None:
    """A ledger's day."""
    vault = open_vault(folder, "issuer", ordered=False)
    _offer(vault, DAY, range(1, 30), lambda *_: None)
    vault.store.close()


def act_ledger(folder: Path, say: Say) -> None:
    """Its last commits; then the day ends: frozen, rewritten by key."""
    vault = open_vault(folder, "issuer", ordered=False)
    for start in (30, 40, 50):
        _offer(vault, DAY, range(start, start + 5), say)
    with suppress(*FAILURES):
        vault.freeze(DAY)
        say("frozen")
        vault.store.settle(DAY)
        say("settled")
    vault.store.close()


def check_ledger(folder: Path, said: Said, _: Path) -> None:
    """A frozen day stays frozen; a rewriting that was cut off is done again."""
    vault = open_vault(folder, "issuer", ordered=False)
    _held(folder, vault, [["rows", str(DAY), "1", "30"], *said], "issuer")
    if ["frozen"] in said:
        with suppress(DayClosed):
            vault.insert(DAY, [])
            raise AssertionError("a frozen day takes rows")
    before = vault.root(DAY)
    vault.store.settle(DAY)
    assert vault.root(DAY) == before
    vault.store.close()


# --- the key ring -----------------------------------------------------------------------------------------------


def _name(day: int) -> KeyName:
    return KeyName(Purpose.INTAKE, day)


def _slot(folder: Path, day: int) -> bytes:
    """The key as it lies in its slot, wrapped."""
    return (folder / "keys" / f"{_name(day)}.slot").read_bytes()[8:84]


def prepare_ring(folder: Path) -> None:
    """Four keys."""
    ring = open_ring(folder)
    for day in range(4):
        ring.make(_name(day), oldest=0)


def act_ring(folder: Path, say: Say) -> None:
    """Four more, and three that are due."""
    ring = open_ring(folder)
    for day in range(4, 8):
        with suppress(*FAILURES):
            say("made", day, ring.make(_name(day), oldest=0))
    for day in range(3):
        with suppress(*FAILURES):
            ring.entomb(_name(day), {"rows": day})
            say("entombed", day)
            ring.destroy(_name(day))
            say("destroyed", day)


def check_ring(folder: Path, said: Said, before: Path) -> None:
    """What was made stays, what was destroyed does not come back, and what was begun is finished by the next."""
    ring = open_ring(folder)
    assert len(ring.use(_name(3))) == 32
    for kind, number, *more in said:
        day = int(number)
        name = _name(day)
        if kind == "made":
            assert ring.commitment(name) == more[0] and len(ring.use(name)) == 32
        elif kind == "entombed":
            assert ring.tombstone(name) == {"rows": day}
        else:
            _stays_gone(ring, name)
            assert not _lies_in(folder / "keys", _slot(before, day)), "a destroyed key lies in a file"
    for day in range(3):
        ring.entomb(_name(day), {"rows": day})
        ring.destroy(_name(day))
        _stays_gone(open_ring(folder), _name(day))
        assert not _lies_in(folder / "keys", _slot(before, day))
    for day in range(4, 8):
        ring.ensure(_name(day), oldest=0)


def prepare_wrapped(folder: Path) -> None:
    """Twelve keys under a master key in a file, of which one waits to be destroyed."""
    folder.mkdir()
    make_secret(folder / "master.key")
    for day in range(12):
        _wrapped(folder).make(_name(day), oldest=0)
    _wrapped(folder).entomb(_name(11), {"rows": 11})


def _wrapped(folder: Path) -> KeyRing:
    return KeyRing(folder / "keys", read_secret(folder / "master.key"), allow_unfit=True)


def act_master(folder: Path, say: Say) -> None:
    """Another master key, and again if the disk failed."""
    for _ in range(2):
        with suppress(*FAILURES):
            say("changed", change_master(folder / "keys", folder / "master.key", allow_unfit=True))
            return


def check_master(folder: Path, _: Said, before: Path) -> None:
    """The next command finishes; each key is there, and what lay there before opens none and lies in no file."""
    change_master(folder / "keys", folder / "master.key", allow_unfit=True)
    for day in range(11):
        assert _wrapped(folder).commitment(_name(day)) == _wrapped(before).commitment(_name(day))
    assert not any(_lies_in(folder / "keys", _slot(before, day)) for day in range(12))
    assert not _lies_in(folder, (before / "master.key").read_bytes())
    assert not (folder / "master.next.key").exists()


def _stays_gone(ring: KeyRing, name: KeyName) -> None:
    for way, refusal in ((lambda: ring.use(name), KeyDestroyed), (lambda: ring.ensure(name, oldest=0), DayDestroyed)):
        try:
            way()
        except refusal:
            continue
        raise AssertionError("a destroyed key is back")


def _lies_in(folder: Path, secret: bytes) -> bool:
    return any(secret in path.read_bytes() for path in folder.iterdir() if path.is_file())


# --- the purge and the log --------------------------------------------------------------------------------------


def act_purge(folder: Path, say: Say) -> None:
    """As the service's task does it."""
    with suppress(*FAILURES):
        for name in House(folder, ahead=purges.AHEAD).purger.run():
            say("stated", name)


def check_purge(folder: Path, said: Said, before: Path) -> None:
    """Nothing is stated before it is done, no partition goes before its key, and the next run finishes it."""
    house = House(folder, ahead=purges.AHEAD)
    stated = dict(house.book.all())
    assert {name for _, name in said} <= stated.keys()
    for day in (DUE_DAY, DUE_DAY + 1):
        if f"purge-{CALENDAR.date(day)}" in stated:
            assert not house.live(day), "stated before it is done"
        if day not in house.store.days():
            assert day_key(day) not in house.party.ring.names() or house.party.ring.is_gone(day_key(day))
    house.store.close()
    purges.purge(folder)
    purges.check_done(folder, disk_failed=True)
    assert stated.items() <= dict(House(folder, ahead=purges.AHEAD).book.all()).items()
    for day in (DUE_DAY, DUE_DAY + 1):
        assert not _lies_in(folder / "keys", (before / "keys" / f"{day_key(day)}.slot").read_bytes()[8:84])


BATCHES: Final = ([b"a"], [b"b", b"c"], [b"d"], [b"e", b"f"])


def prepare_log(folder: Path) -> None:
    """A log whose first tile is nearly full."""
    folder.mkdir(exist_ok=True)
    log = Log(folder, SIGNER)
    log.append([b"%d" % number for number in range(253)])
    log.close()


def act_log(folder: Path, say: Say) -> None:
    """Appends; each batch again if it failed."""
    with suppress(*FAILURES):
        log = Log(folder, SIGNER)
        for batch in BATCHES:
            for _ in range(2):
                with suppress(*FAILURES):
                    for entry, place in zip(batch, log.append(batch), strict=True):
                        say("entry", entry.decode(), place)
                    break
        log.close()


def check_log_folder(folder: Path, said: Said, before: Path) -> None:
    """One history: what was shown is continued, every entry has its place and no other."""
    log = Log(folder, SIGNER)
    for batch in BATCHES:
        log.append(batch)
    head = open_checkpoint(log.published(), SIGNER.verifier)
    reader = LogReader(folder_fetch(folder), head)
    reader.verify_continues(open_checkpoint((before / "checkpoint").read_text(), SIGNER.verifier))
    assert head.size == 253 + sum(map(len, BATCHES)), "an entry was counted twice"
    for _, entry, place in said:
        assert reader.entry(int(place)) == entry.encode(), "an acknowledged entry is lost"
    assert check_log(folder_fetch(folder), head) == []
    log.close()


WORKS: Final = {
    "visits": Work(prepare_visits, act_visits, check_visits),
    "first visit": Work(prepare_keys, act_first, check_visits),
    "ledger": Work(prepare_ledger, act_ledger, check_ledger),
    "ring": Work(prepare_ring, act_ring, check_ring),
    "master key": Work(prepare_wrapped, act_master, check_master),
    "purge": Work(purges.make_due, act_purge, check_purge),
    "log": Work(prepare_log, act_log, check_log_folder),
}


# --- one run ----------------------------------------------------------------------------------------------------


def traced(work: Work, folder: Path, *options: str) -> tuple[Said, str]:
    """What the work said, and what strace saw."""
    listener, speaker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _work(work, folder, speaker)
    speaker.close()
    seen = folder.with_name("strace.out")
    with subprocess.Popen(["strace", "-qq", "-o", seen, *options, "-p", str(child)], stderr=subprocess.PIPE) as strace:
        try:
            said = list(_heard(listener))
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            strace.kill() if strace.poll() is None and not seen.exists() else strace.wait()
        assert strace.stderr is not None
        assert seen.exists(), strace.stderr.read().decode()
    return said, seen.read_text()


def _heard(listener: socket.socket) -> Iterator[list[str]]:
    listener.settimeout(PATIENCE_SECONDS)
    with listener:
        while line := listener.recv(4096):
            yield line.decode().split(" ")


def _work(work: Work, folder: Path, speaker: socket.socket) -> None:
    """In the child: waits for strace, then acts. What it says leaves by a call that is never made to fail."""
    try:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
            time.sleep(0.001)

        def say(*words: object) -> None:
            speaker.send(" ".join(map(str, words)).encode())

        work.act(folder, say)
    except FAILURES:
        pass  # it did not start: as good as killed
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def can_trace() -> bool:
    """Whether strace is there and may attach."""
    if shutil.which("strace") is None:
        return False
    quiet = Work(lambda _: None, lambda _, say: say("here"), lambda *_: None)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "work").mkdir()
        try:
            return traced(quiet, Path(name) / "work", "-e", "trace=fsync")[0] == [["here"]]
        except (AssertionError, OSError):
            return False


@dataclass
class Tally:
    """Of one work: how many calls it makes, runs, and what went wrong."""

    points: int
    runs: Counter[str]
    wrong: list[str]


def inject(work: Work, room: Path, every: int = 1) -> Tally:
    """Each call and fault in turn, or each `every`-th; `room` is an empty folder."""
    before, folder = room / "before", room / "work"
    work.prepare(before)
    shutil.copytree(before, folder)
    _, seen = traced(work, folder, "-e", f"trace={','.join(CALLS)}")
    counted = Counter(re.findall(r"^(\w+)\(", seen, re.MULTILINE))
    points = [(call, number) for call in CALLS for number in range(1, counted[call] + 1)]
    tally = Tally(len(points), Counter(), [])
    for call, number, fault in [(*point, fault) for point in points for fault in FAULTS][::every]:
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        said, _ = traced(work, folder, "-e", f"trace={call}", "-e", f"inject={call}:{FAULTS[fault].format(number)}")
        tally.runs[fault] += 1
        try:
            work.check(folder, said, before)
        except Exception:
            tally.wrong.append(f"{call} {number} {fault}: {traceback.format_exc()}")
    return tally


def memory() -> str | None:
    """Where syncs are free, if there is such a place: a process that dies loses nothing there either."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - made by mkdtemp inside it


def main() -> None:
    """Counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--every", type=int, default=1)
    wanted = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    total, wrong = 0, 0
    for name in wanted.works or WORKS:
        with tempfile.TemporaryDirectory(dir=memory()) as room:
            tally = inject(WORKS[name], Path(room), wanted.every)
        runs, total, wrong = tally.runs.total(), total + tally.runs.total(), wrong + len(tally.wrong)
        each = ", ".join(f"{fault} {number}" for fault, number in tally.runs.items())
        print(
            f"{name}: {tally.points} calls, {runs} runs ({each}), {len(tally.wrong)} wrong; {total} so far", flush=True
        )
        for line in tally.wrong[:20]:
            print(f"    {line}", flush=True)
    print(f"{total} runs, {wrong} wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
