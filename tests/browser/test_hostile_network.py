"""A door behind a network that lies: whatever answers in the registry's place, nobody who was let in is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Launch
from tests.browser.pages import Camera, ScannerPage
from tests.support.deployment_in_processes import Site, Visitor
from tests.support.hostile import WRONG, hostile
from tests.support.waiting import until

CHECK_IN, BATCH, TRUST = ("POST", "/v1/check-ins"), ("POST", "/v1/check-ins/batch"), ("GET", "/v1/trust")
ASK = "dispatchEvent(new Event('online'))"


def scanner_behind(site: Site, launch: Launch, camera: Camera, url: str, device: str) -> ScannerPage:
    """A scanner page that came, and asks, through this network."""
    scanner = ScannerPage(site, launch(), camera)
    scanner.page.goto(f"{url}/scanner")
    scanner.page.wait_for_selector("body[data-started]")
    scanner.page.fill("#enrol-text", device)
    scanner.page.click("#enrol-form [type=submit]")
    scanner.line("online")
    return scanner


# What each of the others is, tests/vectors/answervectors.py says for the page's reader.
NAMES = ("a portal's page for what was made", "another's JSON", "a redirect", "a proxy's 502")


@pytest.mark.parametrize("name", NAMES)
def test_a_visit_is_kept_whatever_answers_in_the_registrys_place(
    site: Site, launch: Launch, camera: Camera, name: str
) -> None:
    """At the check-in, at the upload and at the lists: the visit waits, the line says so, and then it is there."""
    venue, visitor = site.venue(), Visitor(site)
    with hostile(site.url("venue")) as network:
        scanner = scanner_behind(site, launch, camera, network.url, venue.device("front"))
        network.rules = {CHECK_IN: WRONG[name], BATCH: WRONG[name]}
        assert scanner.verdict(visitor.code()) == "queued"
        scanner.line("offline", waiting=1)
        for path, rules in ((BATCH, network.rules), (TRUST, {BATCH: WRONG[name], TRUST: WRONG[name]})):
            network.rules = rules  # a round of before may still be at the upload, so that stays wrong, too
            scanner.page.evaluate(ASK)
            until(lambda path=path: network.given[path])  # type: ignore[misc]
        scanner.line("offline", waiting=1)
        network.rules = {}
        scanner.page.evaluate(ASK)
        scanner.line("online", waiting=0)
        assert venue.total() == 1
        expect(scanner.page.locator("#findings-open")).to_be_hidden()
        scanner.page.context.close()
