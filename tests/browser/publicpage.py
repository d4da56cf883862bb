"""The public page of a retention service, as a visitor's browser checks it: its steps and what each comes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from retention.public_page import STEPS
from tests.browser.looks import AXE, RULES, fits_the_width
from tests.support.retention_service import Retention, Service, pinned
from tests.support.service_folder import DAY
from tests.support.waiting import until


def with_reports() -> Service:
    """A registry that destroyed three days."""
    service = Service()
    for day in (DAY - 32, DAY - 31, DAY - 30, DAY):
        service.make_key(day)
    for day in (DAY - 32, DAY - 31, DAY - 30):
        service.report(day)
    return service


@contextmanager
def audited(folder: Path) -> Iterator[str]:
    """The address of a retention service that a registry gave three reports, and that made its audit of today."""
    service = with_reports()
    try:
        with Retention(folder, pinned(service)).client() as client:
            wait_for_an_audit(client)
            yield str(client.base_url)
    finally:
        service.server.stop()


def wait_for_an_audit(client: httpx.Client) -> None:
    """The service makes it by itself, once it asked everybody."""
    until(lambda: client.get("/v1/audits").json()["audits"])


def states(page: Page, address: str, language: str = "en") -> dict[str, str]:
    """Opens the page, presses the button by keyboard, and gives each step's state in the end."""
    page.goto(f"{address}/?lang={language}")
    expect(page.locator("#run")).to_be_visible()
    page.locator("#run").press("Enter")
    expect(page.locator("#outcome")).not_to_be_empty()
    return {name: page.locator(f"[data-step={name}]").get_attribute("class") or "" for name in STEPS}


def ended(*nothing: str) -> dict[str, str]:
    """Every step is checked, but for those that had nothing to compare."""
    return {name: "nothing" if name in nothing else "done" for name in STEPS}


def broken(at: int, *nothing: str) -> dict[str, str]:
    """The step at this place failed, and none after it was run."""
    after = {name: "failed" if name == STEPS[at] else "skipped" for name in STEPS[at:]}
    return ended(*nothing) | after


def has_no_barriers(page: Page, where: str) -> None:
    """Nothing for axe, light and dark; nothing to be scrolled sideways on a phone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = AXE.run(page, options=RULES).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"][:200]) for item in found] == [], (where, scheme)
    fits_the_width(page, where)


def said(page: Page, step: str) -> str:
    """A step's sentence."""
    return page.locator(f"[data-step={step}] .said").inner_text()
