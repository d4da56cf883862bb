"""What the services hold and have destroyed when the simulation is over, said by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

from checkin.audit.audit_page import read_audit
from checkin.audit.point import PointResult
from checkin.audit.retention_answers import Reader
from checkin.demo.stage import Stage
from checkin.deployment.deployment import SERVICES, Deployment
from checkin.errors import ServiceError
from checkin.protocol.statement import one
from checkin.purge.inventory import PurgeStatus
from checkin.service.vault_folder import VaultFolder
from checkin.simulation.town import Town
from checkin.vault.engines import Measure
from checkin.vault.engines.sqlite import SqliteStore

_SIGNS: Final = ('"level": "error"', "ERROR", "Traceback")
_SAID_ELSEWHERE: Final = "audit_point_not_run"  # by the audit, which shows it; on a busy machine a day may be locked


@dataclass(frozen=True)
class Public:
    """What retention shows: purge reports in the log, the newest audits by result, the last one's points by result, and
    what of the first that failed was found wanting, in its own words."""

    reports: int
    audits: dict[str, int]
    points: dict[str, int]
    failed: list[str]


@dataclass(frozen=True)
class Holding(Public):
    """Days up to today, visits and bytes of the registry. `server_errors`: lines of the services' logs."""

    held_days: int
    destroyed_days: int
    overdue_days: int
    visits_held: int
    bytes_held: int
    server_errors: int

    def summary(self) -> dict[str, Any]:
        """For programs. Of a small town's bytes most are the files' own."""
        a_visit = round(self.bytes_held / self.visits_held, 1) if self.visits_held else 0.0
        return {**asdict(self), "bytes_a_visit": a_visit}


@dataclass(frozen=True)
class Evening:
    """What lies on the disks when a day is over: days, visits, and the bytes of visits and of the issuer's ledger."""

    held: int
    visits: int
    visit_bytes: int
    ledger_bytes: int


def measure(stage: Stage, today: int) -> Evening:
    """Beside the running services; days up to `today`."""
    visits, ledger = (_measures(stage, place, today) for place in ("venue/data/visits", "issuer/data/ledger"))
    return Evening(
        held=max(len(visits), len(ledger)),
        visits=sum(day.rows for day in visits),
        visit_bytes=sum(day.bytes for day in visits),
        ledger_bytes=sum(day.bytes for day in ledger),
    )


def _measures(stage: Stage, place: str, today: int) -> list[Measure]:
    with closing(SqliteStore(stage.deployment.folder / place, ordered=place.startswith("venue"))) as store:
        return [store.measure(day) for day in store.days() if day <= today]


def ask(town: Town) -> Public:
    """As long as the services answer."""
    retention = town.clients["retention"]
    audits, reports = retention.get("/v1/audits")["audits"], len(Reader(retention).reports())
    results = Counter(str(audit["result"]) for audit in audits)
    points = Counter(point.result.value for note in audits[:1] for point in read_audit(note["note"])[1])
    return Public(reports, dict(sorted(results.items())), dict(sorted(points.items())), failed(audits))


def failed(audits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Day, service and line of all that failed in the first audit that did. `audits`: the newest first."""
    for audit in reversed(audits):
        values, points = read_audit(audit["note"])
        wrong = [point for point in points if point.result is PointResult.FAIL]
        if wrong:
            return [f"{one(values, 'day')}, {point.service}, {point.name}: {point.evidence}" for point in wrong]
    return []


def look(stage: Stage, public: Public) -> Holding:
    """When the services have stopped, and their days are files without a write-ahead log."""
    today = stage.calendar.date(stage.today)
    registry, issuer = _status(stage.deployment, "venue"), _status(stage.deployment, "issuer")
    held = [day for day in registry.held if day.day <= today]
    return Holding(
        **vars(public),
        held_days=len(held),
        destroyed_days=len(registry.destroyed),
        overdue_days=len(registry.due) + len(issuer.due),
        visits_held=sum(day.rows or 0 for day in held),
        bytes_held=sum(day.bytes or 0 for day in held),
        server_errors=_errors(stage.deployment),
    )


def _status(deployment: Deployment, service: str) -> PurgeStatus:
    """As `checkin purge status` shows it."""
    purger = VaultFolder(deployment.config(service), deployment.simulated_clock).purger
    if purger is None:
        raise ServiceError(f"The {service} service holds no days.")
    return purger.status()


def _errors(deployment: Deployment) -> int:
    texts = [deployment.log(service).read_text(encoding="utf-8", errors="replace") for service in SERVICES]
    lines = (line for text in texts for line in text.splitlines() if _SAID_ELSEWHERE not in line)
    return sum(any(sign in line for sign in _SIGNS) for line in lines)
