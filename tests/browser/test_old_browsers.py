"""Browsers below the floor (docs/pages.md, Browser floor) are told so, and blame nobody else."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Launch
from tests.support.deployment_in_processes import Site

PAGES = {
    "issuer": ("/wallet", "137", "삼성 인터넷 30"),
    "venue": ("/scanner", "130", "삼성 인터넷 30"),
    "retention": ("/", "129", "삼성 인터넷 30"),
}
LACKS = """(() => {
    for (const name of ["generateKey", "importKey"]) {
        const own = SubtleCrypto.prototype[name];
        SubtleCrypto.prototype[name] = function (...all) {
            if (!JSON.stringify(all).includes("%s")) return own.apply(this, all);
            return Promise.reject(new DOMException("", "NotSupportedError"));
        };
    }
})()"""


def told(page: Page, site: Site, service: str, path: str, *words: str) -> None:
    """In English; and in Korean, if there is a second word to look for."""
    for language, said in zip(("en", "ko"), words, strict=False):
        page.goto(site.url(service, f"{path}?lang={language}"), wait_until="domcontentloaded")
        expect(page.locator("#unfit")).to_contain_text(said)
        expect(page.locator("#unfit")).to_be_visible()
        expect(page.locator("#run, #enrol, #setup, #enter").first).to_be_hidden()


def test_a_browser_that_cannot_read_a_pages_program_says_so(site: Site, launch: Launch) -> None:
    """In place of an empty page, on each of the four: a word of the language that it does not know, or no modules."""
    page = launch().new_page()
    page.route("**/main.js", lambda route: route.fulfill(content_type="text/javascript", body="let let = of old;"))
    for service, (path, word, _) in PAGES.items():
        told(page, site, service, path, word)
    told(page, site, "venue", "/operator", "103", "삼성 인터넷 20")
    page.unroute("**/main.js")
    page.route("**/main.js", lambda route: route.abort())
    page.add_init_script("delete HTMLScriptElement.prototype.noModule")
    told(page, site, "issuer", "/wallet", "137")


def test_a_browser_that_cannot_verify_calls_no_signature_wrong(site: Site, launch: Launch) -> None:
    """Nobody reads that a log was forged because of a browser without Ed25519; no door depends on one."""
    page = launch().new_page()
    page.add_init_script(LACKS % "Ed25519")
    for service, (path, *words) in PAGES.items():
        told(page, site, service, path, *words)


def test_a_browser_that_cannot_seal_is_no_scanner(site: Site, launch: Launch) -> None:
    """Its queue would stay empty, which nobody would notice before the network is gone."""
    page = launch().new_page()
    page.add_init_script(LACKS % "X25519")
    told(page, site, "venue", *PAGES["venue"])


NO_STORE = "indexedDB.open = () => { throw new DOMException('', 'SecurityError'); }"


def test_a_page_that_does_not_start_says_so_and_starts_when_it_can(site: Site, launch: Launch) -> None:
    """The words that a Wi-Fi answers itself are no JSON, or a part is missing; that is not the browser's fault."""

    def portal(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body="<p>Wi-Fi")

    for service, path in (("issuer", "/wallet"), ("venue", "/scanner"), ("venue", "/operator")):
        page = launch().new_page()
        for missing in ("**/messages/*.json", "**/js/messages.js"):
            page.route(missing, portal)
            page.goto(site.url(service, f"{path}?lang=en"))
            expect(page.locator("#not-started")).to_contain_text("This page did not start")
            expect(page.locator("#unfit")).to_be_hidden()
            page.unroute(missing)
        page.click("#not-started a")
        page.wait_for_selector("body[data-started]")
        expect(page.locator("#not-started")).to_be_hidden()
    page.add_init_script(NO_STORE)
    page.goto(site.url("venue", "/scanner?lang=ko"))
    expect(page.locator("#not-started")).to_contain_text("시작되지 않았습니다")
    page.route("**/steps.js", portal)
    page.goto(site.url("retention", "/?lang=en"))
    expect(page.locator("#not-started")).to_contain_text("What checks did not come")
