"""A day of the town: in the morning keys, uploads and lists, then everybody's batch, the doors, and the day's audit."""

from __future__ import annotations

from typing import Final

from checkin.clock import RETENTION_DAYS
from checkin.demo.stage import wait_until
from checkin.errors import CheckinError
from checkin.keys.key_ring import KeyName, Purpose
from checkin.parties import wallet as wallets
from checkin.parties.scanner import ScanResult
from checkin.protocol.presentation import LIFE_SECONDS
from checkin.purge.statement_store import made_name, report_name
from checkin.simulation.plan import Mishap, PlannedVisit, gates_of
from checkin.simulation.town import Gate, Town

MORNING: Final = 6 * 60
EVENING: Final = 23 * 60
PATIENCE_SECONDS: Final = 1800.0  # a service that failed tries again each minute, and a busy machine takes its time
_FROZEN_SECONDS: Final = LIFE_SECONDS + 10


def live(town: Town, day: int) -> None:
    """One day, by its number."""
    with town.tally.timed("nights"):
        town.set(day, MORNING)
        town.stage.deployment.tend()
        town.stage.settle(PATIENCE_SECONDS)
        wait_until(lambda: _begun(town, day), PATIENCE_SECONDS)
    with town.tally.timed("doors"):
        upload(town)
        for gate in town.gates.values():
            gate.scanner.refresh(gate.client, town.stage.clock.now())
    with town.tally.timed("batches"):
        list(town.pool.map(lambda who: _fetch(town, who, day), range(town.plan.size.people)))
    with town.tally.timed("doors"):
        for visit in town.plan.days[day]:
            _visit(town, visit)
    with town.tally.timed("nights"):
        town.set(day, EVENING)
        if day:
            wait_until(lambda: _audited(town), PATIENCE_SECONDS)


def upload(town: Town) -> None:
    """Every gate sends what it has queued."""
    for gate in town.gates.values():
        town.tally.uploaded(gate.scanner.upload(gate.client))


def _begun(town: Town, day: int) -> bool:
    """Whether both services have made tomorrow's keys, and destroyed what is due today."""
    today = town.stage.day + day
    wanted = [(made_name(KeyName(Purpose.DAY, made)) for made in (today, today + 1))]
    if day >= RETENTION_DAYS:
        wanted.append(report_name(gone - RETENTION_DAYS) for gone in (today - 1, today))
    return all(_stated(town, *names) for names in wanted)


def _stated(town: Town, before: str, name: str) -> bool:
    """Whether both services have stated it; `before`: what would come right before it by name."""
    pages = (town.clients[service].get("/v1/statements", after=before, limit="1") for service in ("issuer", "venue"))
    return all([statement["name"] for statement in page["statements"]] == [name] for page in pages)


def _audited(town: Town) -> bool:
    """Whether retention has asked everyone today, and audited."""
    today = town.stage.calendar.date(town.stage.calendar.day(town.stage.clock.now()))
    return any(audit["day"] == today for audit in town.clients["retention"].get("/v1/audits", limit="1")["audits"])


def _fetch(town: Town, who: int, day: int) -> None:
    wallet = town.wallets[who]
    wallet.fetch(town.stage.day + day, town.stage.calendar, pinned=town.stage.deployment.verifier("issuer"))
    town.tally.batches += 1
    if wallet.disclosures:
        town.tally.told.add(who)


def _visit(town: Town, visit: PlannedVisit) -> None:
    """A code is opened, held before a gate, and in the end let in."""
    now = town.set(visit.day, visit.minute)
    code = town.wallets[visit.who].open_code(town.stage.day + visit.day)
    assert code is not None  # noqa: S101 - ten a day, and nobody goes out so often
    if visit.mishap is Mishap.FROZEN:
        _scan(town, visit, visit.gate, wallets.present(code, now - _FROZEN_SECONDS, town.stage.calendar), now)
    text = wallets.present(code, now, town.stage.calendar)
    _scan(town, visit, visit.gate, text, now)
    if visit.mishap is Mishap.TWICE:
        _scan(town, visit, (visit.gate + 1) % gates_of(visit.where), text, now)


def _scan(town: Town, visit: PlannedVisit, number: int, text: str, now: float) -> None:
    gate: Gate = town.gates[visit.where, number]
    offline = (visit.day, visit.where, number) in town.plan.outages
    town.tally.scans += 1
    try:
        result = gate.scanner.scan(text, None if offline else gate.client, now)
    except CheckinError as error:
        town.tally.refused[error.code] += 1
        return
    if result is ScanResult.QUEUED:
        town.tally.queued += 1
    else:
        town.tally.accepted += 1
