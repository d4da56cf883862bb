"""How long a bound that is counted in memory keeps somebody out."""

from __future__ import annotations

from limits import RateLimitItem
from limits.strategies import FixedWindowRateLimiter

from checkin.clock import SystemClock


def seconds_left(limiter: FixedWindowRateLimiter, item: RateLimitItem, key: str) -> float:
    """Of the window in which this key was first counted; the library goes by the machine's own clock."""
    return limiter.get_window_stats(item, key).reset_time - SystemClock().now()
