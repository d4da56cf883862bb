"""What every page keeps to in each of its states: nothing for axe to find, large targets, one host, no lax policy."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.deployment_in_processes import Site

AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def watch(page: Page, site: Site) -> list[str]:
    """Everything that a strict page never does: other hosts, refused scripts, errors."""
    wrong: list[str] = []
    allowed = tuple(site.url(service) for service in ("issuer", "venue"))
    ours = (*allowed, "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(ours) else wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    return wrong


def axe_finds_nothing(page: Page, where: str) -> None:
    """In this state, in both languages, light and dark."""
    for language in ("ko", "en"):
        page.evaluate(f"document.querySelector('[data-language={language}]').click()")
        expect(page.locator("html")).to_have_attribute("lang", language)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = AXE.run(page, options=RULES).response["violations"]
            told = [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found]
            assert told == [], f"{where}, {language}, {scheme}"


def targets_are_large(page: Page, where: str) -> None:
    """Whatever can be touched has at least 44 × 44 px."""
    script = """() => [...document.querySelectorAll(
            "button, a, input:not([type=checkbox]), textarea, summary, label.check")]
        .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5)).map(([html]) => html)"""
    assert page.evaluate(script) == [], where


def fits_the_width(page: Page, where: str) -> None:
    """Nothing has to be scrolled sideways on a phone."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where


# What lies beside the window, or above it where nobody can scroll to; what scrolls by itself may be wider, or higher.
CUT_OFF = """() => [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .filter((one) => !one.closest(".scroll, .tip") && !one.matches(".visually-hidden, .frame, svg *"))
    .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect(), one.closest(".panel *, dialog *")])
    .filter(([, { left, right, top, width }, scrolls]) =>
        width > 1 && (left < -1 || right > innerWidth + 1 || (!scrolls && top + scrollY < -1)))
    .map(([html]) => html)"""


def large_text_fits(page: Page, where: str) -> None:
    """Letters of twice the size on a small phone go down, and not sideways."""
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": 320, "height": 568})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    fits_the_width(page, where)
    assert {where: page.evaluate(CUT_OFF)} == {where: []}
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.set_viewport_size(size)


def looked_at(page: Page, where: str) -> None:
    """All of the above."""
    axe_finds_nothing(page, where)
    targets_are_large(page, where)
    fits_the_width(page, where)
    large_text_fits(page, where)
