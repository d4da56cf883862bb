"""Two browser windows next to each other: a wallet's code held to a scanner's camera, with and without a network."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Launch
from tests.browser.pages import PATIENCE_MS, Camera, ScannerPage, WalletPage
from tests.support.deployment_in_processes import Site, Visitor, visit_of

# `passed` is time that goes by; `stopped`, none does; `shift` is what somebody has set the device's clock by.
OTHER_CLOCK = """(() => {
    const [now, { get: origin }] = [Date.now.bind(Date), Object.getOwnPropertyDescriptor(performance, "timeOrigin")];
    const set = (name) => Number(localStorage.getItem(name));
    Date.now = () => (set("stopped") || now()) + set("passed") + set("shift");
    Object.defineProperty(performance, "timeOrigin", {
        get: () => (set("stopped") ? set("stopped") - performance.now() : origin()) + set("passed"),
    });
})()"""


def test_a_code_renews_itself_while_it_is_held_up_and_admits_once(site: Site, launch: Launch, camera: Camera) -> None:
    """The camera follows the wallet's screen; the same credential signed anew is not judged twice in one view."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.context.add_init_script(OTHER_CLOCK)
    wallet.register()
    scanner.enrol(venue.device("front"))
    scanner.stand_still()
    first = wallet.text()
    camera.show(first)
    assert scanner.next_verdict(0)["code"] == "accepted"
    signed = wallet.signed_at()
    wallet.page.evaluate("localStorage.setItem('passed', 15000)")
    expect(wallet.page.locator("#qr")).not_to_have_attribute("data-iat", str(signed))
    renewed = wallet.text()
    assert renewed != first
    assert visit_of(renewed) == visit_of(first)
    camera.show(renewed)
    scanner.frames(20)
    assert len(scanner.verdicts()) == 1
    assert venue.total() == 1


def test_each_opening_takes_a_fresh_credential_and_each_is_welcome(site: Site, launch: Launch, camera: Camera) -> None:
    """One code, one door: New code, a reload and a shake each give another one."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.register()
    scanner.enrol(venue.device("front"))
    texts = [wallet.text()]
    texts.append(wallet.new_code())
    wallet.page.reload()
    wallet.wait()
    texts.append(wallet.text())
    assert len({visit_of(text) for text in texts}) == 3
    assert scanner.verdict(wallet.new_code()) == "accepted"
    assert venue.total() == 1


def test_shaking_the_phone_opens_a_new_code(site: Site, launch: Launch) -> None:
    """As devicemotion events; a walk is not a shake."""
    wallet = WalletPage(site, launch())
    wallet.register()
    wallet.page.click("#open-more")
    wallet.page.click("#shake-setting")
    expect(wallet.page.locator("#shake-setting")).to_have_attribute("aria-pressed", "true")
    move = """(forces) => forces.forEach(([x, y, z]) => dispatchEvent(new DeviceMotionEvent("devicemotion",
        { accelerationIncludingGravity: { x, y, z }, interval: 16 })))"""
    wallet.page.evaluate(move, [[0, 9, 2], [1, 11, 3], [0, 8, 2], [2, 12, 4]])
    wallet.page.wait_for_timeout(300)
    expect(wallet.page.locator("#more")).to_be_visible()
    wallet.page.evaluate(move, [[0, 9, 2], [25, 9, 2], [-25, 9, 2], [25, 0, 0]])
    wallet.page.wait_for_selector("#code:visible")
    wallet.wait()
    assert wallet.text().startswith("CK1:")


def test_with_issuer_and_registry_dead_the_code_is_shown_and_accepted(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """Both killed, the wallet reloaded before the code is shown, the scanner reloaded with its queue; then all back."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.register()
    scanner.enrol(venue.device("front"))
    site.kill("issuer", "venue")
    wallet.page.reload()
    wallet.wait()
    text = wallet.text()
    assert scanner.verdict(text) == "queued"
    scanner.line("offline", waiting=1)
    scanner.page.reload()
    scanner.page.wait_for_selector("body[data-started]")
    scanner.line("offline", waiting=1)
    assert scanner.verdict(text) in ("already_used", "token_expired")
    assert scanner.verdict(wallet.new_code()) == "queued"
    scanner.line("offline", waiting=2)
    site.restart()
    scanner.comes_back()
    scanner.line("online", waiting=0)
    assert venue.total() == 2
    expect(scanner.page.locator("#findings-open")).to_be_hidden()


