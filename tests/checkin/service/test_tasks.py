"""Tasks are done again and again, whatever fails between them, and who has not been done for long is named."""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from checkin.errors import NotReady
from checkin.service import tasks
from checkin.service.frame import Frame
from checkin.service.logs import log_as_json
from checkin.service.tasks import Task, Tasks
from tests.support.purging_service import House
from tests.support.serving import visiting
from tests.support.waiting import until

QUICK = 0.001


@contextmanager
def running(*given: Task) -> Iterator[Tasks]:
    """Their threads, until the block ends."""
    found = Tasks(given)
    found.start()
    try:
        yield found
    finally:
        found.stop()


class Rounds:
    """A task that counts; `wait` returns when it was done so many more times."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self._then = then
        self._more = threading.Condition()
        self.done = 0

    def __call__(self) -> None:
        with self._more:
            self.done += 1
            self._more.notify_all()
        self._then()

    def wait(self, more: int = 3) -> None:
        with self._more:
            wanted = self.done + more
            assert self._more.wait_for(lambda: self.done >= wanted, 60)


def refuse(error: BaseException) -> Callable[[], Any]:
    """Raises it."""

    def raising() -> None:
        raise error

    return raising


@contextmanager
def full_disk() -> Iterator[TextIO]:
    """A file to which nothing can be written."""
    with Path("/dev/full").open("wb", buffering=0) as device:
        yield io.TextIOWrapper(device, write_through=True)


@pytest.fixture
def full_log() -> Iterator[None]:
    """Nothing can be written to the log: every line raises, as on a full disk."""
    configured = structlog.get_config()
    with full_disk() as full:
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(full))
        with pytest.raises(OSError, match="No space left"):
            structlog.get_logger().error("a control: such a line does raise")
        yield
        structlog.configure(**configured)


@pytest.mark.parametrize("error", [NotReady(), OSError("the disk"), SystemExit(), MemoryError(), KeyboardInterrupt()])
@pytest.mark.usefixtures("full_log")
def test_a_task_that_fails_is_done_again_though_its_failure_cannot_be_logged(error: BaseException) -> None:
    failing = Rounds(refuse(error))
    with running(Task("failing", failing, every=QUICK), Task("next", after := Rounds(), every=QUICK)):
        failing.wait(2)
        if isinstance(error, Exception):
            after.wait(2)


@pytest.mark.usefixtures("full_log")
def test_tasks_go_on_when_nobody_can_say_whether_they_are_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "URGENT_PERIOD_SECONDS", QUICK)
    rounds = Rounds()
    with running(Task("a", rounds, every=QUICK, urgent=refuse(OSError("the disk")))):
        rounds.wait()


def test_an_urgent_task_comes_soon_and_others_by_their_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "URGENT_PERIOD_SECONDS", QUICK)
    urgent, other = Rounds(), Rounds()
    given = Tasks([Task("urgent", urgent, every=3600, urgent=lambda: True), Task("other", other, every=3600)])
    given.run_all()
    given.start()
    urgent.wait()
    given.stop()
    assert other.done == 1


def test_another_day_of_a_simulated_clock_makes_everything_due_at_once() -> None:
    """Whoever lets it jump waits for no period; within a day the period counts."""
    day, rounds = [20_780], Rounds()
    given = Tasks([Task("purge", rounds, every=1_000_000)], lambda: day[0])
    given.run_all()
    given.start()
    for done, today in ((2, 20_781), (3, 20_790)):
        day[0] = today
        until(lambda done=done: rounds.done >= done)  # type: ignore[misc]
    given.stop()
    assert rounds.done == 3


def test_a_thread_that_ended_is_started_anew_by_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever that its own code never saw; and it is counted."""
    live, ended = Tasks._live, threading.Event()

    def end_once(found: Tasks, lane: str) -> None:
        if lane == "other" or ended.is_set():
            live(found, lane)
        ended.set()

    monkeypatch.setattr(Tasks, "_live", end_once)
    rounds = Rounds()
    with running(Task("a", rounds, every=QUICK), Task("b", Rounds(), every=QUICK, lane="other")) as found:
        rounds.wait()
        assert "checkin_task_threads_restarted_total 1.0" in shown(found)


