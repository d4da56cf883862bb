"""What readiness depends on wherever there are days: what is due is gone, the engine is fit for today."""

from __future__ import annotations

from collections.abc import Iterator

from checkin.errors import CheckinError
from checkin.purge.purger import Purger
from checkin.service.frame import Finding
from checkin.vault.engines import DayStore


def day_findings(purger: Purger) -> Iterator[Finding]:
    """A failure when a day is held that should be gone, and one without a key for today."""
    if purger.overdue():
        yield Finding("purge", "failure", "Days are overdue to be destroyed: run `checkin purge run`.")
    if not purger.has_day_key():
        yield Finding("day_key", "failure", "There is no key for today yet: nothing can be written down.")


def engine_findings(store: DayStore) -> Iterator[Finding]:
    """For /readyz: what is dangerous about how the engine is set up, and that it does not answer."""
    try:
        yield from (Finding(*found) for found in store.findings())
    except CheckinError as error:
        yield Finding("engine", "failure", f"{error.code}: {error.detail}")
