"""Composition root of the retention service, which has the others destroy daily and shows what they stated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI

from checkin.service.frame import Finding, Frame
from checkin.service.tasks import Task
from checkin.service.time_peers import clock_guard
from checkin.tlog.tiles import MAX_ENTRY
from retention import audit_routes, public_page
from retention.auditing import ANSWER_SECONDS, Auditing
from retention.audits import Audits
from retention.parts import Parts
from retention.routes import Routes
from retention.tasks import Schedule

DESCRIPTION = (
    "Asks every service each day to destroy what is due, keeps their signed statements in a public log, and shows "
    "what was destroyed, by whom it was stated, and what is missing. It never sees a record of anybody."
)
_MISSING = "Purge reports are missing: look at the services' /readyz."
_CONTRADICT = "There are different reports about one day: ask the service which is true; all of them are kept."
_SILENT = "Services did not answer for more than two days: check their addresses and tokens."
_UNSEEN = (
    "Witnesses did not cosign the log's newest head: look at their addresses. After log_conflict or proof_invalid find "
    "out first which history of this log the witness saw."
)
_AUDITING = 2 * ANSWER_SECONDS
_REFUSED = "Statements were refused, because they are malformed or not signed by the pinned key."


def create_app(config: Path, simulated_clock: Path | None = None) -> FastAPI:
    """The service of one settings file; raises as `Parts.open`."""
    parts = Parts.open(config, simulated_clock)
    party = parts.party
    guard = clock_guard(party)
    audits = Audits(party.data / "audits.db")
    schedule = Schedule(parts)
    auditing = Auditing(parts, guard, audits)
    frame = Frame(
        party,
        guard,
        "Check-in retention service",
        DESCRIPTION,
        checks=[lambda: _findings(parts), auditing.findings],
        periodic=[
            Task("services", schedule.run, urgent=schedule.urgent, lane="services", patience=ANSWER_SECONDS),
            Task("audit", auditing.daily, urgent=auditing.urgent, lane="audit", patience=_AUDITING, at_start=False),
            Task("log", parts.log.resume, lane="log"),
            Task("witnesses", parts.cosigning.run, lane="witnesses"),
        ],
        closers=[audits.close, parts.close],
        body_limits={"/v1/entries": 2 * MAX_ENTRY},
    )
    app = frame.build()
    app.include_router(Routes(parts).router())
    app.include_router(audit_routes.routes(parts, audits, auditing))
    app.include_router(public_page.routes(parts, audits))
    return app


def _findings(parts: Parts) -> Iterator[Finding]:
    """Warnings for /readyz; the service goes on showing what it has."""
    now, overview, behind = parts.party.now(), parts.overview, parts.log.behind
    if behind:
        yield Finding("log", "failure", f"{behind.code}: {behind.detail}")
    yield _finding("reports", [f"{gone.service} {gone.day}" for gone in overview.missing(now)], _MISSING)
    yield _finding("contradictions", [f"{who} {day}" for who, day in overview.contradictions()], _CONTRADICT)
    yield _finding("services", [f"{who} since {day or 'ever'}" for who, day in overview.silent(now)], _SILENT)
    yield _finding("witnesses", [f"{who}: {code}" for who, code in parts.cosigning.failures()], _UNSEEN)
    refused = [f"{who}: {count}" for who, count in sorted(parts.statements.refused().items())]
    yield _finding("statements", refused, _REFUSED)


def _finding(name: str, items: list[str], sentence: str) -> Finding:
    if not items:
        return Finding(name, "ok", "Nothing to report.")
    shown = ", ".join(items[:10]) + (f" and {len(items) - 10} more" if len(items) > 10 else "")
    return Finding(name, "warning", f"{sentence} ({shown})")
