"""The pages of a deployment pin its log, and stop at the first list of keys that comes without its proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route

from tests.browser.conftest import Launch
from tests.browser.pages import Camera, ScannerPage, WalletPage
from tests.support.deployment_in_processes import Site

PINNED = """async (page) => {
    const { Database } = await import("/static/js/database.js");
    const database = await Database.open(page, 1, {});
    return page === "scanner" ? (await database.get("state", "trust")).log : database.get("state", "log");
}"""
BATCH = """async (zone) => {
    const [{ Account }, { fetchBatch }, { Calendar }, { WalletClock }] = await Promise.all(
        ["wallet/account", "wallet/batches", "calendar", "wallet/clock"].map((name) => import(`/static/js/${name}.js`))
    );
    const [account, clock, calendar] = [await Account.open(), new WalletClock(), new Calendar(zone)];
    return fetchBatch(account, clock, calendar, calendar.day(clock.now())).then(() => "taken", (error) => error.code);
}"""


def answered(page: Page, address: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """From now on the page gets another answer there than the service gave."""

    def other(route: Route) -> None:
        # The lists themselves in place of their digests, as a registry may give them.
        answer = route.fetch(url=route.request.url.replace("digests=true", "digests=false"))
        route.fulfill(response=answer, body=json.dumps(change(answer.json())))

    page.route(f"{address}*", other)


def test_a_wallet_takes_no_batch_under_a_list_that_is_not_in_its_deployments_log(site: Site, launch: Launch) -> None:
    """The first list brought the log, which nothing takes away again; with the proof the next batch is taken."""
    wallet = WalletPage(site, launch())
    wallet.register()
    page, zone = wallet.page, site.calendar.zone
    assert page.evaluate(PINNED, "wallet")["vkey"] == site.deployment.log_verifier().vkey
    assert page.evaluate(BATCH, zone) == "taken"
    answered(page, site.url("issuer", "/v1/keys"), lambda answer: answer | {"proof": None, "log": None})
    assert page.evaluate(BATCH, zone) == "proof_invalid"


def test_a_scanner_stops_at_intake_keys_that_are_not_in_its_deployments_log(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """A registry that lost its key to somebody cannot have one scanner's queue sealed to another key; the steward is
    told, and goes on as soon as the true lists come."""
    scanner = ScannerPage(site, launch(), camera)
    scanner.enrol(site.venue().device("front"))
    page = scanner.page
    assert page.evaluate(PINNED, "scanner")["vkey"] == site.deployment.log_verifier().vkey
    answered(page, site.url("venue", "/v1/trust"), lambda answer: {**answer, "intake_proof": None})
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("#stopped[data-code=lists]:visible")
    page.unroute_all()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("#stopped", state="hidden")
    scanner.line("online")
