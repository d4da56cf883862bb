"""A purge that dies at any single step, and several that run at once: in the end all is done, and stated once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin.keys.key_ring import Purpose
from tests.support.officers import AUTHORITY, early_note
from tests.support.purging_service import House, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service

AHEAD = {Purpose.DAY: 0, Purpose.INTAKE: 0}
STEPS = ("open", "pwrite", "fsync", "unlink", "rename", "replace", "link")
MOST = 400
DATES = [CALENDAR.date(day) for day in (DAY, DAY + 1)]
EXPECTED = sorted([*(f"purge-{date}" for date in DATES), *(f"key-destroyed-intake-{date}" for date in DATES)])


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a process that dies loses nothing there either, and syncs are free."""
    shared = Path("/dev/shm")  # noqa: S108 - made by mkdtemp inside it
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=shared))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(memory: Path) -> Path:
    """A registry on which two days are due."""
    make_due(memory / "registry")
    return memory / "registry"


def make_due(folder: Path) -> None:
    """A registry at the first moment of a day on which two days are due, and an intake key of each."""
    make_service(folder)
    house = House(folder, ahead=AHEAD)
    for day in (DAY, DAY + 1):
        house.go(day, HOUR)
        house.guard.tick()
        house.purger.make_keys()
        house.open_day(day)
    for day in (DAY + 4, DAY + 5):
        house.go(day, HOUR)
        house.guard.tick()
        house.purger.close_due_days()
    house.go(DAY + 29)
    house.guard.confirm()
    house.store.close()


def purge(folder: Path) -> None:
    """One process's purge."""
    House(folder, ahead=AHEAD, authority=AUTHORITY).purger.run()


def die_at(number: int, folder: Path, *, before: bool) -> bool:
    """Purges in a process that ends abruptly at that step; whether it got through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                _arm(patch, number, before=before)
                purge(folder)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 77), "the work failed by itself"
    return code == 0


def _arm(patch: pytest.MonkeyPatch, number: int, *, before: bool) -> None:
    taken = iter(range(10**9))

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            mine = next(taken) == number
            if mine and before:
                os._exit(77)
            try:
                return real(*args, **kwargs)
            finally:  # a step that fails is one, too
                if mine:
                    os._exit(77)

        return step

    for name in STEPS:
        patch.setattr(os, name, wrap(getattr(os, name)))


def check_done(folder: Path, *, disk_failed: bool = False) -> None:
    """Both days are gone, and each thing is stated once. After a disk failed, a report may say that a day's rows could
    not be counted any more, and that the other day's key could not be destroyed at that moment."""
    house = House(folder, ahead=AHEAD)
    stated = [name for name in house.book.names() if name in EXPECTED]
    assert stated == EXPECTED
    assert not any(name.startswith(("purge-", "key-destroyed-")) for name in set(house.book.names()) - set(EXPECTED))
    for day in (DAY, DAY + 1):
        assert not house.live(day)
        report = house.statement(f"purge-{CALENDAR.date(day)}")
        assert report["rows"] in (("12", "unknown") if disk_failed else ("12",))
        assert report["commitment"] == house.statement(f"key-made-day-{CALENDAR.date(day)}")["commitment"]
        assert report["days-held"] in (("0", "1") if disk_failed else ("0",))
    assert house.purger.overdue() == []
    house.store.close()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_purge_that_dies_at_any_step_is_finished_by_the_next(folder: Path, memory: Path, *, before: bool) -> None:
    """Every open, write, sync, rename, link and unlink; and what was stated before the crash stays as it was."""
    for number in range(MOST):
        work = memory / "work"
        shutil.copytree(folder, work)
        through = die_at(number, work, before=before)
        house = House(work, ahead=AHEAD)
        stated = dict(house.book.all())
        for day in (DAY, DAY + 1):
            if f"purge-{CALENDAR.date(day)}" in stated:
                assert not house.live(day), "nothing is stated before it is done"
            if day not in house.store.days():
                assert day_key(day) not in house.party.ring.names(), "no partition goes before its key"
        house.store.close()
        purge(work)
        check_done(work)
        assert stated.items() <= dict(House(work).book.all()).items()
        shutil.rmtree(work)
        if through:
            assert number > 40, "the steps of a purge were not all met"
            return
    raise AssertionError("the purge has no end")


def test_an_early_destruction_that_dies_at_any_step_is_finished_by_the_next(memory: Path) -> None:
    """The statement is kept, and the order, the keys, the data and the reports come in their order."""
    make_service(memory / "registry")
    house = House(memory / "registry", ahead=AHEAD, authority=AUTHORITY)
    house.first_day()
    house.store.close()
    order = house.early.take(early_note(DAY, DAY))
    report, intake = EXPECTED[-2], EXPECTED[0]
    for number in range(MOST):
        shutil.copytree(memory / "registry", work := memory / "work")
        through = die_at(number, work, before=True)
        after = House(work, ahead=AHEAD, authority=AUTHORITY)
        if report in after.book:
            assert order.name in after.book and not after.live(), "nothing is stated before it is done"
        assert day_key() not in after.party.ring.names() or DAY in after.store.days(), "the key goes first"
        after.store.close()
        purge(work)
        done = House(work, ahead=AHEAD, authority=AUTHORITY)
        assert {order.name, report, intake} <= set(done.book.names())
        assert done.statement(report)["rows"] == "12"
        assert done.party.ring.overwritten(day_key()) and not done.live()
        done.store.close()
        shutil.rmtree(work)
        if through:
            assert number > 40, "the steps of a purge were not all met"
            return
    raise AssertionError("the purge has no end")


def test_a_purge_that_dies_again_and_again_comes_to_its_end(folder: Path) -> None:
    """Each time a few steps further, as on a machine that keeps failing."""
    for number in range(0, MOST, 7):
        if die_at(number, folder, before=True):
            break
    check_done(folder)


def test_a_purge_that_dies_between_its_steps_keeps_what_the_tombstone_says(folder: Path) -> None:
    """After the partition is gone nobody can count it any more; the report still tells what it held."""
    child = os.fork()
    if child == 0:
        house = House(folder, ahead=AHEAD)
        house.book.put = lambda *_: os._exit(77)  # type: ignore[method-assign]  # the crash
        house.purger.run()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77
    assert House(folder).store.days() == []
    purge(folder)
    check_done(folder)


def _purge_when_told(folder: Path, start: Any, answers: Any) -> None:
    house = House(folder, ahead=AHEAD)
    start.wait()
    answers.put(house.purger.run())


def test_processes_that_purge_at_once_state_each_thing_once(folder: Path) -> None:
    """Four workers at the first moment of the day."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(4), spawn.Queue()
    workers = [spawn.Process(target=_purge_when_told, args=(folder, start, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    made = [name for _ in workers for name in answers.get(timeout=300)]
    for worker in workers:
        worker.join(timeout=300)
    assert sorted(made) == EXPECTED
    check_done(folder)
