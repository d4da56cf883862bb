"""What people type, paste and come back to in the wallet, and answers that are none: nothing is lost without a word."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Launch
from tests.browser.healthoffice import HealthOffice
from tests.browser.looks import looked_at
from tests.browser.pages import WalletPage
from tests.browser.test_wallet_page import HELD, OTHER_CLOCK, wallet_with
from tests.support.deployment_in_processes import Site

SMALL = {"width": 320, "height": 568}
# A browser that makes keys and cannot keep them; one whose key generation fails as often as it is told to.
CANNOT_KEEP = """IDBObjectStore.prototype.put = ((put) => function (value, ...rest) {
    if (value instanceof CryptoKey) throw new DOMException("no", "DataCloneError");
    return put.call(this, value, ...rest);
})(IDBObjectStore.prototype.put)"""
FAILS = """SubtleCrypto.prototype.generateKey = ((make) => async function (...values) {
    const times = Number(localStorage.getItem("fails"));
    if (times) {
        localStorage.setItem("fails", times - 1);
        throw new DOMException("no", "OperationError");
    }
    return make.apply(this, values);
})(SubtleCrypto.prototype.generateKey)"""
FORGET_CODES = """() => new Promise((resolve) => {
    const open = indexedDB.open("wallet");
    open.onsuccess = () => {
        const change = open.result.transaction("held", "readwrite");
        change.objectStore("held").clear();
        change.oncomplete = () => resolve(true);
    };
})"""


def portal(route: Route) -> None:
    """A Wi-Fi's login page in the place of an answer."""
    route.fulfill(status=200, content_type="text/html", body="<h1>Welcome to our Wi-Fi</h1>")


def told_at(page: Page, field: str, words: str) -> None:
    """The field has the focus and is marked, and the message beside it is in the window."""
    error = page.locator("#setup-error")
    expect(error).to_contain_text(words)
    expect(error).to_be_in_viewport(ratio=1)
    expect(page.locator(field)).to_be_focused()
    expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
    expect(page.locator(field)).to_have_attribute("aria-describedby", "setup-error")


def test_registering_on_a_small_phone_with_everything_going_wrong_once(site: Site, launch: Launch) -> None:
    """A portal, a foreign number, a reload, a wrong code, a message pasted whole: each is told, nothing is lost."""
    wallet = WalletPage(site, launch(), viewport=SMALL)
    page = wallet.page
    wallet.context.add_init_script(OTHER_CLOCK)
    page.goto(site.url("issuer", "/wallet"))
    page.fill("#name", "علی\u200cرضا")
    page.fill("#phone", "+44 7400 123456")
    page.route("**/v1/registrations", portal)
    page.click("#step-who [type=submit]")
    expect(page.locator("#setup-error")).to_contain_text("No answer from the service")
    page.unroute("**/v1/registrations")
    page.click("#step-who [type=submit]")
    told_at(page, "#phone", "mobile numbers of +82 only")
    page.click("#setup [data-language=ko]")
    told = page.locator("#setup-error")
    expect(told).to_contain_text("+82 휴대전화 번호로만")
    page.click("#setup [data-language=en]")
    looked_at(page, "refused")
    page.fill("#phone", f"010{wallet.phone}")
    page.click("#step-who [type=submit]")
    page.wait_for_selector("#one-time:visible")
    page.reload()
    page.wait_for_selector("#one-time:visible")
    expect(page.locator("#send-again")).to_have_text(re.compile(r"Send another code in \d+ s"))
    page.evaluate("localStorage.setItem('off', 61)")  # a minute later
    with page.expect_request("**/v1/registrations"):
        page.get_by_role("button", name="Send another code", exact=True).click()
    page.evaluate("localStorage.setItem('off', 0)")
    page.click("#step-back")
    expect(page.locator("#name")).to_have_value("علی\u200cرضا")
    page.click("#step-forward")
    page.fill("#one-time", "my code")
    page.click("#step-code [type=submit]")
    told_at(page, "#one-time", "The code has 8 digits")
    looked_at(page, "wrong code")
    page.route("**/confirm", portal)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in site.message(wallet.phone))
    page.fill("#one-time", f"[체크인] 인증번호: {wide[:4]} {wide[4:]} (5분간 유효)")
    expect(page.locator("#one-time")).to_have_value(site.message(wallet.phone))
    page.click("#step-code [type=submit]")
    expect(told).to_contain_text("No answer from the service")
    page.unroute("**/confirm")
    page.click("#step-code [type=submit]")
    page.click("#shake-skip")
    wallet.wait()
    assert "registration" not in page.evaluate("Object.keys(sessionStorage)")


def test_a_browser_that_cannot_keep_keys_says_so_before_anybody_registers(site: Site, launch: Launch) -> None:
    """It signs, and could not sign tomorrow; the sentence follows the language."""
    wallet = wallet_with(site, launch, CANNOT_KEEP)
    page = wallet.page
    page.goto(site.url("issuer", "/wallet"))
    expect(page.locator("#unfit-text")).to_contain_text("makes keys but cannot keep them")
    expect(page.locator("#setup")).to_be_hidden()
    page.evaluate("document.querySelector('[data-language=ko]').click()")
    expect(page.locator("#unfit-text")).to_contain_text("보관하지 못합니다")


