"""A day of the town: in the morning keys, uploads and lists, then batches, the doors, and the day's audit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Final

from checkin.clock import RETENTION_DAYS
from checkin.demo.narrator import expect
from checkin.demo.stage import wait_until
from checkin.errors import CheckinError
from checkin.http.asking import drive, nobody
from checkin.keys.key_ring import KeyName, Purpose
from checkin.parties import wallet as wallets
from checkin.protocol.presentation import LIFE_SECONDS
from checkin.purge.statement_store import made_name, report_name
from checkin.simulation.plan import Mishap, PlannedVisit, gates_of
from checkin.simulation.town import Hand, Town

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
        town.share(lambda hand: _refreshed(town, hand))
    with town.tally.timed("batches"):
        town.share(lambda hand: _fetched(town, hand, day))
        town.tally.batches += town.plan.size.people
        town.tally.told |= {who for who, wallet in enumerate(town.wallets) if wallet.disclosures}
    with town.tally.timed("doors"):
        for minute, together in groupby(town.plan.days[day], lambda visit: visit.minute):
            now, visits = town.set(day, minute), list(together)
            town.tally.scanned(minute, town.share(partial(_visited, town, visits, now)))
    with town.tally.timed("nights"):
        town.set(day, EVENING)
        if day:
            wait_until(lambda: _audited(town), PATIENCE_SECONDS)


def upload(town: Town) -> None:
    """Every gate sends what it has queued, one after the other: a registry takes few batches at once."""
    registry = town.hands[0].registry
    for gate in town.gates.values():
        results = drive(gate.upload(), registry.answer)
        town.tally.ended(result.get("code", result["result"]) for result in results)


def _refreshed(town: Town, hand: Hand) -> list[None]:
    now = town.stage.clock.now()
    for (where, _), gate in town.gates.items():
        if hand.holds(where):
            drive(gate.refresh(now), hand.registry.answer)
    return []


def _fetched(town: Town, hand: Hand, day: int) -> list[None]:
    hand.issuer.forget()
    for who, wallet in enumerate(town.wallets):
        if hand.holds(who):
            drive(wallet.fetch(town.stage.day + day, town.stage.calendar, pinned=town.issuer), hand.issuer.answer)
    return []


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
    today = town.stage.calendar.date(town.stage.today)
    return any(audit["day"] == today for audit in town.clients["retention"].get("/v1/audits", limit="1")["audits"])


def _visited(town: Town, visits: list[PlannedVisit], now: float, hand: Hand) -> list[str]:
    """What a minute's visits came to at this hand's doors."""
    return [word for visit in visits if hand.holds(visit.where) for word in _visit(town, hand, visit, now)]


def _visit(town: Town, hand: Hand, visit: PlannedVisit, now: float) -> Iterator[str]:
    """A code is opened, held before a gate, and in the end let in: for each scan the result, or the refusal's code."""
    code = expect(drive(town.wallets[visit.who].open_code(town.stage.day + visit.day)), "Ten codes were not enough.")
    if visit.mishap is Mishap.FROZEN:
        old = wallets.present(code, now - _FROZEN_SECONDS, town.stage.calendar)
        yield _scan(town, hand, visit, visit.gate, old, now)
    text = wallets.present(code, now, town.stage.calendar)
    yield _scan(town, hand, visit, visit.gate, text, now)
    if visit.mishap is Mishap.TWICE:
        yield _scan(town, hand, visit, (visit.gate + 1) % gates_of(visit.where), text, now)


def _scan(town: Town, hand: Hand, visit: PlannedVisit, number: int, text: str, now: float) -> str:  # noqa: PLR0913, PLR0917 - who, where, what, when
    gate = town.gates[visit.where, number]
    offline = (visit.day, visit.where, number) in town.plan.outages
    try:
        return drive(gate.scan(text, now), nobody if offline else hand.registry.answer)
    except CheckinError as error:
        return error.code
