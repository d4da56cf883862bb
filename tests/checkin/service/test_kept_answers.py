"""Answers to orders are kept until they expire or their day is destroyed, by a clock that may be believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from checkin.errors import ClockUntrusted
from checkin.files.tables import SqliteTables
from checkin.service.order_executor import OrderExecutor
from checkin.service.order_store import ORDERS, KeptAnswer, OrderStore
from tests.support.purging_service import House
from tests.support.service_folder import DAY, HOUR, at, make_service

PART = "ab" * 32
Desk = tuple[House, OrderExecutor]


@contextmanager
def opened(house: House) -> Iterator[OrderStore]:
    with closing(SqliteTables(house.party.data, ORDERS)) as tables:
        yield OrderStore(tables)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A service that answered a part about today at noon, valid for three hours."""
    make_service(tmp_path)
    house = House(tmp_path)
    house.guard.tick()
    with opened(house) as store:
        store.keep(PART, KeptAnswer("", "sealed", DAY, 1), expires=house.clock.now() + 3 * HOUR)
        yield house, OrderExecutor(house.party, house.guard, house.book, None, None, {}, store)
    house.store.close()


def kept(house: House) -> list[str | None]:
    with opened(house) as store:
        return [answer.sealed for answer in store.answers(PART).values()]


@pytest.mark.parametrize("day", [DAY + 1, DAY + 28], ids=["expired", "its day destroyed"])
def test_a_clock_that_jumped_removes_no_answer(desk: Desk, day: int) -> None:
    house, executor = desk
    house.clock.set(at(day, 12 * HOUR), boot=house.clock.boot() + 1)
    house.guard.tick()
    with pytest.raises(ClockUntrusted):
        executor.forget()
    assert kept(house) == ["sealed"]


def test_a_step_within_the_tolerance_removes_no_answer_early(desk: Desk) -> None:
    """Fifty minutes ahead is no doubt; the boot clock says how much time has passed."""
    house, executor = desk
    house.clock.set(at(DAY, 12 * HOUR + 2.5 * HOUR + 3000), boot=house.clock.boot() + 2.5 * HOUR)
    house.guard.tick()
    executor.forget()
    assert kept(house) == ["sealed"]


def test_an_answer_goes_when_it_expires(desk: Desk) -> None:
    """The control arm: the time did pass."""
    house, executor = desk
    house.go(DAY, 12 * HOUR + 3 * HOUR + 1)
    house.guard.tick()
    executor.forget()
    assert kept(house) == []
