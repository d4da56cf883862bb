"""audit.html, and a simulated town's page, as people see them: files without a network, at every width, in light and
dark, in large letters, and the audit on paper."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from checkin.simulation.holding import Evening, Holding
from checkin.simulation.outbreak import Outbreak
from checkin.simulation.plan import Size
from checkin.simulation.simulation import Ended
from checkin.simulation.town import Tally
from checkin.simulation.town_page import report_html
from tests.browser import looks
from tests.browser.conftest import Launch
from tests.checkin.audit.evidence import Site

SHOWN: tuple[tuple[int, Literal["light", "dark"]], ...] = ((320, "dark"), (1000, "light"))


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """An audit's page, as the demonstration leaves it."""
    return Site.make(tmp_path / "folder").write() / "audit.html"


@pytest.fixture
def town_file(tmp_path: Path) -> Path:
    """The page of a town in which something does not add up."""
    ended = Ended(
        Size(people=20_000, venues=5_000, days=40, seed=1),
        Tally(scans=1_234_567, hours=Counter({hour: 1_234_567 - hour for hour in range(24)})),
        [Outbreak(20, 17, 19, frozenset({1, 2, 3}), frozenset({2, 3, 4}), 1234.5)],
        [Evening(min(day, 29), 1_000 * day, 9_876_543 * day, 1_234_567 * day) for day in range(1, 41)],
        Holding(3, {}, {}, ["unreadable"], 28, 12, 1, 9, 9, 0),
        1.0,
    )
    (tmp_path / "town.html").write_text(report_html(ended), encoding="utf-8")
    return tmp_path / "town.html"


@pytest.mark.parametrize("which", ["page_file", "town_file"])
def test_a_page_has_no_barriers_asks_for_nothing_and_fits(
    launch: Launch, request: pytest.FixtureRequest, which: str
) -> None:
    """No violation that axe finds, dark at phone width and light on a desk, also in letters of twice the size; no
    request leaves; no script."""
    page_file: Path = request.getfixturevalue(which)
    browser = launch()
    for width, scheme in SHOWN:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.goto(page_file.as_uri())
        assert Axe().run(page).response["violations"] == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0
        assert page.locator("script").count() == 0
        looks.large_text_fits(page, which)
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
