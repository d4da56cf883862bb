"""A large day's root in several processes: the same as in one, or an error with words, and nobody is left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import cast

import pytest

from checkin.errors import DayClosed, NotReady
from checkin.vault.engines import LAST_KEY, DayStore, Row
from checkin.vault.row_tree import day_root
from tests.checkin.vault.engines.workers import DAY, a_row
from tests.support.waiting import until

ROWS = [a_row(bytes([first]) + os.urandom(15)) for first in (0x10, 0x20, 0xE0)]


class Days:
    """As much of a `DayStore` as is asked here; `reading` is what another process gets when it reads the rows."""

    def __init__(self, reading: Callable[[bytes], Iterator[Row]]) -> None:
        self._reading = reading

    def count(self, _day: int, first: bytes, last: bytes) -> int:
        return sum(first <= row.key <= last for row in ROWS)

    def rows(self, _day: int, first: bytes = b"", _last: bytes = LAST_KEY) -> Iterator[Row]:
        return self._reading(first)

    def reader(self) -> Callable[[], Days]:
        return partial(Days, self._reading)

    def close(self) -> None: ...


def root(reading: Callable[[bytes], Iterator[Row]], processes: int = 2) -> tuple[bytes, int]:
    """Of such a day, in processes of their own."""
    return day_root(cast(DayStore, Days(reading)), DAY, large=0, processes=processes)


def one_less(first: bytes) -> Iterator[Row]:
    return iter([row for row in ROWS if row.key >= first][:1])


def refused(_first: bytes) -> Iterator[Row]:
    raise DayClosed("The disk is on its way.")


def open_to_debuggers(_first: bytes) -> Iterator[Row]:
    raise DayClosed(f"dumpable: {ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}")  # PR_GET_DUMPABLE


def killed(first: bytes) -> Iterator[Row]:
    if ROWS[1].key < first:
        os.kill(os.getpid(), signal.SIGKILL)
    return iter(ROWS[:2])


def endless(told: Path, _first: bytes) -> Iterator[Row]:
    with told.open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(3600)
    return iter(())


def test_a_range_without_a_row_that_was_counted_is_no_root() -> None:
    with pytest.raises(NotReady, match="rows were added or removed"):
        root(one_less, 1)


def test_what_fails_in_a_process_is_raised_here() -> None:
    with pytest.raises(DayClosed, match="on its way"):
        root(refused, 1)


def test_a_process_which_may_hold_a_database_s_password_writes_no_core_and_has_no_debugger() -> None:
    with pytest.raises(DayClosed, match="dumpable: 0"):
        root(open_to_debuggers, 1)


def test_a_process_that_was_killed_is_told_and_the_others_are_ended() -> None:
    before = set(active_children())  # of other tests
    with pytest.raises(NotReady, match="A process that hashed rows ended"):
        root(killed)
    assert set(active_children()) <= before


def alive(told: Path) -> set[str]:
    """Which of the processes that told their numbers run; one that nobody waited for does not."""
    found = set()
    for pid in told.read_text().split() if told.exists() else []:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
    return found


def test_no_process_outlives_whoever_started_it_also_when_that_was_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    starter = get_context("spawn").Process(target=root, args=(partial(endless, told),))
    starter.start()
    until(lambda: len(alive(told)) == 2)
    starter.kill()
    starter.join()
    until(lambda: not alive(told))
