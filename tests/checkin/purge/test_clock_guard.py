"""When the clock is believed: every edge of the rules, and that all workers share one doubt."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

import pytest

from checkin.clock import SimulatedClock
from checkin.errors import ClockUntrusted
from checkin.purge import clock_guard
from checkin.purge.clock_guard import ClockGuard
from tests.support.service_folder import CALENDAR, DAY, HOUR, at

NOON = 12 * HOUR


class Machine:
    """A machine whose wall clock and boot clock are set apart, and whose peers answer as told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "clock").write_text(f"{at(DAY, NOON)}\n1000\n")
        self.clock = SimulatedClock(folder / "clock")
        self.peers: list[float] = []
        self.asked = 0
        self.starts = 0

    def process(self) -> ClockGuard:
        """A worker process starts."""
        return ClockGuard(self.folder / "clock.json", self.clock, self.ask)

    def ask(self) -> Iterable[float]:
        self.asked += 1
        return self.peers

    def set(self, wall: float, boot: float) -> None:
        """Seconds after noon, seconds after the first look."""
        self.clock.set(at(DAY, NOON + wall), 1000 + boot)

    @property
    def now(self) -> float:
        return self.clock.now()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Noon, freshly installed."""
    return Machine(tmp_path)


def test_a_first_start_believes_its_clock(machine: Machine) -> None:
    """There is nothing to hold it against."""
    guard = machine.process()
    guard.tick()
    assert guard.doubt is None
    guard.require_trusted()
    assert guard.now() == guard.settled() == machine.now


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_step_of_exactly_an_hour_is_believed(machine: Machine, jump: float) -> None:
    """The edge of the rule."""
    guard = machine.process()
    guard.tick()
    machine.set(60 + jump, 60)
    guard.tick()
    assert guard.doubt is None


@pytest.mark.parametrize("jump", [HOUR + 1, -HOUR - 1, 86400, -86400, 30 * 86400, -30 * 86400])
def test_a_jump_of_more_than_an_hour_is_doubted(machine: Machine, jump: float) -> None:
    """While the process runs, in either direction."""
    guard = machine.process()
    guard.tick()
    machine.set(60 + jump, 60)
    guard.tick()
    assert guard.doubt is not None
    with pytest.raises(ClockUntrusted, match="confirm-clock"):
        guard.require_trusted()


def test_small_steps_do_not_add_up_unnoticed(machine: Machine) -> None:
    """Creeping forward by half an hour at each look is found at the third."""
    guard = machine.process()
    guard.tick()
    doubts = []
    for step in range(1, 4):
        machine.set(step * HOUR / 2 + step * 20, step * 20)
        guard.tick()
        doubts.append(guard.doubt)
    assert doubts[:2] == [None, None]
    assert doubts[2] is not None


def test_a_jump_while_the_process_was_down_is_doubted_too(machine: Machine) -> None:
    """The machine ran on, so its boot clock knows how long it was."""
    machine.process().tick()
    machine.set(5 * HOUR, 60)
    guard = machine.process()
    guard.tick()
    assert guard.doubt is not None


def test_a_step_forward_destroys_nothing_early(machine: Machine) -> None:
    """Reads follow the wall clock at once, destroying waits for the boot clock."""
    guard = machine.process()
    guard.tick()
    machine.set(12 * HOUR - 60 + HOUR, 12 * HOUR - 60)  # the boot clock says 23:59, the wall clock 00:59
    guard.tick()
    assert guard.doubt is None
    assert guard.floor(CALENDAR) == DAY + 1 - 27
    assert CALENDAR.oldest(guard.settled()) == DAY - 27
    machine.set(12 * HOUR + HOUR, 12 * HOUR)
    assert CALENDAR.oldest(guard.settled()) == DAY + 1 - 27


@pytest.mark.parametrize(("gap", "doubted"), [(86400.0, False), (86401.0, True)])
def test_a_downtime_of_more_than_a_day_needs_a_witness(machine: Machine, gap: float, *, doubted: bool) -> None:
    """The exact edge, after the machine was switched off."""
    machine.process().tick()
    machine.set(gap, -900)
    guard = machine.process()
    guard.tick()
    assert (guard.doubt is not None) == doubted
    assert machine.asked == 1


@pytest.mark.parametrize(("lie", "believed"), [(0.0, True), (HOUR, True), (-HOUR, True), (HOUR + 1, False)])
def test_a_peer_within_an_hour_ends_the_doubt(machine: Machine, lie: float, *, believed: bool) -> None:
    """Seven days down; the edge of what counts as agreeing."""
    machine.process().tick()
    machine.set(7 * 86400, -900)
    machine.peers = [machine.now + lie]
    guard = machine.process()
    guard.tick()
    assert (guard.doubt is None) == believed
    assert (CALENDAR.oldest(guard.settled()) == DAY + 7 - 27) == believed


def test_a_peer_two_hours_off_is_not_believed_and_an_honest_one_beside_it_is(machine: Machine) -> None:
    """One liar neither ends a doubt nor keeps it."""
    machine.process().tick()
    machine.set(7 * 86400, -900)
    machine.peers = [machine.now + 2 * HOUR]
    guard = machine.process()
    guard.tick()
    assert guard.doubt is not None
    machine.peers.append(machine.now - 60)
    guard.tick()
    assert guard.doubt is None


def test_the_peers_are_asked_again_until_one_answers(machine: Machine) -> None:
    """A service that starts before its peers need not be restarted."""
    machine.process().tick()
    machine.set(7 * 86400, -900)
    guard = machine.process()
    guard.tick()
    guard.tick()
    assert machine.asked == 2
    machine.peers = [machine.now]
    guard.tick()
    assert guard.doubt is None


def test_a_clock_gone_back_at_start_is_doubted_and_revives_nothing(machine: Machine) -> None:
    """Thirty days back after a reboot: what was overdue stays overdue."""
    guard = machine.process()
    guard.tick()
    floor = guard.floor(CALENDAR)
    machine.set(-30 * 86400, -900)
    again = machine.process()
    again.tick()
    assert again.doubt is not None
    assert again.floor(CALENDAR) == floor
    again.confirm()
    assert again.doubt is None
    assert again.floor(CALENDAR) == floor


def test_all_workers_share_a_doubt_and_its_end(machine: Machine) -> None:
    """What one saw, the others know without a look of their own; a confirmation from the command line too."""
    one, other = machine.process(), machine.process()
    one.tick()
    other.tick()
    machine.set(30 * 86400, 20)
    one.tick()
    assert other.doubt == one.doubt
    assert other.doubt is not None
    machine.process().confirm()
    one.require_trusted()
    other.tick()
    other.require_trusted()


def test_a_doubt_survives_a_restart(machine: Machine) -> None:
    """Turning the service off and on again does not make a clock right."""
    guard = machine.process()
    guard.tick()
    machine.set(30 * 86400, 20)
    guard.tick()
    again = machine.process()
    assert again.doubt is not None
    again.tick()
    assert again.doubt is not None


def test_a_process_that_never_looked_looks_before_it_is_trusted(machine: Machine) -> None:
    """The clock was set while no process ran."""
    machine.process().tick()
    machine.set(30 * 86400, 20)
    with pytest.raises(ClockUntrusted):
        machine.process().require_trusted()


def test_where_nothing_can_be_written_anothers_doubt_is_heard(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps this process's state in its memory; the file still tells what others saw."""
    guard, other = machine.process(), machine.process()
    guard.tick()
    other.tick()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(clock_guard, "overwrite_file", full)
        machine.set(20, 20)
        guard.tick()
    assert guard.doubt is None
    machine.set(30 * 86400, 40)
    other.tick()
    assert guard.doubt == other.doubt is not None


