"""A vaccination status: proved once, shown at a door only when its owner says so, and known to the door alone."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import expect

from checkin.http.client import Client
from checkin.protocol.encoding import base45_decode
from checkin.protocol.presentation import read
from tests.browser.conftest import Launch
from tests.browser.healthoffice import HealthOffice
from tests.browser.pages import Camera, ScannerPage, WalletPage
from tests.support.deployment_in_processes import Site
from tests.support.frames import drawn


def test_a_status_is_proved_by_a_picture_and_shown_only_by_choice(
    site: Site, launch: Launch, camera: Camera, health_office: HealthOffice, tmp_path: Path
) -> None:
    """Without it the door that asks for it says so; shown, it opens; hidden, it is in no code."""
    browser, venue = launch(), site.venue()
    with Client(venue.url, venue.token) as client:
        client.put(f"/v1/venues/{venue.id}/status-rule", {"accepted": [1]})
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.register()
    scanner.enrol(venue.device("front"))
    picture = tmp_path / "certificate.png"
    certificate = health_office.vaccinated()
    code = drawn(certificate)
    both = Image.new("L", (code.width * 2, code.height), 255)
    for place, other in enumerate((code, drawn("HC1:ANOTHER").resize(code.size))):
        both.paste(other, (place * code.width, 0))
    both.save(picture)
    page = wallet.page
    page.click("#open-more")
    page.set_input_files("#proof-picture", picture)
    expect(page.locator("#proof-result")).to_contain_text("several codes in the picture")
    dark = Image.new("LA", code.size)  # black on nothing: what is transparent has no colour of its own
    dark.putalpha(ImageOps.invert(code))
    dark.save(tmp_path / "transparent.png")
    page.set_input_files("#proof-picture", tmp_path / "transparent.png")
    expect(page.locator("#certificate")).to_have_value(certificate)
    page.click("#proof [type=submit]")
    expect(page.locator("#proof-result")).to_contain_text("vaccinated")
    page.click("#close-more")
    wallet.wait()
    assert opening_of(wallet.text()) is None
    assert scanner.verdict(wallet.text()) == "status_required"
    page.click("#show-status")
    expect(page.locator("#shown")).to_have_text("shows: vaccinated")
    shown = wallet.text()
    assert opening_of(shown) == 1
    assert scanner.verdict(shown) == "accepted"
    assert opening_of(wallet.new_code()) is None
    expect(page.locator("#shown")).to_be_hidden()
    assert venue.total() == 1


def opening_of(text: str) -> int | None:
    """The status in a code, if any."""
    opening = read(base45_decode(text[4:])).opening
    return None if opening is None else int(opening.status)
