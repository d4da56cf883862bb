"""Composition root of the registry: builds the objects of one worker and mounts its routes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from checkin.keys.key_ring import Purpose
from checkin.protocol.key_list import IntakeList
from checkin.service import day_routes
from checkin.service.auth import pinned
from checkin.service.day_store import DayService
from checkin.service.frame import Frame
from checkin.service.limits import First
from checkin.service.order_executor import MAX_BODY as MAX_ORDER
from checkin.service.pwa import WebPage
from checkin.service.tasks import Task
from checkin.vault.closing import is_closed, settle_days
from venue import checkins, lists, scan_batches, scanners, stats, venues
from venue import order_steps as orders
from venue.checkins import Commits, Metrics, Visits
from venue.database import REGISTRY, end_again, end_all, knows_token
from venue.gates import GATES, Gates
from venue.issuer_trust import IssuerTrust
from venue.scan_batches import Alarms
from venue.settings import VenueSettings

DESCRIPTION = """Takes check-ins of venues' scanners and keeps them sealed, by day, for 28 days. It never learns whose
they are. Bearer tokens: the enrolment secret for venues, an operator's for his venue, a scanner's for check-ins,
retention's for purge and statements."""

_DECODER = "js/worker/decode.js"
_READER = (_DECODER, "vendor/zxing/*", "vendor/zxing/*/*", "vendor/hpke/**/*.js")
DATA_MAP = Path(__file__).parent / "data_map.toml"


def create_app(config: Path, simulated_clock: Path | None = None) -> FastAPI:
    """The registry of this settings file. Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`."""
    settings = VenueSettings.load(config)
    service = DayService(settings, settings.authority, settings.log, "venue", simulated_clock)
    party, guard, engine, vault, endings = service.party, service.guard, service.engine, service.vault, service.endings
    tables = engine.tables(REGISTRY)
    endings.replay(tables, end_again, end_all)
    own = service.key_list(lambda: lists.intake_list(party), IntakeList.read)
    trust = IssuerTrust(party, tables, settings.issuers, pinned=own.pinned)
    alarms = Alarms(party, tables)
    gates = Gates(service, tables, engine.tables(GATES))
    ahead = {Purpose.DAY: 1, Purpose.INTAKE: lists.INTAKE_DAYS_AHEAD}
    kept = {"issuer keys": trust.forget, "alarms": alarms.forget, "gates": gates.forget}
    purger = service.purger_of(kept, ahead=ahead)
    commits = Commits(vault)
    executor = service.executor(orders.Traces(party, guard, vault, tables).steps())
    known_scanners = scanners.Scanners(tables, endings, party, guard)
    frame = Frame(
        party,
        guard,
        "Venue registry",
        DESCRIPTION,
        checks=[trust.findings, own.findings, alarms.findings, *service.checks(purger)],
        # Destruction that is due comes first, and no issuer can delay it.
        periodic=[
            Task("purge", purger.run, lane="purge", vital=True),
            Task("orders", executor.forget),
            Task("make_keys", partial(lists.make_keys, party, purger), vital=True),
            Task("close_days", purger.close_due_days),
            # The order of arrival goes, where the engine can erase it: once a day is closed it has no use.
            Task("settle_days", partial(settle_days, vault.store, engine.hold, partial(is_closed, vault.store))),
            Task("closed_gates", gates.forget_closed),
            Task("replaced_scanners", known_scanners.forget_uploads),
            Task("gates", gates.keep, every=60),
            *engine.tasks(),
            Task("commits", commits.check, lane="commits", vital=True),
            Task("issuer_lists", trust.refresh, every=60, lane="issuers"),
            Task("missing_issuer_lists", trust.refresh_missing, urgent=trust.urgent, lane="issuers", at_start=False),
            *service.nodes.tasks(),
            Task("own_list", own.run, urgent=own.urgent, lane="log"),
        ],
        metrics_for=[pinned(settings.metrics_token_sha256)],
        stored_token=lambda hashed: knows_token(tables, hashed),
        closers=[commits.close, gates.close, service.close],
        generations=engine.generations(),
        body_limits={
            "/v1/check-ins": checkins.MAX_BODY,
            "/v1/check-ins/batch": scan_batches.MAX_BODY,
            day_routes.ORDERS: MAX_ORDER,
        },
    )
    app = frame.build()
    metrics = Metrics(frame.metrics)
    visits = Visits(vault, party.calendar)
    known_venues = venues.Venues(tables, endings)
    throttle = venues.change_bound(service.counts)
    door = checkins.CheckIns(service, trust, visits, commits, gates)
    door_route = checkins.CheckInRoute(door, known_scanners, metrics, settings.max_in_flight)
    given = lists.Lists(party, trust, settings.issuers, own)
    app.add_middleware(lists.TrustFirst, lists=given, scanners=known_scanners, gates=gates)
    app.add_middleware(First, path="/v1/check-ins", route=door_route, limit=checkins.MAX_BODY)
    audit = service.audit(purger, DATA_MAP, given.kids, given.logged)
    queued = scan_batches.BatchIntake(service, trust, visits, gates, settings.max_batches)
    for router in (
        venues.routes(known_venues, settings.enrolment_secret_sha256, throttle),
        scanners.routes(known_venues, known_scanners, gates, throttle),
        lists.routes(given, known_scanners, gates),
        checkins.routes(door_route),
        scan_batches.routes(queued, known_scanners, metrics, alarms),
        stats.routes(known_venues, stats.Stats(service, gates, known_scanners)),
        day_routes.routes(settings, service, purger, audit, executor),
    ):
        app.include_router(router)
    app.add_route("/", lambda _: RedirectResponse("/operator"), include_in_schema=False)
    app.include_router(WebPage("scanner", files=_READER, decoder=_DECODER).router())
    app.include_router(WebPage("operator", {"zone": party.calendar.zone}).router())
    return app
