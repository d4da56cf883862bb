"""What readiness depends on wherever there are days: what is due is gone, and today can be written down."""

from __future__ import annotations

from collections.abc import Iterator

from checkin.purge.purger import Purger
from checkin.service.frame import Finding


def day_findings(purger: Purger) -> Iterator[Finding]:
    """A failure when a day is held that should be gone, and one without a key for today."""
    if purger.overdue():
        yield Finding("purge", "failure", "Days are overdue to be destroyed: run `checkin purge run`.")
    if not purger.has_day_key():
        yield Finding("day_key", "failure", "There is no key for today yet: nothing can be written down.")
