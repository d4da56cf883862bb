"""Every flow by keyboard alone: Tab leads there in the page's order, the focus is seen, Enter and Space do it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Launch
from tests.browser.pages import PHONE, Camera, ScannerPage, WalletPage
from tests.support.deployment_in_processes import Site

AT = "(place) => Boolean(document.activeElement?.matches(place))"
SEEN = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
# At once: a page that glides there stops half-way when something is drawn meanwhile, on a slow machine out of sight.
IN_SIGHT = """() => {
    const { top, bottom } = document.activeElement.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
}"""
FARTHEST = 90  # steps; the public page has a link for each of 60 days


def reach(page: Page, place: str, *keys: str) -> None:
    """Tab until the focus is there, and is seen there; then these keys."""
    for _ in range(FARTHEST):
        if page.evaluate(AT, place):
            break
        page.keyboard.press("Tab")
    assert page.evaluate(AT, place), place
    assert page.evaluate(SEEN), place
    assert page.evaluate(IN_SIGHT), place
    for key in keys:
        page.keyboard.press(key)


def write(page: Page, place: str, text: str, *keys: str) -> None:
    """Into a field, and then these keys."""
    reach(page, place)
    page.keyboard.insert_text(text)
    for key in keys:
        page.keyboard.press(key)


def test_a_visitor_registers_shows_reads_and_is_forgotten(site: Site, launch: Launch) -> None:
    """The three steps, another code, what is held, the other language, and the end."""
    wallet = WalletPage(site, launch())
    page = wallet.page
    page.goto(site.url("issuer", "/wallet"))
    page.wait_for_selector("#step-who:visible")
    write(page, "#name", "Cho Sang-woo")
    write(page, "#phone", f"010{wallet.phone}", "Enter")
    page.wait_for_selector("#one-time:visible")
    write(page, "#one-time", site.message(wallet.phone), "Enter")
    page.wait_for_selector("#step-shake:visible")
    reach(page, "#shake-skip", "Enter")
    wallet.wait()
    before = page.inner_html("#qr")
    reach(page, "#new-code", "Space")
    page.wait_for_function("(before) => document.getElementById('qr').innerHTML !== before", arg=before)
    reach(page, "#open-more", "Enter")
    reach(page, "#ask-held", "Enter")
    expect(page.locator("#held-list")).to_contain_text("Cho Sang-woo")
    reach(page, "#more [data-language=ko]", "Enter")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    reach(page, "#forget", "Enter")
    reach(page, "#sure [value=yes]", "Enter")
    expect(page.locator("#farewell")).to_be_focused()


def test_an_operator_enrols_a_venue_and_a_steward_its_gate(site: Site, launch: Launch, camera: Camera) -> None:
    """Token, scanner, rule, capacity, export, revocation; enrolling by the code's text, the menu, leaving."""
    browser = launch()
    page = browser.new_context(locale="en-US", viewport=PHONE).new_page()  # type: ignore[arg-type]  # width and height
    page.goto(site.url("venue", "/operator"))
    page.wait_for_selector("body[data-started]")
    for place, text in (("#new-name", "Museum"), ("#new-category", "museum")):
        write(page, place, text)
    write(page, "#secret", site.deployment.token("enrolment"), "Enter")
    page.wait_for_selector("#keep:visible")
    reach(page, "#copy-token", "Enter")
    expect(page.locator("#copied")).not_to_be_empty()
    reach(page, "#kept", "Enter")
    page.wait_for_selector("#desk:visible")
    write(page, "#label", "front", "Enter")
    page.wait_for_selector("#device[open]")
    device = page.input_value("#device-text")
    reach(page, "#device button", "Enter")
    reach(page, "[name=status][value='1']", "Space")
    reach(page, "#rule-save", "Enter")
    expect(page.locator("#rule-now")).to_have_text("Now: vaccinated")
    write(page, "#capacity", "30", "Tab")
    expect(page.locator("#room-text")).to_contain_text("0 of 30")
    reach(page, "#refresh", "Enter")
    with page.expect_download():
        reach(page, "#export", "Enter")
    reach(page, "summary", "Space")
    expect(page.locator("#hours")).to_be_visible()
    scanner = ScannerPage(site, browser, camera)
    scanner.open()
    write(scanner.page, "#enrol-text", device, "Enter")
    scanner.line("online")
    reach(scanner.page, "#menu-open", "Enter", "Escape")
    reach(scanner.page, "#menu-open", "Enter")
    reach(scanner.page, "#leave", "Enter")
    expect(scanner.page.locator("#enrol")).to_be_visible()
    reach(page, "#scanner-list .danger", "Enter")
    reach(page, "#sure [value=replaced]", "Enter")
    expect(page.locator("#revoked-title")).to_have_text("Revoked (1)")
    reach(page, "#sign-out", "Enter")
    page.wait_for_selector("#enter:visible")


def test_a_visitor_of_the_public_page_checks(site: Site, launch: Launch) -> None:
    """The first step skips what is before the content; a day says what is known of it; the check runs."""
    page = launch().new_page()
    page.goto(site.url("retention", "/?lang=en"))
    page.wait_for_selector("#run")
    page.keyboard.press("Tab")
    reach(page, ".skip")
    reach(page, ".now .cell")
    expect(page.locator(".now .tip")).to_be_in_viewport(ratio=1)
    reach(page, "#run", "Enter")
    expect(page.locator("#outcome")).not_to_be_empty()
