"""What every page keeps to: both languages, nothing for axe to find, one host, no cookies, a strict policy."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import expect

from checkin.errors import TokenError
from checkin.service.pwa import STATIC, messages
from checkin.templates import WEB
from tests.browser.conftest import Launch
from tests.browser.looks import AXE, RULES, axe_finds_nothing, looked_at, watch
from tests.browser.pages import PHONE, Camera, ScannerPage, WalletPage
from tests.conftest import Needs
from tests.support.deployment_in_processes import Site

PAGES = ("wallet", "scanner", "operator")
# Everything IndexedDB, localStorage and the caches hold, as text; CryptoKeys only by what they are.
STORED = """async () => {
    const seen = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
    const spell = (key, value) => {
        if (value instanceof CryptoKey) return { type: value.type, extractable: value.extractable };
        if (value instanceof Uint8Array) return [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        return value;
    };
    for (const { name } of await indexedDB.databases()) {
        const open = indexedDB.open(name);
        await new Promise((resolve) => (open.onsuccess = resolve));
        for (const store of open.result.objectStoreNames) {
            const all = open.result.transaction(store).objectStore(store).getAll();
            await new Promise((resolve) => (all.onsuccess = resolve));
            seen.push(JSON.stringify(all.result, spell));
        }
        open.result.close();
    }
    return seen.join("\\n");
}"""


def test_axe_would_find_something(launch: Launch) -> None:
    """The control: a page with pale text and a nameless button does not pass."""
    page = launch().new_page()
    body = "<main><h1>x</h1><p style='color:#ccc'>pale</p><button></button></main>"
    page.set_content(f"<html lang=en><title>x</title>{body}")
    found = {item["id"] for item in AXE.run(page, options=RULES).response["violations"]}
    assert {"color-contrast", "button-name"} <= found


def test_the_wallet_in_every_state(site: Site, launch: Launch) -> None:
    """Three steps, the code, everything behind More."""
    wallet = WalletPage(site, launch())
    wrong = watch(wallet.page, site)
    wallet.page.goto(site.url("issuer", "/wallet"))
    wallet.page.wait_for_selector("#step-who:visible")
    looked_at(wallet.page, "first step")
    wallet.register("홍길동")
    looked_at(wallet.page, "code")
    wallet.page.click("#show-status")
    looked_at(wallet.page, "nothing to show")
    wallet.page.click("#open-more")
    wallet.page.click("#ask-held")
    expect(wallet.page.locator("#held-list")).to_contain_text("홍길동")
    titles = wallet.page.locator("#held-list dt").all_text_contents()
    assert len(titles) == len(set(titles))
    looked_at(wallet.page, "more")
    assert wrong == []
    assert wallet.context.cookies() == []


def test_the_scanner_in_every_state(site: Site, launch: Launch, camera: Camera) -> None:
    """Enrolment, the door, each verdict, stopped."""
    browser, venue = launch(), site.venue()
    scanner = ScannerPage(site, browser, camera, locale="ko-KR")
    wrong = watch(scanner.page, site)
    scanner.open()
    looked_at(scanner.page, "enrolment")
    scanner.enrol(venue.device("정문"))
    looked_at(scanner.page, "door")
    scanner.page.set_viewport_size({"width": 360, "height": 800})
    top = "(id) => document.getElementById(id).getBoundingClientRect().y"
    assert scanner.page.evaluate(top, "link") > scanner.page.evaluate(top, "menu-open"), (
        "what has nothing to say pushes the menu to a line of its own"
    )
    panel = "([kind, hidden]) => Object.assign(document.getElementById('verdict'), { className: kind, hidden })"
    for kind in ("good", "bad", "again"):
        scanner.page.evaluate("document.getElementById('verdict-word').textContent = 'Word'")
        scanner.page.evaluate(panel, [kind, False])
        axe_finds_nothing(scanner.page, kind)
    scanner.page.evaluate(panel, ["good", True])
    scanner.page.click("#menu-open")
    looked_at(scanner.page, "menu")
    assert wrong == []
    assert scanner.context.cookies() == []


def test_the_operators_page_in_every_state(site: Site, launch: Launch) -> None:
    """Entering, the desk, a scanner's code."""
    venue = site.venue()
    page = launch().new_context(locale="ko-KR", viewport=PHONE).new_page()  # type: ignore[arg-type]  # width and height
    wrong = watch(page, site)
    page.goto(site.url("venue", "/operator"))
    page.wait_for_selector("body[data-started]")
    looked_at(page, "entering")
    page.fill("#venue-id", venue.id)
    page.fill("#operator-token", venue.token)
    page.click("#sign-in [type=submit]")
    page.wait_for_selector("#desk:not([hidden])")
    expect(page.locator("#bars")).to_contain_text("No check-ins in these hours yet.")
    page.fill("#label", "뒷문")
    page.click("#add-scanner [type=submit]")
    page.wait_for_selector("#device[open]")
    assert page.evaluate("['device', 'device-text'].map((id) => document.getElementById(id).scrollTop)") == [0, 0]
    looked_at(page, "a scanner's code")
    page.click("#device [class=wide]")
    page.click("summary")
    looked_at(page, "desk")
    assert wrong == []
    assert page.context.cookies() == []


def test_a_scanner_holds_nothing_about_anybody(site: Site, launch: Launch, camera: Camera) -> None:
    """Its whole storage, with a queue in it, has neither the code nor any part of its credential."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.register("Canary Name")
    scanner.enrol(venue.device("front"))
    site.kill("venue")
    text = wallet.text()
    assert scanner.verdict(text) == "queued"
    held = scanner.page.evaluate(STORED)
    assert '"sealed"' in held
    visible = scanner.page.content()
    for secret in (text[40:80], "Canary", wallet.phone):
        assert secret not in held
        assert secret not in visible
    visit = wallet.page.evaluate(STORED)
    ids = re.findall(r'"visitId":"([0-9a-f]{32})"', visit)
    assert ids and len(ids) % 10 == 0  # tomorrow's come at a random moment
    assert not any(identifier in held for identifier in ids)


def test_a_wallets_keys_cannot_leave_the_browser(site: Site, launch: Launch) -> None:
    """Every private key is there, and none can be exported."""
    wallet = WalletPage(site, launch())
    wallet.register()
    held = wallet.page.evaluate(STORED)
    keys = re.findall(r'"key":(\{[^}]*\})', held)
    assert keys and len(keys) % 10 == 0  # tomorrow's come at a random moment
    assert {json.loads(key)["extractable"] for key in keys} == {False}


def test_forgetting_leaves_nothing_on_the_device(site: Site, launch: Launch) -> None:
    """The account ends at the issuer and here."""
    wallet = WalletPage(site, launch())
    wallet.register()
    wallet.page.click("#open-more")
    wallet.page.click("#forget")
    wallet.page.click("#sure [value=yes]")
    wallet.page.wait_for_selector("#step-who:visible")
    held = wallet.page.evaluate(STORED)
    assert '"key"' not in held
    assert wallet.page.evaluate("indexedDB.databases().then((all) => all.length)") == 1


def test_paper_codes_are_four_a_page_and_open_doors(site: Site, launch: Launch, camera: Camera) -> None:
    """Printed for somebody without a phone: one door, one use, in both languages."""
    browser, venue = launch(), site.venue()
    wallet, scanner = WalletPage(site, browser), ScannerPage(site, browser, camera)
    wallet.register()
    scanner.enrol(venue.device("front"))
    page = wallet.page
    page.evaluate("window.print = () => {}")
    page.click("#open-more")
    page.click("#paper-today")
    expect(page.locator("#paper article")).to_have_count(8)
    page.emulate_media(media="print")
    first = page.locator("#paper article").first
    expect(first).to_contain_text("One door, one use")
    expect(first).to_contain_text("한 곳에서 한 번")
    tops = page.evaluate("[...document.querySelectorAll('#paper article')].map((card) => card.offsetHeight)")
    assert all(500 < height < 530 for height in tops)  # 136 mm: two rows on A4
    picture = page.locator("#paper svg").first
    text = code_in(picture.screenshot())
    assert scanner.verdict(text) == "accepted"
    assert scanner.verdict(text) == "already_used"


def code_in(png: bytes) -> str:
    """What is drawn in a screenshot."""
    return str(zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))[0].text)


def keys_in(name: str) -> set[str]:
    """Message keys that a page's template and modules name."""
    sources = [WEB / "templates" / f"{name}.html", *(STATIC / "js" / name).glob("*.js")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    return set(re.findall(r'data-t(?:-label)?="(\w+)"', text)) | set(re.findall(r'\bsay\("(\w+)"', text))


@pytest.mark.parametrize("name", PAGES)
def test_every_word_is_there_in_both_languages(name: str) -> None:
    """The same keys, the same placeholders, nothing left over and nothing empty."""
    words = messages(name)
    assert words["en"].keys() == words["ko"].keys()
    for key, english in words["en"].items():
        korean = words["ko"][key]
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", korean)), key
        assert english.strip()
        assert korean.strip()
        assert english != korean, key
    missing = keys_in(name) - words["en"].keys() - messages("errors")["en"].keys()
    assert missing == set()


def test_a_wallet_whose_account_has_ended_names_the_way_to_register_again() -> None:
    """By what stands on the buttons, in both languages."""
    for words in messages("wallet").values():
        assert words["more"] in words["error_unauthorized"] and words["forget"] in words["error_unauthorized"]


def test_every_refusal_at_the_door_has_a_reason_of_five_words(name: str = "scanner") -> None:
    """A steward reads it at a glance."""
    words = messages(name)
    for kind in TokenError.__subclasses__():
        assert len(words["en"][f"reason_{kind.code}"].split()) <= 5
        assert f"reason_{kind.code}" in words["ko"]


def page_sources() -> Iterator[Path]:
    """Everything of ours that a browser loads."""
    yield from (path for path in STATIC.rglob("*") if path.suffix in (".js", ".css") and "vendor" not in path.parts)
    yield from (WEB / "templates" / f"{name}.html" for name in PAGES)


def test_no_page_names_another_host_or_needs_a_lax_policy() -> None:
    """No inline script or style, no eval, no address but the page's own (namespaces are names, not addresses)."""
    for path in page_sources():
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert addresses == set(), path
        assert not re.search(r"\beval\(|new Function\(|innerHTML|document\.cookie", text), path
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text), path


def test_no_file_of_the_pages_is_left_out_of_the_package(needs: Needs) -> None:
    """What git ignores, the build leaves out: a pattern meant for somebody's wallet.json once matched our words."""
    root = WEB.parent.parent
    needs("git for a test of the package", shutil.which("git") and (root / ".git").exists(), "a checkout, and git")
    ours = [str(path.relative_to(root)) for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts]
    command = ["git", "check-ignore", "--no-index", *ours]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert len(ours) >= 50
    assert done.stdout == ""


def test_export_cannot_run_in_a_spreadsheet(launch: Launch, files: str) -> None:
    """Cells that begin like a formula, wide signs too, become text."""
    page = launch().new_page()
    page.goto(f"{files}/tests/js/blank.html")
    script = """async (values) => {
        const { cell } = await import("/checkin/web/static/js/operator/csv.js");
        return values.map(cell);
    }"""
    values: list[Any] = ["=1+1", "+82", "-1", "@x", "＝1", "\tx", "\n=x", 'a"b,c', "Café", 12]
    cells = ["'=1+1", "'+82", "'-1", "'@x", "'＝1", "'\tx", '"\'\n=x"', '"a""b,c"', "Café", "12"]
    assert page.evaluate(script, values) == cells