def test_whatever_fails_has_words_and_a_way_on(site: Site, launch: Launch) -> None:
    """A key that is not made at once is tried again; nothing that stays broken leaves a line for ever."""
    wallet = wallet_with(site, launch, FAILS, fails=2)
    page = wallet.page
    wallet.register()
    page.evaluate(FORGET_CODES)
    page.evaluate("localStorage.setItem('fails', 1000)")
    page.click("#new-code")
    expect(page.locator("#no-code")).to_contain_text("That did not work on this device")
    expect(page.locator("#works-offline")).to_be_hidden()
    page.evaluate("document.querySelector('[data-language=ko]').click()")
    expect(page.locator("#no-code")).to_contain_text("이 기기에서 제대로 되지 않았습니다")
    page.evaluate("document.querySelector('[data-language=en]').click()")
    page.evaluate("localStorage.setItem('fails', 0)")
    for path in ("**/v1/keys", "**/v1/credentials*"):
        page.route(path, portal)
        with page.expect_response(path):  # the sentence may stand there from the try before
            page.click("#new-code")
        expect(page.locator("#no-code")).to_contain_text("No code is left for today")
        page.unroute(path)
    page.click("#new-code")
    wallet.wait()
    expect(page.locator("#works-offline")).to_be_visible()
    held = page.evaluate(HELD)
    page.click("#open-more")
    page.evaluate("window.print = () => {}")
    asks = [
        ("#ask-held", "#held-list"),
        ("#proof-forget", "#proof-result"),
        ("#proof [type=submit]", "#proof-result"),
        ("#paper-today", "#paper-result"),
    ]
    page.fill("#certificate", "HC1:NONE")
    page.route("**/v1/**", portal)
    for button, result in asks:
        page.click(button)
        expect(page.locator(result)).to_contain_text("No answer from the service")
    page.click("#forget")
    page.click("#sure [value=yes]")
    expect(page.locator("#forget-result")).to_contain_text("No answer from the service")
    assert page.evaluate(HELD) == held
    page.evaluate("document.querySelector('[data-language=ko]').click()")
    for result in ("#held-list", "#proof-result", "#paper-result", "#forget-result"):
        expect(page.locator(result)).to_contain_text("서버가 응답하지 않습니다")
    expect(page.locator("#recovery-code")).to_have_text(re.compile(r"^[0-9A-Z]{5}(-[0-9A-Z]{5}){4}$"))
    looked_at(page, "more")
    page.evaluate("document.querySelector('[data-language=en]').click()")
    page.unroute("**/v1/**")
    page.click("#forget")
    page.click("#sure [value=yes]")
    farewell = page.locator("#farewell")
    expect(farewell).to_contain_text("You are forgotten")
    expect(farewell).to_contain_text("destroys name and phone number on")
    expect(farewell).to_be_focused()
    expect(farewell).to_be_in_viewport(ratio=1)
    looked_at(page, "farewell")


@pytest.fixture
def module(launch: Launch, files: str) -> Page:
    """A page that may import the wallet's modules."""
    page = launch().new_page()
    page.goto(f"{files}/tests/js/blank.html")
    return page


CLEAN = """async ([name, texts]) => {
    const clean = await import("/checkin/web/static/js/wallet/clean.js");
    const tried = async (text) => { try { return await clean[name](text); } catch (error) { return error.code; } };
    return Promise.all(texts.map(tried));
}"""


def test_what_is_pasted_is_cleaned_in_the_page(module: Page, health_office: HealthOffice) -> None:
    """Codes out of messages; certificates that a mail program wrapped. What is none stays none."""
    good = [
        "03133742",
        " 0313 3742\n",
        "0313-3742",
        "０３１３３７４２",
        "٠٣١٣٣٧٤٢",
        "code\u00a00313\u00a03742.",
        "𝟬𝟯𝟭𝟯𝟯𝟳𝟰𝟮",
    ]
    good.append("03133742 is your check-in code, valid for 5 minutes. 체크인 인증번호: 03133742 (5분간 유효)")
    assert module.evaluate(CLEAN, ["cleanCode", good]) == ["03133742"] * len(good)
    bad = ["", "0313374", "031337421", "5 minutes", "call 010-1234-5678"]
    assert set(module.evaluate(CLEAN, ["cleanCode", bad])) == {"code_form"}
    text = health_office.vaccinated()
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]
    pasted: list[Any] = [
        text,
        f"  My certificate:\r\n{text}\r\n",
        "\r\n".join(lines),
        "\n    ".join(lines),
        text.replace(" ", "\u00a0"),
        text.replace(" ", "\n", 1),
        f"\ufeff{text}\u200b",
    ]
    assert module.evaluate(CLEAN, ["cleanCertificate", pasted]) == [text] * len(pasted)
    blank = text.index(" ", 10)  # a letter of it: at the end of a line, and at the beginning of one
    other = next(at for at in range(blank + 2, len(text)) if " " not in text[at - 1 : at + 1])
    ends = [(at, other) for at in (blank, blank + 1)]
    wrapped = [wrap.join([text[:a], text[a:b], text[b:]]) for a, b in ends for wrap in ("\n", "\n    ", "\n\n  ")]
    assert module.evaluate(CLEAN, ["cleanCertificate", wrapped]) == [text] * len(wrapped)
    assert module.evaluate(CLEAN, ["cleanCertificate", [" no certificate "]]) == ["no certificate"]