def test_in_doubt_the_high_water_mark_stands_still(machine: Machine) -> None:
    """A clock that jumped ahead by mistake and came back has made nothing overdue."""
    guard = machine.process()
    guard.tick()
    floor = guard.floor(CALENDAR)
    machine.set(30 * 86400, 20)
    guard.tick()
    assert guard.floor(CALENDAR) == floor + 30, "while it is wrong, less is served rather than more"
    machine.set(40, 40)
    guard.tick()
    assert guard.floor(CALENDAR) == floor


def test_a_damaged_state_is_a_doubt(machine: Machine) -> None:
    """Nobody gets rid of the high-water mark by spoiling the file."""
    guard = machine.process()
    guard.tick()
    floor = guard.floor(CALENDAR)
    (machine.folder / "clock.json").write_text("{")
    machine.set(-86400, 20)
    guard.tick()
    assert guard.doubt is not None
    assert guard.floor(CALENDAR) == floor


def test_a_peer_ends_the_waiting_after_a_step_that_was_right(machine: Machine) -> None:
    """A clock that was corrected by half an hour is destroyed by at once, if another party shows the same time."""
    guard = machine.process()
    guard.tick()
    machine.set(HOUR / 2 + 20, 20)
    machine.peers = [machine.now]
    guard.tick()
    assert guard.doubt is None
    assert guard.settled() == machine.now


def test_a_peer_does_not_end_it_after_a_step_that_was_wrong(machine: Machine) -> None:
    """It agrees within the hour, but of the two times the earlier one is destroyed by; it is asked once an hour."""
    guard = machine.process()
    guard.tick()
    machine.peers = [machine.now + 20]
    machine.set(HOUR / 2 + 20, 20)
    guard.tick()
    guard.tick()
    assert machine.asked == 1
    assert guard.settled() == machine.now - HOUR / 2