def test_a_task_that_hangs_keeps_no_other_lane_waiting() -> None:
    go_on = threading.Event()
    purge = Rounds()
    with running(Task("hangs", go_on.wait, every=QUICK), Task("purge", purge, every=QUICK, lane="purge")):
        purge.wait()
        go_on.set()


def test_one_that_fails_at_start_keeps_no_other_from_it_and_is_named() -> None:
    other = Rounds()
    given = Tasks(
        [
            Task("a", refuse(NotReady())),
            Task("b", refuse(OSError("the disk"))),
            Task("c", other),
            Task("d", refuse(OSError("the disk")), at_start=False),
        ]
    )
    assert (given.run_all(), other.done) == ({"a": "not_ready", "b": "OSError"}, 1)


def shown(found: Tasks) -> str:
    """As /metrics shows it."""
    registry = CollectorRegistry()
    registry.register(found)
    return generate_latest(registry).decode()


def test_the_last_good_round_is_shown_by_the_boot_clock(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """A task that failed since is late five minutes after its period, a vital one makes the service not ready; a
    simulated clock that stands still changes nothing of that."""
    now = [1000.0]
    monkeypatch.setattr(tasks, "STOPWATCH", SimpleNamespace(boot=lambda: now[0]))
    broken: list[BaseException] = []
    run = Rounds(lambda: broken and refuse(broken[0])())
    found = Tasks([Task("purge", run, vital=True), Task("counting", run, every=60)])
    assert found.run_all() == {}
    broken.append(NotReady())
    now[0] += 320
    assert set(found.run_all()) == {"purge", "counting"}
    assert list(found.late()) == []
    now[0] += 1
    assert [(task.name, failure) for task, _, failure in found.late()] == [("purge", "not_ready")]
    now[0] += 40
    assert [task.name for task, *_ in found.late()] == ["purge", "counting"]
    assert 'checkin_task_age_seconds{task="purge"} 361.0' in shown(found)
    broken.clear()
    found.run_all()
    assert list(found.late()) == []
    assert house.party.clock.simulated


def test_readiness_names_what_was_not_done(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """503 for a vital one, with the code that it failed with."""
    monkeypatch.setattr(tasks, "SIMULATED_PERIOD_SECONDS", 3600.0)
    frame = Frame(
        house.party,
        house.guard,
        "title",
        "",
        periodic=[Task("purge", refuse(NotReady()), vital=True, patience=-3600), Task("gates", lambda: None)],
    )
    with visiting(frame.build()) as client:
        answer = client.get("/readyz")
        found = {item["name"]: item["level"] for item in answer.json()["findings"]}
        assert answer.status_code == 503
        assert found["task_purge"] == "failure" and "task_gates" not in found
        assert "not_ready" in answer.text
        metrics = client.get("/metrics").text
    named = re.findall(r'checkin_task_age_seconds{task="(.*)"} [0-9.]+', metrics)
    assert named == ["clock", "purge", "gates", "wal", "generation"]


def test_a_log_that_cannot_be_written_loses_its_line_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A service's log on a full disk, with its output closed, or gone; a control shows that a line would be written."""
    configured = structlog.get_config()
    try:
        log_as_json()
        with (tmp_path / "log").open("w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            structlog.get_logger().info("written", number=1)
        assert (tmp_path / "log").read_text() == '{"number": 1, "event": "written", "level": "info"}\n'
        structlog.get_logger().info("closed")
        monkeypatch.setattr(sys, "stdout", None)
        structlog.get_logger().info("none")
        with full_disk() as full:
            monkeypatch.setattr(sys, "stdout", full)
            structlog.get_logger().error("full")
    finally:
        structlog.configure(**configured)
