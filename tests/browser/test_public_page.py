"""The public page's "Check it yourself": the visitor's own browser comes to the same values, or says where not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from retention.page import STEPS
from tests.browser.conftest import Launch
from tests.browser.world import PATIENCE_MS, Site
from tests.checkin.house import DAY
from tests.retention.world import Retention, Service, pinned

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A retention service that a registry gave three reports, and that made its audit of today."""
    service = Service()
    for day in (DAY - 32, DAY - 31, DAY - 30, DAY):
        service.make_key(day)
    for day in (DAY - 32, DAY - 31, DAY - 30):
        service.report(day)
    try:
        with Retention(tmp_path / "retention", pinned(service)).client() as client:
            wait_for_an_audit(client)
            yield str(client.base_url)
    finally:
        service.server.stop()


def wait_for_an_audit(client: httpx.Client) -> None:
    """The service makes it by itself, once it asked everybody."""
    until = time.monotonic() + PATIENCE_MS / 1000
    while not client.get("/v1/audits").json()["audits"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def states(page: Page, address: str, language: str = "en") -> dict[str, str]:
    """Opens the page, presses the button by keyboard, and gives each step's state in the end."""
    page.goto(f"{address}/?lang={language}")
    page.locator("#run").press("Enter")
    expect(page.locator("#outcome")).not_to_be_empty(timeout=PATIENCE_MS)
    return {name: page.locator(f"[data-step={name}]").get_attribute("class") or "" for name in STEPS}


def has_no_barriers(page: Page, where: str) -> None:
    """Nothing for axe, light and dark; nothing to be scrolled sideways on a phone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=RULES).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"][:200]) for item in found] == [], (where, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where


def test_a_visitors_browser_verifies_everything_that_the_page_shows(launch: Launch, address: str) -> None:
    """Every step gets a check and says what it compared; the next visit compares with this one; no rule is broken."""
    page = launch().new_page(viewport={"width": 390, "height": 844})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    for language in ("en", "ko"):
        assert states(page, address, language) == dict.fromkeys(STEPS, "done"), page.locator(".checks").inner_text()
        has_no_barriers(page, language)
    root = page.locator("[data-step=root] .value").inner_text()
    assert re.fullmatch("[0-9a-f]{64}", root)
    assert page.locator("[data-step=checkpoint] .value").inner_text() == root
    assert page.locator("[data-step=continued] .value").inner_text() == root
    assert page.locator("[data-point]").count() >= 3
    assert page.locator(".history a").count() == 1
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "step"),
    [("/v1/keys", "keys"), ("/checkpoint", "checkpoint"), ("/tile/0/*/**", "root"), ("/tile/entries/**", "reports")],
)
def test_one_changed_byte_turns_a_step_to_a_cross(launch: Launch, address: str, path: str, step: str) -> None:
    """Whatever the service gives: that step fails in words, those after it are not run, and nothing is remembered."""

    def spoil(route: Route) -> None:
        answer = route.fetch()
        body = bytearray(answer.body())
        body[len(body) // 2] ^= 1
        route.fulfill(response=answer, body=bytes(body))

    page = launch().new_page()
    page.route(f"{address}{path}", spoil)
    found = states(page, address)
    at = STEPS.index(step)
    expected = ["done"] * at + ["failed"] + ["skipped"] * (len(STEPS) - at - 1)
    assert list(found.values()) == expected, page.locator(".checks").inner_text()
    assert f"Step {at + 1} of {len(STEPS)} failed" in page.locator("#outcome").inner_text()
    assert page.locator(f"[data-step={step}] .value").inner_text()
    assert page.evaluate("localStorage.length") == 0
    has_no_barriers(page, step)


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [('data-rows="12"', 'data-rows="13"', "signatures"), ('data-point="fail', 'data-point="pass', "audit")],
)
def test_a_page_that_shows_something_else_than_was_signed_is_found(
    launch: Launch, address: str, old: str, new: str, step: str
) -> None:
    """Another number than in the signed report; a line of the audit turned to good."""

    def other(route: Route) -> None:
        answer = route.fetch()
        assert old in answer.text()
        route.fulfill(response=answer, body=answer.text().replace(old, new, 1))

    page = launch().new_page()
    page.route(re.compile(re.escape(f"{address}/?lang=")), other)
    assert states(page, address)[step] == "failed"


def test_a_log_that_was_rewritten_since_the_last_visit_is_found(launch: Launch, address: str) -> None:
    """This browser remembers another root; forgetting is a button."""
    page = launch().new_page()
    assert states(page, address)["continued"] == "done"
    page.evaluate(
        """() => {
            const seen = JSON.parse(localStorage.getItem("verified-log"));
            localStorage.setItem("verified-log", JSON.stringify({ ...seen, root: "00".repeat(32) }));
        }"""
    )
    assert states(page, address)["continued"] == "failed"
    page.click("#forget")
    assert states(page, address)["continued"] == "done"


def test_a_deployment_of_the_first_day_is_verified_too(launch: Launch, site: Site) -> None:
    """Three real services: no report is due yet, and every step says so or gets a check."""
    with httpx.Client(base_url=site.url("retention"), trust_env=False) as client:
        wait_for_an_audit(client)
    page = launch().new_page()
    assert states(page, site.url("retention")) == dict.fromkeys(STEPS, "done"), page.locator(".checks").inner_text()
