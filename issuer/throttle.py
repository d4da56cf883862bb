"""How often codes are sent: a pause for each phone, a bound for all together, and a number a day.

The pause and the bound live in memory, of each worker process on its own, and are gone in a minute: the only
times finer than the day, and never on a disk. The number a day is counted in the database, for all processes.
"""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from checkin.errors import TooManyRequests
from issuer.database import IssuerDatabase, changed
from issuer.identity_keys import IdentityKeys
from issuer.settings import IssuerSettings

# At most so many a day; nothing is counted when it is refused.
_COUNT: Final = (
    "INSERT INTO messages VALUES (?, ?, 1) ON CONFLICT (phone, day) DO UPDATE SET sent = sent + 1 WHERE sent < ?"
)


class MessageThrottle:
    """Asked before each message. It looks at no account, so it answers alike for known and unknown phones."""

    def __init__(self, database: IssuerDatabase, keys: IdentityKeys, settings: IssuerSettings) -> None:
        self._database = database
        self._keys = keys
        self._a_day = settings.codes_a_day
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._all = RateLimitItemPerMinute(settings.registrations_a_minute)
        pause = settings.code_cooldown_seconds
        self._phone = RateLimitItemPerSecond(1, pause) if pause else None

    def pass_one(self, phone: str, day: int) -> None:
        """Counts a message to a phone in E.164; raises `TooManyRequests` if there were too many."""
        mac = self._keys.day_mac(self._keys.current(), day, phone)
        # The phone first: what is refused to one phone must not use up what all have together.
        if self._phone and not self._limiter.hit(self._phone, mac.hex()):
            raise TooManyRequests("A code was sent to this phone a moment ago: wait a minute for the next one.")
        if not self._limiter.test(self._all, "all"):
            raise TooManyRequests
        with self._database.writing() as tables:
            if not changed(tables, _COUNT, mac, day, self._a_day):
                raise TooManyRequests("This phone was sent as many codes as it gets in a day: try again tomorrow.")
            if not self._limiter.hit(self._all, "all"):  # others came in between: the count is taken back
                raise TooManyRequests
