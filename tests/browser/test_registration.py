"""The wallet's first use, for somebody who has never heard of it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Launch
from tests.browser.looks import looked_at
from tests.browser.pages import WalletPage
from tests.support.deployment_in_processes import Site


def test_whoever_registers_reads_who_keeps_what_and_in_which_language_he_likes(site: Site, launch: Launch) -> None:
    """On each of the three steps: what it is for, who holds name and phone, how long; the switch keeps the step."""
    wallet = WalletPage(site, launch())
    page = wallet.page
    page.goto(site.url("issuer", "/wallet"))

    def told(step: str) -> None:
        page.wait_for_selector(f"{step}:visible")
        for language, words in (("ko", "28일"), ("en", "28 days")):
            page.click(f"#setup [data-language={language}]")
            expect(page.locator("#setup [data-t=setup_about]")).to_contain_text(words)
            expect(page.locator(step)).to_be_visible()

    told("#step-who")
    page.fill("#name", "Lee Seo-yeon")
    page.fill("#phone", f"010{wallet.phone}")
    page.click("#step-who [type=submit]")
    told("#step-code")
    page.fill("#one-time", site.message(wallet.phone))
    page.click("#step-code [type=submit]")
    told("#step-shake")
    looked_at(page, "last step")
