"""audit.html as people see it: a file without a network, at every width, in light and dark, and on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Launch
from tests.checkin.audit.evidence import Site

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """An audit's page, as the demonstration leaves it."""
    return Site.make(tmp_path / "folder").write() / "audit.html"


def test_the_audits_page_has_no_barriers_asks_for_nothing_and_fits(launch: Launch, page_file: Path) -> None:
    """No violation that axe finds, at phone width and on a desk, light and dark; no request leaves; no script."""
    browser = launch()
    for width in (320, 1000):
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(page_file.as_uri())
            assert Axe().run(page).response["violations"] == [], (width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("performance.getEntriesByType('resource').length") == 0
            assert page.locator("script").count() == 0
            context.close()


def test_the_strip_says_what_it_shows(launch: Launch, page_file: Path) -> None:
    """Each day has a text; the whole strip has one for those who do not see it."""
    page = launch().new_page()
    page.goto(page_file.as_uri())
    assert page.locator("svg.days g title").count() == 2 * 60
    label = page.locator("svg.days").first.get_attribute("aria-label") or ""
    assert "32 destroyed" in label and "28 kept" in label
    assert page.locator('[lang="ko"]').count() > 20


def test_it_prints_on_few_pages(launch: Launch, page_file: Path) -> None:
    """A4, as its style says."""
    page = launch().new_page()
    page.goto(page_file.as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 3
    assert re.search(rb"/MediaBox\s*\[0 0 59[45][.0-9]* 84[12]", printed)
