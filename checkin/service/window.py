"""How often something may be done: counted in memory, by each worker process for itself, until a window is over."""

from __future__ import annotations

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from checkin.clock import SystemClock
from checkin.errors import TooManyRequests


class Bound:
    """So many of each key, in a window that begins with its first one."""

    def __init__(self, item: RateLimitItem, refusal: str, wait: float | None = None) -> None:
        """`wait`: the seconds that a refusal names, where nobody may learn when the window began."""
        self._item = item
        self._refusal = refusal
        self._wait = wait
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)

    def pass_one(self, key: str) -> None:
        """Counts one; raises `TooManyRequests`, with nothing counted and when it may go."""
        if not self._limiter.hit(self._item, key):
            self.give_back(key)
            # The library goes by the machine's own clock.
            left = self._limiter.get_window_stats(self._item, key).reset_time - SystemClock().now()
            raise TooManyRequests(self._refusal, left if self._wait is None else self._wait)

    def give_back(self, key: str) -> None:
        """One that passed does not count."""
        self._storage.decr(self._item.key_for(key))

    def full(self, key: str) -> bool:
        """Whether the next one would be refused."""
        return not self._limiter.test(self._item, key)
