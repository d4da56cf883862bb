"""A retention service that audits, as one process, and a registry that audits itself and says what a test wants."""

from __future__ import annotations

from checkin.audit.point import SELF_AUDIT, Point, PointResult
from checkin.keys.generation import Generation
from checkin.protocol.note import NoteSigner, sign_note
from checkin.purge.clock_guard import ClockGuard
from retention.auditing import Auditing, AuditRequest
from retention.audits import Audits
from retention.parts import Parts
from retention.tasks import Schedule
from tests.support.retention_service import Retention, Service

AUDITOR = "the-auditor-of-this-test"


class Audited(Service):
    """A registry that audits itself and says what a test wants."""

    points: list[str]
    today: str

    def own_audit(self, signer: NoteSigner | None = None) -> str:
        """What it found on itself."""
        values = {"service": self.name, "day": self.today, "point": self.points, "clock": "simulated"}
        return sign_note(SELF_AUDIT.write(values), signer or self.signer)


class Office:
    """One process of the retention service."""

    def __init__(self, retention: Retention) -> None:
        self.parts: Parts = retention.parts()
        party = self.parts.party
        self.audits = Audits(party.data / "audits.db")
        guard = ClockGuard(party.settings.keys / "clock.json", party.clock, tuple)
        guard.tick()
        Generation(party.data, party.settings.keys).open(party.calendar.date(party.today()))
        self.auditing = Auditing(self.parts, guard, self.audits)
        self.schedule = Schedule(self.parts)

    def audit(self, asked: AuditRequest | None = None) -> dict[tuple[str, str], Point]:
        """The lines of a new audit, by service and point."""
        return {(point.service, point.name): point for point in self.auditing.run(asked).points()}

    def close(self) -> None:
        """As the process ends."""
        self.audits.close()
        self.parts.close()


def failed(points: dict[tuple[str, str], Point]) -> list[str]:
    """The names of points that fail."""
    return [point.name for point in points.values() if point.result is PointResult.FAIL]


def ask(office: Office) -> None:
    """What the schedule does daily."""
    office.schedule.ask(office.parts.settings.services[0])
