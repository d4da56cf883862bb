"""Service days: every instant belongs to one, in every zone, whatever the clocks on the wall do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.clock import Calendar, SimulatedClock, parse_rfc3339
from checkin.errors import SettingsInvalid

ZONES = [
    "Asia/Seoul",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Havana",
]
instants = st.floats(0, 4_000_000_000, allow_nan=False)
calendars = st.sampled_from([Calendar(zone) for zone in ZONES])


@given(calendars, instants)
def test_an_instant_lies_in_its_day(calendar: Calendar, now: float) -> None:
    """A day begins at its start and ends where the next begins; an hour of it is 0 to 24."""
    day = calendar.day(now)
    assert calendar.start(day) <= now < calendar.start(day + 1)
    assert 0 <= calendar.hour(day, now) <= 24


@given(calendars, instants)
def test_a_day_is_held_for_28_days_and_never_longer(calendar: Calendar, now: float) -> None:
    """The oldest day held is not due, the one before it is."""
    oldest = calendar.oldest(now)
    assert calendar.due(oldest) > now >= calendar.due(oldest - 1)


@given(st.sampled_from(ZONES), st.integers(0, 40_000))
def test_a_date_has_one_spelling(zone: str, day: int) -> None:
    """Dates read back to the day they were written from."""
    calendar = Calendar(zone)
    assert calendar.parse_date(calendar.date(day)) == day


@pytest.mark.parametrize("text", ["2026-1-1", "20260101", "2026-W01-1", "26-01-01", "", "2026-02-30"])
def test_other_spellings_of_a_date_are_refused(text: str) -> None:
    """ISO 8601 has many; one is ours."""
    with pytest.raises(ValueError, match=r".*"):
        Calendar().parse_date(text)


def test_a_day_closes_five_minutes_into_its_fourth_day_after() -> None:
    """D+4 00:05 local."""
    calendar = Calendar()
    day = calendar.parse_date("2026-11-20")
    assert calendar.rfc3339(calendar.closes(day)) == "2026-11-24T00:05:00+09:00"
    assert calendar.rfc3339(calendar.due(day)) == "2026-12-18T00:00:00+09:00"


def test_an_unknown_zone_is_named() -> None:
    """A typing error in the settings is told, not guessed around."""
    with pytest.raises(SettingsInvalid, match="Seol"):
        Calendar("Asia/Seol")


def test_whoever_reads_a_simulated_clock_while_it_is_set_reads_a_time(tmp_path: Path) -> None:
    """Also a process that has just been started and knows no earlier one."""
    path = tmp_path / "clock"
    path.write_text("2026-11-20T12:00:00+09:00\n")
    clock, stop = SimulatedClock(path), threading.Event()

    def turn() -> None:
        while not stop.is_set():
            clock.set("2026-11-20T12:00:00+09:00")

    with ThreadPoolExecutor(1) as pool:
        turning = pool.submit(turn)
        try:
            assert {SimulatedClock(path).now() for _ in range(1000)} == {parse_rfc3339("2026-11-20T12:00:00+09:00")}
        finally:
            stop.set()
        turning.result()


def test_a_simulated_clock_stands_still_or_runs_ahead(tmp_path: Path) -> None:
    """An instant stands; seconds ahead run with the real clock; anything else is refused."""
    path = tmp_path / "clock"
    path.write_text("2026-11-20T12:00:00+09:00\n")
    clock = SimulatedClock(path)
    assert clock.now() == clock.now() == clock.boot() == parse_rfc3339("2026-11-20T12:00:00+09:00")
    clock.set("2026-12-20T12:00:00+09:00", boot=5.0)
    assert (clock.now() - parse_rfc3339("2026-11-20T12:00:00+09:00"), clock.boot()) == (30 * 86400, 5.0)
    clock.set("+3600")
    assert clock.now() < clock.now() + 1
    for wrong in ("noon", "2026-11-20T12:00:00", "-5", "1e9"):
        clock.set(wrong)
        with pytest.raises(SettingsInvalid):
            clock.now()
