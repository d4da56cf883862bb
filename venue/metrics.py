"""What the registry counts: results by code, and nothing that tells a venue, a person or a code.

They are exact and live, so they are shown only to who bears the token for them: in a small town, one more is somebody
who came just now. Worker processes of one service count together.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """Counters with one label, `code`: a result, or the code of an error."""

    def __init__(self, registry: CollectorRegistry) -> None:
        code = ["code"]
        self._check_ins = Counter("checkin_check_ins", "Answers to single check-ins.", code, registry=registry)
        self._entries = Counter("checkin_batch_entries", "Results of queued scans.", code, registry=registry)
        self.alarms = Counter("checkin_bad_queued_signatures", "Queued codes with a bad signature.", registry=registry)
        self._bound: dict[str, Counter] = {}

    def check_in(self, code: str) -> None:
        """One answer to a single check-in."""
        counter = self._bound.get(code)
        if counter is None:  # looking a label up takes longer than counting
            counter = self._bound[code] = self._check_ins.labels(code)
        counter.inc()

    def entry(self, code: str) -> None:
        """One result of a queued scan."""
        self._entries.labels(code).inc()
