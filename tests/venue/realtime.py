"""The real clock, for processes that no test can move through time: what is today, and a code that lives all of it."""

from __future__ import annotations

from checkin.clock import Calendar, SystemClock
from checkin.protocol.credential import Mode
from tests.support.noon import zone_at_noon
from tests.support.registry_service import Issuer, Phone

PATIENCE = 120.0  # seconds for an answer: on a slow machine, with all of these at once
CALENDAR = Calendar(zone_at_noon())


def paper(issuer: Issuer) -> str:
    """A code that lives all of today, by the real clock."""
    [day] = [day for day in issuer.keys if day == today()]
    return Phone(issuer, day, mode=Mode.PAPER).at(CALENDAR.start(day))


def today() -> int:
    """The service day by the real clock."""
    return CALENDAR.day(SystemClock().now())
