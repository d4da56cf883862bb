"""Whatever happens to a machine's clock: no day is destroyed early, none comes back, none is kept once all is well."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from checkin.errors import CheckinError, ClockUntrusted, DayDestroyed
from tests.examples import examples
from tests.support.purging_service import House, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service

DAYS = 24 * HOUR
JUMPS = [HOUR, -HOUR, DAYS, -DAYS, 30 * DAYS, -30 * DAYS]
MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - syncs are free there


class ClockModel(RuleBasedStateMachine):
    """One registry. `true` is the time that a perfect clock would show; the machine's is `wrong` seconds ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        make_service(self.folder)
        self.true = CALENDAR.start(DAY) + 12 * HOUR
        self.wrong = 0.0
        self.boot = 1000.0
        self.peers = "none"
        self.unnoticed = 0.0
        self.held: set[int] = set()
        self.gone: set[int] = set()
        self.house = self.process()
        self.work()

    def teardown(self) -> None:
        self.house.store.close()
        shutil.rmtree(self.folder)

    # --- the machine ------------------------------------------------------------------------------------------

    def process(self) -> House:
        house = House(self.folder, peers=self.answers)
        self.show(house)
        return house

    def show(self, house: House) -> None:
        house.clock.set(CALENDAR.rfc3339(self.true + self.wrong), self.boot)

    def answers(self) -> Iterable[float]:
        """An honest peer, or one that is always two hours ahead of us."""
        return {"none": [], "honest": [self.true], "liar": [self.true + self.wrong + 2 * HOUR]}[self.peers]

    def work(self) -> None:
        """A round of the service: look at the clock, destroy, take a check-in."""
        self.show(self.house)
        self.house.guard.tick()
        with suppress(ClockUntrusted):
            self.house.purger.run()
            for day in list(self.held):
                if not self.house.live(day):
                    assert self.true + self.unnoticed >= CALENDAR.due(day), "destroyed early"
                    self.held.remove(day)
                    self.gone.add(day)
            self.check_in()

    def check_in(self) -> None:
        today = CALENDAR.day(self.true)
        with suppress(CheckinError):
            self.house.party.ring.ensure(day_key(today), oldest=self.house.guard.floor(CALENDAR))
            self.held.add(today)

    # --- what happens -----------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 6, 13, 26]), rounds=st.integers(1, 4))
    def time_passes(self, hours: int, rounds: int) -> None:
        for _ in range(rounds):
            self.true += hours * HOUR
            self.boot += hours * HOUR
            self.work()

    @rule()
    def the_next_day_begins(self) -> None:
        """To the second before midnight, and to midnight."""
        midnight = CALENDAR.start(CALENDAR.day(self.true) + 1)
        for moment in (midnight - 1, midnight):
            self.boot += max(0.0, moment - self.true)
            self.true = max(self.true, moment)
            self.work()

    @rule()
    def weeks_pass(self) -> None:
        for _ in range(27):
            self.true += DAYS
            self.boot += DAYS
            self.work()

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_jumps(self, jump: float) -> None:
        self.wrong += jump
        self.work()

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_jumps_half_an_hour_before_a_day_is_due(self, jump: float) -> None:
        moment = min(map(CALENDAR.due, self.held), default=self.true) - HOUR / 2
        while self.true < moment:
            step = min(DAYS, moment - self.true)
            self.true += step
            self.boot += step
            self.work()
        self.the_clock_jumps(jump)

    @rule()
    def the_clock_is_put_right(self) -> None:
        self.wrong = 0.0
        self.work()

    @rule()
    def the_process_restarts(self) -> None:
        self.house.store.close()
        self.house = self.process()
        self.work()

    @rule(hours=st.sampled_from([1, 23, 25, 7 * 24]), jump=st.sampled_from([0.0, DAYS, -DAYS, -30 * DAYS]))
    def the_machine_is_off(self, hours: int, jump: float) -> None:
        """And its clock may be set while it is off, by as much as can be noticed without asking anybody."""
        self.house.store.close()
        self.true += hours * HOUR
        self.wrong += jump
        self.boot = 30.0
        self.house = self.process()
        self.work()

    @rule()
    def the_machine_is_off_and_an_hour_is_added(self) -> None:
        """Which an honest peer notices."""
        self.peers = "honest"
        self.the_machine_is_off(1, HOUR)

    @rule(hours=st.sampled_from([1, 6]), ahead=st.sampled_from([1, 7, 16]), often=st.integers(1, 5))
    def the_machine_restarts_with_its_clock_ahead(self, hours: int, ahead: int, often: int) -> None:
        """Each time by less than a day in all. Peers notice; without any, a day may be gone a day early at most."""
        if self.peers == "none":
            self.unnoticed = DAYS
        for _ in range(often):
            self.the_machine_is_off(hours, ahead * HOUR)

    @rule(peers=st.sampled_from(["none", "honest", "liar"]))
    def peers_change(self, peers: str) -> None:
        self.peers = peers
        self.work()

    @rule()
    def a_person_sets_and_confirms_the_clock(self) -> None:
        self.wrong = 0.0
        self.show(self.house)
        House(self.folder).guard.confirm()
        self.unnoticed = 0.0
        self.work()
        assert self.house.guard.doubt is None

    # --- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def no_day_comes_back(self) -> None:
        for day in self.gone:
            assert not self.house.live(day)
        for day in sorted(self.gone)[-2:]:
            with pytest.raises(DayDestroyed):
                self.house.party.ring.ensure(day_key(day), oldest=0)

    @invariant()
    def nothing_overdue_is_kept_while_all_is_well(self) -> None:
        well = self.house.guard.doubt is None and self.wrong == 0 and self.house.guard.settled() >= self.true
        assert not well or all(self.true < CALENDAR.due(day) for day in self.held)

    @invariant()
    def nothing_overdue_is_read(self) -> None:
        if self.wrong >= 0:
            assert self.house.guard.floor(CALENDAR) >= CALENDAR.oldest(self.true)


def test_an_hour_that_was_added_while_the_machine_was_off_destroys_nothing_early() -> None:
    """Found by a random seed: boot ids that are alike hid the restart, and no peer was asked."""
    state = ClockModel()
    try:
        state.weeks_pass()
        state.the_machine_is_off_and_an_hour_is_added()
        state.the_next_day_begins()
    finally:
        state.teardown()


ClockModel.TestCase.settings = examples(12, stateful_step_count=20)
TestClockModel = ClockModel.TestCase
