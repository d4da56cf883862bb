"""Nothing that a command started outlives it, whatever ends it; and one process at a time runs a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkin.demo.stage import one_time_code
from checkin.deployment import child, processes
from checkin.deployment.child import Child, end
from checkin.deployment.deployment import SERVICES, Deployment
from checkin.deployment.processes import Processes
from checkin.errors import ClockUntrusted
from checkin.service.addresses import free_ports
from tests.services.test_commands import checkin, three_in_a_row
from tests.support.serving import listening
from tests.support.waiting import PATIENCE, answers, until

ENDINGS = [
    *(("up", ending) for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)),
    # SIGHUP is handled as SIGTERM is, and what ends a killed command's services is the same for all.
    *(("demo", ending) for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)),
    ("demo --serve", signal.SIGTERM),
]

_UNIGNORED = """import os, signal, sys
for ignored in (signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "checkin", *sys.argv[1:]])"""


def started_in(folder: Path) -> list[int]:
    """The processes that serve something of this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue
        if " serve " in command and f"{folder}/" in command:  # perhaps quoted
            found.append(int(process.name))
    return found


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command, as a terminal or a service manager starts it: whoever runs the tests may ignore signals (nohup)."""
    with subprocess.Popen([sys.executable, "-c", _UNIGNORED, *arguments], stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def up(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`checkin up`, once the three services that it started answer there: for a moment those of one that was killed
    do, too."""
    before, urls = {*started_in(folder)}, [f"http://127.0.0.1:{port + at}/readyz" for at in range(len(SERVICES))]
    with running("up", "--dir", str(folder), *options) as process:
        until(lambda: process.poll() is not None or len({*started_in(folder)} - before) == len(SERVICES))
        until(lambda: process.poll() is not None or all(map(answers, urls)))
        assert process.poll() is None
        yield process
    until(lambda: not {*started_in(folder)} - before)  # they may still write where the caller removes all


@pytest.mark.parametrize(("command", "ending"), ENDINGS)
def test_no_service_outlives_its_command(tmp_path: Path, command: str, ending: signal.Signals) -> None:
    """Ended in an orderly way or killed: `demo` in the middle of its story, the others while they serve."""
    folder = tmp_path / "mine"
    options = ["--port", str(three_in_a_row())] if command == "up" else []
    with running(*command.split(), "--dir", str(folder), *options) as process:
        if command == "demo --serve":
            until(lambda: process.poll() is not None or (folder / "artifacts" / "summary.json").exists())
        else:
            until(lambda: process.poll() is not None or len(started_in(folder)) == len(SERVICES))
        assert process.poll() is None
        process.send_signal(ending)
        status = process.wait(PATIENCE)
        until(lambda: not started_in(folder))
    assert status in ([-signal.SIGKILL] if ending == signal.SIGKILL else [0, 130])
    assert (folder / "running.json").exists() == (ending == signal.SIGKILL)


def test_a_full_disk_at_the_hours_work_ends_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `up` does for the authority then is tried again an hour later; the services must still be there."""
    monkeypatch.setattr(processes, "TEND_SECONDS", 0.0)
    tended: list[int] = []

    def tend() -> None:
        tended.append(len(tended))
        if len(tended) > 1:
            raise KeyboardInterrupt
        raise OSError(28, "No space left on device")

    Processes(Deployment(tmp_path, {}, None, ())).wait(tend, print)
    assert tended == [0, 1]


def test_a_clock_in_doubt_at_the_hours_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the authority's is done until a person compares the clock, so somebody has to know."""
    monkeypatch.setattr(processes, "TEND_SECONDS", 0.0)
    errors = iter((ClockUntrusted("It jumped."), KeyboardInterrupt()))
    told: list[str] = []

    def tend() -> None:
        raise next(errors)

    Processes(Deployment(tmp_path, {}, None, ())).wait(tend, told.append)
    assert told == ["It jumped."]


class Short:
    """A service that ends as soon as it is started, or after so many seconds."""

    ending = "status 1"

    def __init__(self, clock: list[float], log: Path, life: float = 0.0) -> None:
        self._clock, self.log, self._until = clock, log, clock[0] + life

    @property
    def ended(self) -> bool:
        return self._clock[0] >= self._until

    def kill(self) -> None:
        pass


