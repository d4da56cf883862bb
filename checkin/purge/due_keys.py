"""Destroying the keys that are due, with nothing but the key volume (docs/spec/retention.md §3).

The tombstone's record needs what `data` holds, but only if that can be read: no full, read-only or missing volume, and
no statement that cannot be made, keeps a due key alive.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from checkin.clock import STOPWATCH, Calendar
from checkin.errors import CheckinError
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.purge.early import EarlyDestructions

CLOSING_GRACE_SECONDS: Final = 86400.0
UNKNOWN: Final = "unknown"
log = structlog.get_logger()

Record = Callable[[KeyName, int], Mapping[str, str | int]]
"""What a tombstone says of a key that was due on that service day."""


def last_use(name: KeyName, calendar: Calendar) -> float | None:
    """Until when a key may be used, unix seconds; None for one that another takes the place of."""
    if name.purpose is Purpose.DAY:
        return calendar.due(name.day)
    if name.purpose is Purpose.SIGNING:
        return calendar.start(name.day + 1)
    return calendar.closes(name.day) if name.purpose is Purpose.INTAKE else None


class DueKeys:
    """The keys of one ring that are due for destruction. Every method is repeatable."""

    def __init__(self, ring: ServiceKeys, calendar: Calendar, early: EarlyDestructions) -> None:
        """`early`: what officers ordered to be destroyed before it is due."""
        self._ring = ring
        self._calendar = calendar
        self._early = early

    def due(self, now: float, unclosed: Container[int] | None = None) -> dict[KeyName, int]:
        """Keys that still have a slot and should not, with the service days on which they were due, oldest first.

        `unclosed`: days whose uploads are not closed though it is time; None if that is unknown. Their intake keys are
        left for a day more.
        """
        found, early = {}, self._early.all()
        for name in self._ring.names():
            over = last_use(name, self._calendar)
            if over is not None and over <= now:
                late = over + CLOSING_GRACE_SECONDS <= now
                if name.purpose is not Purpose.INTAKE or late or (unclosed is not None and name.day not in unclosed):
                    found[name] = self._calendar.day(over)
            elif self._ring.tombstone(name) is not None:  # a process died, or had no room, before it was done
                found[name] = self._calendar.day(now)
            elif over is not None and any(order.covers(name) for order in early):
                found[name] = self._calendar.day(over)
        return dict(sorted(found.items(), key=lambda item: (item[0].purpose is not Purpose.DAY, item[0])))

    def destroy(self, due: Mapping[KeyName, int], record: Record) -> dict[KeyName, str]:
        """Tombstone, then key, each key by itself; for each slot that is left, why. `KeyRing.is_gone` says which of
        these can be read no more."""
        failed = {}
        self._revoke(due, record)
        for name, day in due.items():
            try:
                if self._ring.tombstone(name) is None:
                    self._ring.entomb(name, record(name, day))
                self.end(name)
            except Exception as error:  # the next key must go
                failed[name] = why(error)
                log.error("key_not_destroyed", key=str(name), why=failed[name])
        return failed

    def _revoke(self, due: Mapping[KeyName, int], record: Record) -> None:
        """Sends the nodes of a ring what officers ordered, once it is written down what tombstones will say: from then
        on no node lends the keys."""
        for order, note in self._early.all().items():
            names = [name for name in due if order.covers(name)]
            try:
                for name in names:
                    if self._ring.tombstone(name) is None:
                        log.info("early_destruction", key=str(name), statement=order.name)
                        with suppress(OSError):  # no room: the nodes get the order all the same
                            self._ring.remember(name, partial(record, name, due[name]))
                if names:
                    self._ring.hand_on(note)
            except (CheckinError, OSError) as error:  # the keys must go
                log.error("early_destruction_not_handed_on", statement=order.name, why=why(error))

    def end(self, name: KeyName) -> None:
        """Overwrites and unlinks a key that has a tombstone; raises as `KeyRing.destroy`."""
        begun = STOPWATCH.boot()
        self._ring.destroy(name)
        milliseconds = 1000 * (STOPWATCH.boot() - begun)  # from readable to destroyed
        try:
            away = self._ring.missing(name)
        except (CheckinError, OSError) as error:  # the key is destroyed; what nodes signed is in statements
            log.warning("key_awaited", key=str(name), why=why(error))
            return
        if away:
            log.warning("key_awaited", key=str(name), nodes=away)
        else:
            log.info("key_destroyed", key=str(name), milliseconds=round(milliseconds, 3))

    def bare_record(self, name: KeyName, due: int) -> dict[str, str | int]:
        """A tombstone's record without `data`: of a day it says that what it held is not known."""
        try:
            commitment = self._ring.commitment(name)
        except CheckinError:
            commitment = "-"
        record: dict[str, str | int] = {"commitment": commitment, "due": self._calendar.date(due)}
        return {**record, **UNREADABLE} if name.purpose is Purpose.DAY else record


UNREADABLE: Final = {"rows": UNKNOWN, "bytes": UNKNOWN, "root": "-", "closing": "-"}


def why(error: Exception) -> str:
    """A reason for a person: the code, or what the disk says, of which file."""
    if isinstance(error, CheckinError):
        return f"{error.code}: {error.detail}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
    return type(error).__name__
