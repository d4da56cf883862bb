"""What readiness depends on wherever there are days: what is due is gone, the engine is fit for today."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from checkin.clock import SystemClock
from checkin.errors import CheckinError
from checkin.purge.purger import Purger
from checkin.service.frame import Finding
from checkin.vault.engines import DayStore

FRESH_SECONDS: Final = 60.0
_STOPWATCH: Final = SystemClock()


def day_findings(purger: Purger) -> Iterator[Finding]:
    """A failure when a day is held that should be gone, and one without a key for today."""
    if purger.overdue():
        yield Finding("purge", "failure", "Days are overdue to be destroyed: run `checkin purge run`.")
    if not purger.has_day_key():
        why = "not yet, or no more because officers had it destroyed"
        yield Finding("day_key", "failure", f"There is no key for today ({why}): nothing can be written down.")


class EngineWatch:
    """For /readyz, which anybody may ask: each time whether the engine answers, once a minute how it is set up."""

    def __init__(self, store: DayStore) -> None:
        self._store = store
        self._found: list[Finding] = []
        self._until = 0.0

    def findings(self) -> list[Finding]:
        """What is dangerous, or that the engine does not answer."""
        try:
            if _STOPWATCH.boot() < self._until:
                self._store.days()
            else:
                self._found = [Finding(*found) for found in self._store.findings()]
                self._until = _STOPWATCH.boot() + FRESH_SECONDS
        except CheckinError as error:
            self._until = 0.0
            return [Finding("engine", "failure", f"{error.code}: {error.detail}")]
        return self._found
