"""Noon, at whatever hour tests run: those that live under the real clock must not meet a midnight on their way."""

from __future__ import annotations

import time

from checkin.clock import SystemClock


def zone_at_noon() -> str:
    """A time zone in which it is between twelve and one o'clock now, without any change of clocks."""
    ahead = 12 - time.gmtime(SystemClock().now()).tm_hour
    # In these names the sign is the other way round: Etc/GMT-9 is nine hours ahead, as Seoul is.
    return f"Etc/GMT{-ahead:+}" if ahead else "Etc/GMT"
