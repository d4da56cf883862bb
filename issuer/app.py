"""Composition root of the issuer: puts its objects, tasks and routes into the frame of all services."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from checkin.service import day_routes
from checkin.service.frame import Frame
from checkin.service.order_executor import MAX_BODY
from checkin.service.pwa import WebPage
from checkin.service.tasks import Task
from issuer.contact import calling_codes
from issuer.issuer_audit import self_audit
from issuer.routes import credentials, keys, registrations, wallet
from issuer.service import Issuer
from issuer.settings import IssuerSettings

DESCRIPTION: Final = """Registers visitors and gives them credentials, a batch of ten a day, that doors can verify
without asking anybody.

The issuer knows who has an account and who asked for a day's batch. It does not know where anybody was, and keeps no
time finer than the day: no table, no log, no metric. Everything of a day is destroyed 28 days later.

Errors are RFC 9457 problem documents with a stable `code`; binary values are base64url without padding."""


def create_app(config: Path, simulated_clock: Path | None = None) -> FastAPI:
    """The app of one worker process. Raises `SettingsInvalid` and the other errors of a start."""
    issuer = Issuer(IssuerSettings.load(config), simulated_clock)
    frame = Frame(
        party=issuer.party,
        guard=issuer.guard,
        title="Check-in issuer",
        description=DESCRIPTION,
        checks=[issuer.findings, *issuer.checks(issuer.purger)],
        periodic=[
            Task("purge", issuer.purger.run, lane="purge", vital=True),
            Task("make_keys", issuer.make_keys, vital=True),
            Task("close_days", issuer.purger.close_due_days),
            Task("settle_days", issuer.settle_days),
            Task("end_idle_accounts", issuer.end_idle_accounts, lane="accounts"),
            Task("scrub", issuer.database.tidy),
            Task("count", issuer.count),
            *issuer.engine.tasks(),
            Task("commits", issuer.batches.check, lane="commits", vital=True),
            *issuer.nodes.tasks(),
            Task("own_list", issuer.lists.run, urgent=issuer.lists.urgent, lane="log"),
        ],
        closers=[issuer.close],
        generations=issuer.engine.generations(),
        stored_token=issuer.identities.knows_token,
        metrics=issuer.metrics,
        body_limits={keys.AUTHORITY_KEYS: keys.MAX_LIST_BYTES, day_routes.ORDERS: MAX_BODY},
    )
    app = frame.build()
    app.state.issuer = issuer
    for router in (registrations.router, credentials.router, wallet.router, keys.routes(issuer)):
        app.include_router(router)
    days = day_routes.routes(issuer.settings, issuer, issuer.purger, self_audit(issuer), issuer.orders)
    app.include_router(days)
    app.add_route("/", lambda _: RedirectResponse("/wallet"), include_in_schema=False)
    pinned = {
        "zone": issuer.party.calendar.zone,
        "vkey": issuer.party.signer.verifier.vkey,  # that the issuer's lists verify under
        "countries": ", ".join(calling_codes(issuer.settings.phone_region, issuer.settings.phone_regions)),
        "proofs": "yes" if issuer.settings.certificate_trust else "",
    }
    app.include_router(WebPage("wallet", pinned, background="js/wallet/background.js").router())
    return app