def test_a_code_held_up_again_is_told_from_a_new_one(site: Site, launch: Launch, camera: Camera) -> None:
    """Amber within its seconds, for which the scanner's clock stands; red afterwards; nothing is counted twice."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    scanner.context.add_init_script(OTHER_CLOCK)
    wallet.register()
    scanner.enrol(venue.device("front"))
    text = wallet.text()
    scanner.page.evaluate("localStorage.setItem('stopped', Date.now())")
    assert scanner.verdict(text) == "accepted"
    assert scanner.verdict(text) == "already_used"
    scanner.page.evaluate("localStorage.setItem('passed', 21000)")
    assert scanner.verdict(text) == "token_expired"
    assert "expired" in scanner.reason()
    assert scanner.verdict("https://example.org/a-poster") == "token_malformed"
    assert venue.total() == 1


def test_two_gates_of_one_venue_know_each_others_guests(site: Site, launch: Launch, camera: Camera) -> None:
    """Online at once; where both were offline, the registry tells it after the upload."""
    browser, venue = launch(), site.venue()
    wallet = WalletPage(site, browser)
    front, back = ScannerPage(site, browser, camera), ScannerPage(site, browser, camera)
    wallet.register()
    front.enrol(venue.device("front"))
    back.enrol(venue.device("back"))
    # Both look through one camera, so that both see the code at the same moment.
    front.stand_still()
    back.stand_still()
    camera.show(wallet.text())
    first = [gate.next_verdict(0) for gate in (front, back)]
    assert sorted(verdict["code"] for verdict in first) == ["accepted", "already_used"]
    assert "here" in next(verdict["reason"] for verdict in first if verdict["code"] == "already_used")
    site.kill("venue")
    camera.show(wallet.new_code())
    for gate in (front, back):
        assert gate.next_verdict(1)["code"] == "queued"
        gate.line("offline", waiting=1)
    site.restart()
    for gate in (front, back):
        gate.comes_back()
        gate.line("online", waiting=0)
    found = [gate.page.locator("#findings-open").is_visible() for gate in (front, back)]
    assert sorted(found) == [False, True]
    conflicted = front if found[0] else back
    conflicted.page.click("#findings-open")
    expect(conflicted.page.locator("#findings-list li")).to_contain_text("used at two doors")
    conflicted.page.click("#findings-dismiss")
    expect(conflicted.page.locator("#findings-open")).to_be_hidden()


def test_a_scanner_without_outside_time_for_a_day_stops_and_goes_on_by_itself(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """Nobody is let in on a clock that nobody has looked at for so long."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    scanner.context.add_init_script(OTHER_CLOCK)
    wallet.register()
    scanner.enrol(venue.device("front"))
    page = scanner.page
    scanner.context.route("**/v1/trust*", lambda route: route.abort())
    page.evaluate("localStorage.setItem('passed', 25 * 3600 * 1000)")
    expect(page.locator("#stopped[data-code=scanner_stale]")).to_be_visible()
    assert scanner.verdict(wallet.text()) == "scanner_stale"
    scanner.context.unroute("**/v1/trust*")
    page.evaluate("localStorage.setItem('passed', 0)")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#stopped")).to_be_hidden()
    scanner.line("online")
    assert scanner.verdict(wallet.new_code()) == "accepted"
    assert venue.total() == 1


@pytest.mark.parametrize("shift", [600, -600, 86400])
def test_a_scanner_whose_clock_is_set_wrong_blames_no_visitor(
    site: Site, launch: Launch, camera: Camera, shift: int
) -> None:
    """It goes by the registry's time, with a network and without, also after a reload; and says what is wrong."""
    browser, venue = launch(), site.venue()
    visitor, scanner = Visitor(site), ScannerPage(site, browser, camera)
    scanner.context.add_init_script(OTHER_CLOCK)
    scanner.enrol(venue.device("front"))
    page = scanner.page
    scanner.context.route("**/v1/*", lambda route: route.abort())
    page.evaluate("(shift) => localStorage.setItem('shift', shift * 1000)", shift)
    assert scanner.verdict(visitor.code()) == "queued"
    expect(page.locator("#clock-off")).to_contain_text("ahead" if shift > 0 else "behind")
    scanner.context.unroute("**/v1/*")
    page.evaluate("dispatchEvent(new Event('online'))")
    scanner.line("online", waiting=0)
    assert scanner.verdict(visitor.code()) == "accepted"
    expect(page.locator("#clock-off")).to_contain_text("ahead" if shift > 0 else "behind")
    scanner.context.route("**/v1/*", lambda route: route.abort())
    page.reload()
    page.wait_for_selector("body[data-started]")
    scanner.line("offline")
    assert scanner.verdict(visitor.code()) == "queued"
    scanner.context.unroute("**/v1/*")
    page.evaluate("dispatchEvent(new Event('online'))")
    scanner.line("online", waiting=0)
    assert venue.total() == 3


def test_an_operators_code_enrols_a_scanner_through_its_camera(site: Site, launch: Launch, camera: Camera) -> None:
    """Venue, scanner, rule, revocation: the whole of an operator's work, by hand."""
    browser = launch()
    desk = browser.new_context(locale="en-US").new_page()
    desk.set_default_timeout(PATIENCE_MS)
    desk.goto(site.url("venue", "/operator"))
    desk.wait_for_selector("body[data-started]")
    desk.fill("#new-name", "Bookshop Daol")
    desk.fill("#new-category", "shop")
    desk.fill("#new-capacity", "10")
    desk.fill("#secret", site.deployment.token("enrolment"))
    desk.click("#new-venue [type=submit]")
    desk.click("#kept")
    desk.fill("#label", "side door")
    desk.click("#add-scanner [type=submit]")
    desk.wait_for_selector("#device[open]")
    scanner = ScannerPage(site, browser, camera)
    assert desk.inner_text("#door-address") == site.url("venue", "/scanner")
    scanner.open()
    assert scanner.verdict(desk.input_value("#device-text")) == "enrolled"
    expect(scanner.page.locator("#gate")).to_have_text("Bookshop Daol · side door")
    desk.click("#device [class=wide]")
    desk.check("[name=status][value='1']")
    desk.click("#rule [type=submit]")
    expect(desk.locator("#rule-result")).to_contain_text("Set")
    scanner.page.reload()
    scanner.line("online")
    wallet = WalletPage(site, browser)
    wallet.register()
    wallet.page.click("#show-status")
    expect(wallet.page.locator("#code-warning")).to_contain_text("Nothing to show")
    assert scanner.verdict(wallet.text()) == "status_required"
    desk.click("#scanner-list .danger")
    desk.click("#sure [value=replaced]")
    expect(desk.locator("#revoked-title")).to_have_text("Revoked (1)")
    scanner.page.evaluate("dispatchEvent(new Event('online'))")
    expect(scanner.page.locator("#stopped[data-code=revoked]")).to_be_visible()
    with desk.expect_download() as download:
        desk.click("#export")
    assert download.value.path().read_text(encoding="utf-8").startswith("\ufeffvenue,")
