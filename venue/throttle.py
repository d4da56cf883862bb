"""How often a venue's operator may change something: every change empties what all workers know by heart.

Counted in memory, by each worker process for itself.
"""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from checkin.errors import TooManyRequests
from checkin.service.window import seconds_left

CHANGES_A_MINUTE: Final = 30


class OperatorThrottle:
    """One for all routes by which operators change something."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._item = RateLimitItemPerMinute(CHANGES_A_MINUTE)

    def pass_one(self, venue: str) -> None:
        """Counts a change; raises `TooManyRequests`. One venue's changes take nothing from another's."""
        if not self._limiter.hit(self._item, venue):
            wait = seconds_left(self._limiter, self._item, venue)
            raise TooManyRequests("This venue's settings were changed too often: try again in a minute.", wait)