def _starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: list[float]) -> tuple[list[float], list[str]]:
    """When a service that lives so long each time is started, in seconds, and what is told of it, for all its lives."""
    clock, begun, told = [0.0], list[float](), list[str]()

    def born(_arguments: Sequence[str], log: Path) -> Short:
        if len(begun) == len(lives):
            raise KeyboardInterrupt
        begun.append(clock[0])
        return Short(clock, log, lives[len(begun) - 1])

    def pass_by(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(processes, "Child", born)
    monkeypatch.setattr(processes, "STOPWATCH", SimpleNamespace(boot=lambda: clock[0]))
    monkeypatch.setattr("checkin.deployment.processes.time.sleep", pass_by)
    one = Processes(Deployment(tmp_path, {}, None, ()))
    one.start("venue")
    one.wait(lambda: None, told.append)
    return begun, told


def test_a_service_that_dies_at_once_is_tried_for_ever_and_fills_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, told = _starts(tmp_path, monkeypatch, [0.0] * 300)
    pauses = [after - before for before, after in pairwise(begun)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 3
    assert 60 <= pauses[-1] < 62
    assert len(told) == 7
    log = tmp_path / "logs" / "venue.log"
    assert told[0] == f"The venue service ended (status 1), and is started again in 1 s: see {log}"
    assert told[-1] == f"The venue service ended (status 1), and is started again from now on every 60 s: see {log}"


def test_a_service_that_lived_for_long_is_started_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, told = _starts(tmp_path, monkeypatch, [0.0] * 9 + [1000.0, 0.0])
    assert begun[-1] - begun[-2] < 1003
    assert told[-2:] == told[:2]


def test_a_service_that_is_killed_is_there_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each of the three, while `up` runs; then somebody checks in, and the end of `up` is theirs, too."""
    folder, port = tmp_path / "mine", three_in_a_row()
    issuer, registry = (f"http://127.0.0.1:{port + at}" for at in range(2))
    with up(folder, port, "--port", str(port)) as process:
        for at, name in enumerate(SERVICES):
            before = {*started_in(folder)}
            [killed] = [pid for pid in before if f" serve {name} " in Path(f"/proc/{pid}/cmdline").read_text()]
            os.kill(killed, signal.SIGKILL)
            until(lambda before=before: {*started_in(folder)} - before)  # type: ignore[misc]
            until(lambda at=at: answers(f"http://127.0.0.1:{port + at}/readyz"))  # type: ignore[misc]
            assert process.poll() is None
        token = str(folder / "tokens" / "enrolment.token")
        checkin(tmp_path, "enrol", "--venue", registry, "--secret-file", token)
        checkin(tmp_path, "qr", "--issuer", issuer, "--name", "Ahn", "--phone", "+821012345678")
        code = one_time_code(Deployment(folder, {}, None, ()), "+821012345678")
        checkin(tmp_path, "qr", "--issuer", issuer, "--code", code, "-o", "qr.png")
        scan = checkin(tmp_path, "scan", "qr.png", "--venue", registry, "--scanner", "scanner.json")
        assert scan.returncode == 0, scan.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, 130)
        assert not started_in(folder)
    told = [line for line in capfd.readouterr().err.splitlines() if "started again" in line]
    assert [line.partition(", and is")[0] for line in told] == [
        f"The {name} service ended (signal 9)" for name in SERVICES
    ]


def test_workers_of_a_service_that_was_killed_end(tmp_path: Path) -> None:
    """A service with two workers is three processes; its starter is gone for all of them."""
    [port] = free_ports(1)
    deployment = Deployment.open_or_make(tmp_path / "mine", free_ports(3))
    config = listening(deployment.config("issuer"), port, workers=2)
    service = Child(["serve", "issuer", "--config", str(config)], tmp_path / "log")
    try:
        until(lambda: not service.ended and answers(f"http://127.0.0.1:{port}/healthz"))
        session = _session(service.pid)
        assert len(session) >= 3
        os.kill(service.pid, signal.SIGKILL)
        until(lambda: not _session(service.pid))
    finally:
        end([service])


def _slow(_arguments: Sequence[str], _log: Path) -> None:
    """Of a process that has no session yet."""
    time.sleep(60)


def test_a_child_that_is_killed_at_its_very_beginning_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_run", _slow)
    started = Child(["serve", "venue"], tmp_path / "log")
    started.kill()
    assert (started.ended, started.ending) == (True, f"signal {signal.SIGKILL:d}")


def _session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(process.name))
    return found


def test_a_second_up_says_who_runs_the_folder(tmp_path: Path) -> None:
    """In one line, by process and address; the first goes on."""
    port = three_in_a_row()
    with up(tmp_path / "mine", port, "--port", str(port)) as process:
        for command in ("up", "demo"):
            second = checkin(tmp_path, command, "--dir", "mine")
            assert second.returncode == 1
            assert second.stderr.startswith("checkin: folder_in_use: ") and second.stderr.count("\n") == 1
            assert f"process {process.pid} at http://127.0.0.1:{port}, " in second.stderr
        assert answers(f"http://127.0.0.1:{port}/readyz")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, 130)


def test_a_folder_moves_to_the_port_that_is_asked_for_later(tmp_path: Path) -> None:
    """After `kill -9`, at once: the services that are still ending are waited for. All parties find one another."""
    folder, first, second = tmp_path / "mine", three_in_a_row(), three_in_a_row()
    with up(folder, first, "--port", str(first)) as process:
        process.kill()
    for port, options in ((first, []), (second, ["--port", str(second)])):
        with up(folder, port, *options) as process:
            assert json.loads((folder / "deployment.json").read_text())["ports"]["issuer"] == port
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) in (0, 130)
    overlapping = checkin(tmp_path, "up", "--dir", "mine", "--port", str(second + 1))
    assert overlapping.returncode == 1
    assert overlapping.stderr.startswith("checkin: settings_invalid: ") and overlapping.stderr.count("\n") == 1
