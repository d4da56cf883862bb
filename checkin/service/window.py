"""How often something may be done, until a window is over: counted in memory by each worker process for itself, and by
all together where the settings name a server for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from limits import RateLimitItem
from limits.storage import MemoryStorage

from checkin.clock import SystemClock
from checkin.errors import TooManyRequests
from checkin.protocol.primitives import hmac_sha256, random_bytes
from checkin.service.shared_counts import SharedCounts


class Bound:
    """So many of each key, in a window that begins with its first one. Keys are kept as MACs alone."""

    def __init__(self, item: RateLimitItem, refusal: str, shared: SharedCounts, wait: float | None = None) -> None:
        """`item`'s namespace is the bound's own. `wait`: the seconds that a refusal names, where nobody may learn when
        the window began."""
        self._item = item
        self._refusal = refusal
        self._wait = wait
        self._own = MemoryStorage()
        self._shared = shared
        self._mac_key = random_bytes(32)

    def pass_one(self, key: str) -> None:
        """Counts one; raises `TooManyRequests`, with nothing counted and when it may go."""
        with ExitStack() as back:
            # One's own first: whatever becomes of the server, a process lets no more pass than without one.
            for counts, name in self._places(key):
                back.callback(counts.decr, name)
                if counts.incr(name, self._item.get_expiry()) > self._item.amount:
                    # The library goes by the machine's own clock.
                    left = counts.get_expiry(name) - SystemClock().now()
                    raise TooManyRequests(self._refusal, left if self._wait is None else self._wait)
            back.pop_all()

    def give_back(self, key: str) -> None:
        """One that passed does not count."""
        for counts, name in self._places(key):
            counts.decr(name)

    def full(self, key: str) -> bool:
        """Whether the next one would be refused."""
        return any(counts.get(name) >= self._item.amount for counts, name in self._places(key))

    def _places(self, key: str) -> Iterator[tuple[MemoryStorage | SharedCounts, str]]:
        """Where it is counted, and under which name there."""
        name = self._item.key_for(key)
        yield self._own, hmac_sha256(self._mac_key, name.encode()).hex()
        yield self._shared, name  # of which it makes a MAC that others make, too
