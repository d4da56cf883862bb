"""The wallet page where something is in its way: a wrong clock, a sleep, a browser that fails."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Launch
from tests.browser.pages import WalletPage
from tests.browser.sleeping import SleepingPage
from tests.support.deployment_in_processes import Site

# What the device's clock says beside the right time, and how long the device has slept: its own clock went on, that of
# the browser stood still. Both are kept over reloads.
OTHER_CLOCK = """(() => {
    const [device, steady] = [Date.now.bind(Date), performance.now.bind(performance)];
    const set = (name) => Number(localStorage.getItem(name));
    Date.now = () => device() + 1000 * set("off");
    performance.now = () => steady() - 1000 * set("slept");
})()"""
DAY = 86_400
SIGNED = "document.getElementById('qr').dataset.iat"
HELD = """() => new Promise((resolve) => {
    const open = indexedDB.open("wallet");
    open.onsuccess = () => {
        const all = open.result.transaction("held").objectStore("held").getAll();
        all.onsuccess = () => resolve(all.result.map(({ day, used }) => [day, used]));
    };
})"""


def wallet_with(site: Site, launch: Launch, *scripts: str, **stored: object) -> WalletPage:
    """A wallet page, scripts that run before it, and what they find in the local storage."""
    wallet = WalletPage(site, launch())
    keep = "".join(
        f'localStorage.getItem("{name}") ?? localStorage.setItem("{name}", {value});' for name, value in stored.items()
    )
    for script in (f"{{{keep}}}", *scripts):
        wallet.context.add_init_script(script)
    return wallet


def newly_opened(wallet: WalletPage) -> float:
    """By how many seconds a code is signed ahead of the right time; the machine's slowness is not counted."""
    wallet.page.evaluate("document.getElementById('qr').removeAttribute('data-iat')")
    before = time.time()
    wallet.page.click("#new-code")
    wallet.page.wait_for_selector("#qr[data-iat]")
    signed, after = wallet.signed_at(), time.time()
    return min(0.0, signed - before) or max(0.0, signed - after)


@pytest.mark.parametrize(
    ("off", "told"),
    [(8, r"\d+ seconds ahead"), (-21, r"2\d seconds behind"), (DAY, "1 day ahead"), (-365 * DAY, "365 days behind")],
)
def test_a_phone_with_a_wrong_clock_has_codes_that_open_doors(site: Site, launch: Launch, off: int, told: str) -> None:
    """Corrected by the batch that is asked for anyway, said where it matters, and so still without a network."""
    wallet = wallet_with(site, launch, OTHER_CLOCK, off=off)
    asked: list[str] = []
    wallet.page.on("request", lambda request: asked.append(request.url))
    wallet.register()
    for _ in range(2):
        wallet.wait()
        assert abs(newly_opened(wallet)) < 3
        expect(wallet.page.locator("#code-warning")).to_contain_text(re.compile(told))
        wallet.context.set_offline(True)
        wallet.page.reload()
    assert any("/v1/time" in url for url in asked) == (off <= -DAY)


def test_setting_the_clock_while_the_page_is_open_spoils_no_code(site: Site, launch: Launch) -> None:
    """Codes are signed as before, and none is deleted because of a date; the page says what is wrong."""
    wallet = wallet_with(site, launch, OTHER_CLOCK, off=0)
    page = wallet.page
    wallet.register()
    held = page.evaluate(HELD)
    for off in (3600, -7200, 400 * DAY):
        page.evaluate(f"localStorage.setItem('off', {off})")
        assert abs(newly_opened(wallet)) < 3
        expect(page.locator("#code-warning")).to_contain_text("This phone's clock is")
    page.evaluate("localStorage.setItem('off', 0)")
    assert abs(newly_opened(wallet)) < 3
    expect(page.locator("#code-warning")).to_be_hidden()
    assert len(page.evaluate(HELD)) >= len(held)


REGISTER = """(async () => {
    const set = (id, value) => { document.getElementById(id).value = value; };
    set("name", "Shin Sae-byeok"); set("phone", "%s");
    document.getElementById("step-who").requestSubmit();
})()"""
LEFT = """for (const kind of ["freeze", "resume"]) document.addEventListener(kind, () => {
    window[kind] = document.getElementById("qr")?.innerHTML;
});"""
SHOWN = "document.getElementById('qr').innerHTML"


def test_no_old_code_stands_when_a_page_is_thawed(site: Site, launch: Launch) -> None:
    """Nothing is on the screen to wake up to. After a sleep time has gone on, and the code is new."""
    browser = launch()
    phone = "20180611"
    page = SleepingPage(browser, site.url("issuer", "/wallet"), f"{OTHER_CLOCK};{LEFT}")
    page.wait("document.body?.dataset.started === 'true'")
    page.evaluate(REGISTER % f"010{phone}")
    page.wait("!document.getElementById('step-code').hidden")
    page.evaluate(f"document.getElementById('one-time').value = '{site.message(phone)}'")
    page.evaluate("document.getElementById('step-code').requestSubmit()")
    page.wait("!document.getElementById('step-shake').hidden")
    page.evaluate("document.getElementById('shake-skip').click()")
    page.wait(f"{SHOWN} !== '' && !document.getElementById('code').hidden")
    before = int(page.evaluate(SIGNED))
    for slept in (5, 4005):
        used = page.evaluate(f"({HELD})()")
        page.freeze()
        page.evaluate(f"for (const name of ['off', 'slept']) localStorage.setItem(name, {slept})")
        page.thaw()
        page.wait(f"{SHOWN} !== ''")
        assert page.evaluate("[window.freeze, window.resume]") == ["", ""]
        opened = sum(one[1] for one in page.evaluate(f"({HELD})()")) - sum(one[1] for one in used)
        assert opened == (slept > 30)
    assert int(page.evaluate(SIGNED)) >= before + 4005
