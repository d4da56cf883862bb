"""When the retention service asks: once a day, again a minute after a failure, and at once when a new day begins."""

from __future__ import annotations

from pathlib import Path

from retention.schedule import Schedule
from tests.checkin.house import DAY
from tests.retention.world import Retention, Service, pinned


def test_a_service_that_did_not_answer_is_asked_as_soon_as_a_new_day_begins(tmp_path: Path) -> None:
    """What it failed with yesterday is no reason to let a day that became due wait for a minute."""
    service = Service()
    retention = Retention(tmp_path / "retention", pinned(service))
    parts = retention.parts()
    schedule = Schedule(parts)
    answer = service.server.routes.pop("/v1/purge")
    schedule.run()
    asked = len(service.server.asked)
    service.server.routes["/v1/purge"] = answer
    schedule.run()
    assert len(service.server.asked) == asked, "the same day: not before a minute is over"
    retention.go(DAY + 1)
    schedule.run()
    assert service.server.asked[asked:] == ["POST /v1/purge", "GET /v1/statements"]
    parts.close()
    service.server.stop()