def test_a_step_forward_is_not_forgotten_when_the_machine_restarts(machine: Machine) -> None:
    """Destroying goes on to wait as long as before."""
    guard = machine.process()
    guard.tick()
    machine.set(HOUR + 20, 20)
    guard.tick()
    machine.set(HOUR + 600, -900)
    again = machine.process()
    again.tick()
    assert again.doubt is None
    assert again.settled() == machine.now - HOUR


def test_a_guard_that_never_looked_finds_nothing_due(machine: Machine) -> None:
    """Before the first tick there is no time to destroy by."""
    assert CALENDAR.oldest(machine.process().settled()) < DAY - 10_000


def test_a_clock_that_was_put_back_and_confirmed_is_believed_until_it_goes_back_again(machine: Machine) -> None:
    """It was half a day ahead unnoticed: what is overdue by that time stays so, and the service goes on."""
    machine.process().tick()
    floor = restarted(machine, 14 * HOUR).floor(CALENDAR)
    guard = restarted(machine, 2 * HOUR)
    guard.confirm()
    guard.tick()
    assert guard.doubt is None
    assert guard.floor(CALENDAR) == floor
    assert guard.settled() == machine.now
    machine.set(4 * HOUR, -942 + 2 * HOUR)
    guard.tick()
    assert guard.doubt is None
    assert restarted(machine, 3 * HOUR - 1).doubt is not None


def restarted(machine: Machine, wall: float) -> ClockGuard:
    """The machine was switched off and shows this time, in seconds after noon, at the first look of a new process."""
    machine.starts += 1
    machine.set(wall, -940 - machine.starts)
    guard = machine.process()
    guard.tick()
    return guard


def test_peers_are_asked_after_a_restart_that_only_the_boot_clock_shows(machine: Machine) -> None:
    """Where starts of the machine have no id of their own: a simulated one here, macOS elsewhere."""
    machine.process().tick()
    machine.set(2 * HOUR, -970)
    machine.peers = [machine.now - HOUR]
    guard = machine.process()
    guard.tick()
    assert guard.doubt is None
    assert guard.settled() == machine.now - HOUR, "of two times that agree the earlier one is destroyed by"


def test_peers_are_asked_again_after_a_restart_without_a_network_until_one_answers(machine: Machine) -> None:
    """Once a minute, so that housekeeping goes on; a new process goes on asking."""
    machine.process().tick()
    guard = restarted(machine, 2 * HOUR)
    asked = machine.asked
    machine.set(2 * HOUR + 59, -941 + 59)
    guard.tick()
    assert machine.asked == asked
    machine.set(2 * HOUR + 61, -941 + 61)
    guard.tick()
    assert machine.asked == asked + 1
    machine.peers = [machine.now - HOUR / 2]
    machine.process().tick()
    assert machine.asked == asked + 2
    assert machine.process().settled() == machine.now - HOUR / 2
    machine.set(2 * HOUR + 300, -941 + 300)
    machine.process().tick()
    machine.set(2 * HOUR + 5000, -941 + 5000)
    assert machine.asked == asked + 3, "a step of half an hour is asked about once in a process"


def test_a_restart_that_every_answer_contradicts_is_doubted(machine: Machine) -> None:
    """Twenty hours ahead are less than a day: only a pinned party can tell that they did not pass."""
    machine.process().tick()
    machine.peers = [machine.now]
    guard = restarted(machine, 20 * HOUR)
    assert guard.doubt is not None
    assert "more than an hour from ours" in guard.doubt
    machine.peers.append(machine.now)
    guard.tick()
    assert guard.doubt is None


def test_restarts_without_peers_do_not_add_up_unnoticed(machine: Machine) -> None:
    """Each is less than a day ahead; together they may be a day and no more."""
    machine.process().tick()
    doubts = [restarted(machine, number * 8 * HOUR).doubt for number in (1, 2, 3, 4)]
    assert doubts[:3] == [None, None, None]
    assert doubts[3] is not None
    assert "more than a day in all" in doubts[3]


def test_the_day_that_restarts_may_add_up_to_begins_anew_when_the_clock_is_vouched_for(machine: Machine) -> None:
    """By a pinned party or by a person."""
    machine.process().tick()
    restarted(machine, 20 * HOUR).confirm()
    assert restarted(machine, 40 * HOUR).doubt is None
    machine.peers = [at_wall := machine.now]
    machine.process().tick()
    machine.peers = []
    assert at_wall == machine.now
    assert restarted(machine, 60 * HOUR).doubt is None
    assert restarted(machine, 65 * HOUR).doubt is not None


def test_what_the_boot_clock_has_counted_needs_nobody_s_word(machine: Machine) -> None:
    """A service that is started hours after its machine: only the time before the machine's start is unknown."""
    machine.set(0, 20 * HOUR)
    machine.process().tick()
    for number in range(1, 6):
        machine.set(number * 20 * HOUR, 19 * HOUR - 1000 - number)
        guard = machine.process()
        guard.tick()
        assert guard.doubt is None
