"""Firefox and WebKitGTK walk through the pages: each flow once, with a network and without one; and they judge vectors.

Their cryptography is NSS's and libgcrypt's, beside Chromium's BoringSSL.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp

from checkin.http.client import Client
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from retention.public_page import STEPS
from tests.browser.conftest import VENDOR
from tests.browser.judgedvectors import VECTORS, keys, signatures
from tests.browser.otherbrowsers import FIREFOX, OtherBrowser, firefox, webkit
from tests.browser.pages import FRESH_SECONDS, KEPT, NOTE_VERDICTS, PATIENT
from tests.browser.publicpage import audited, ended
from tests.conftest import Needs
from tests.support.deployment_in_processes import Site, Visitor, visit_of
from tests.support.frames import drawn
from tests.support.waiting import until

NUMBERS = iter(range(7000_0000, 8000_0000, 7919))
JUDGE = """async (vectors) => {
    const { judgeAll, load } = await import("/tests/js/judge.js");
    return judgeAll(await load("/checkin/web/static/js"), vectors);
}"""
# What the page's camera sees from now on.
SHOW = """(rows) => {
    const picture = new OffscreenCanvas(640, 480);
    const pen = picture.getContext("2d");
    pen.fillStyle = "gray";
    pen.fillRect(0, 0, 640, 480);
    const side = Math.floor(460 / rows.length);
    rows.forEach((row, y) => [...row].forEach((dot, x) => {
        pen.fillStyle = dot === "1" ? "black" : "white";
        pen.fillRect(90 + x * side, 10 + y * side, side, side);
    }));
    window.sights = [...(window.sights ?? []), picture];
    if (window.sights.length > 1) return;
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const screen = canvas.getContext("2d");
    setInterval(() => screen.drawImage(window.sights.at(-1), 0, 0), 50);
    MediaDevices.prototype.getUserMedia = async () => (window.seen = canvas.captureStream(20));
}"""
SEES = """() => {
    const video = document.getElementById("camera");
    return video.srcObject === window.seen && video.videoWidth > 0;
}"""
TAKE_AWAY = """() => {
    const [track] = document.getElementById("camera").srcObject?.getVideoTracks() ?? [];
    track?.stop();
    if (track) dispatchEvent(new Event("pageshow"));
    return Boolean(track);
}"""
STATE = "(name) => document.querySelector(`[data-step=${name}]`).className"


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def browser(
    request: pytest.FixtureRequest, needs: Needs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OtherBrowser]:
    """One after the other, each for all tests of the file."""
    needs("the pages' npm packages", VENDOR.exists(), "pip install -e . (with npm on the path)")
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "firefox":
        needs("Firefox, for the pages' tests", FIREFOX, "apt install firefox-esr")
        with firefox(folder) as session:
            yield session
    else:
        needs("WebKitGTK, for the pages' tests", shutil.which("WebKitWebDriver"), "apt install webkit2gtk-driver")
        needs("a screen for WebKitGTK", shutil.which("Xvfb"), "apt install xvfb")
        with webkit(folder) as session:
            yield session


@pytest.fixture
def site(browser: OtherBrowser, running_site: Site) -> Iterator[Site]:  # noqa: ARG001 - without it nothing is started
    """All three services; whatever a test killed runs again after it."""
    yield running_site
    running_site.restart()


def read_off(browser: OtherBrowser, place: str) -> str:
    """What a camera reads off the screen there."""
    return str(until(lambda: zxingcpp.read_barcodes(browser.picture(place)))[0].text)


def code(browser: OtherBrowser) -> str:
    """The wallet's, signed a moment ago."""
    browser.wait("(age) => Date.now() / 1000 - document.getElementById('qr').dataset.iat < age", FRESH_SECONDS)
    return read_off(browser, "#code .paper-white")


def open_scanner(browser: OtherBrowser, address: str) -> None:
    """While nobody looks the camera is taken away, or there was none; the next one sees what it is shown."""
    browser.goto(address)
    browser.wait("() => document.body.dataset.started")
    for script, *rows in ((f"() => ({PATIENT})",), (NOTE_VERDICTS,), (SHOW, [])):
        browser.run(script, *rows)
    if not browser.run(TAKE_AWAY):
        browser.click("#camera-again")
    browser.wait(SEES)


def verdict(browser: OtherBrowser, text: str) -> str:
    """The code of the verdict once the camera sees this text."""
    picture = drawn(text, scale=1)
    dots = "".join("0" if dot else "1" for dot in picture.tobytes())
    seen = browser.run("() => window.verdicts.length")
    browser.run(SHOW, [dots[at : at + picture.width] for at in range(0, len(dots), picture.width)])
    found = browser.wait("(seen) => window.verdicts[seen]", seen)
    return str(found["code"])


def test_a_wallet_registers_and_its_codes_open_doors_without_a_network(browser: OtherBrowser, site: Site) -> None:
    """The page comes from its service worker, and signs with the key that the browser kept."""
    phone = str(next(NUMBERS))
    gate = json.loads(site.venue().device("front"))
    with Client(site.url("venue"), gate["scanner_token"]) as door:
        door.get("/v1/trust")

        def admitted(text: str) -> bytes:
            scan = {"token": text, "scan_id": b64url_encode(random_bytes(16))}
            assert door.post("/v1/check-ins", scan) == {"result": "accepted"}
            return visit_of(text)

        browser.goto(site.url("issuer", "/wallet"))
        browser.type("#name", "Kim Ji-woo")
        browser.type("#phone", f"010{phone}")
        browser.click("#step-who [type=submit]")
        browser.see("#one-time")
        browser.type("#one-time", site.message(phone))
        browser.click("#step-code [type=submit]")
        browser.click("#shake-skip")
        visits = [admitted(code(browser))]
        browser.run(f"() => {KEPT}")
        site.kill("issuer")
        browser.goto(site.url("issuer", "/wallet"))
        visits.append(admitted(code(browser)))
        before = browser.run("() => document.getElementById('qr').innerHTML")
        browser.click("#new-code")
        browser.wait("(before) => document.getElementById('qr').innerHTML !== before", before)
        visits.append(admitted(code(browser)))
    assert len(set(visits)) == 3


def test_an_operators_gate_scans_with_a_network_and_without_one(browser: OtherBrowser, site: Site) -> None:
    """The scanner takes the operator's code and visitors' by its camera; what it saw alone is uploaded later."""
    browser.goto(site.url("venue", "/operator"))
    browser.type("#new-name", "Museum")
    browser.type("#new-category", "museum")
    browser.type("#secret", site.deployment.token("enrolment"))
    browser.click("#new-venue [type=submit]")
    browser.click("#copy-token")
    browser.wait("() => document.getElementById('copied').textContent")
    browser.click("#kept")
    browser.type("#label", "front")
    browser.click("#add-scanner [type=submit]")
    browser.see("#device")
    device = read_off(browser, "#device .paper-white")
    assert json.loads(device)["label"] == "front"
    browser.click("#device button")
    browser.wait("() => document.querySelectorAll('#scanner-list li').length === 1")
    visitor = Visitor(site)
    address = site.url("venue", "/scanner")
    open_scanner(browser, address)
    assert verdict(browser, device) == "enrolled"
    assert verdict(browser, visitor.code()) == "accepted"
    browser.run(f"() => {KEPT}")
    site.kill("venue")
    open_scanner(browser, address)
    browser.see("#line[data-link=offline]")
    assert verdict(browser, visitor.code()) == "queued"
    site.restart()
    browser.goto(address)
    browser.see("#line[data-link=online]")
    browser.wait("() => document.getElementById('waiting').dataset.count === '0'")
    browser.goto(site.url("venue", "/operator"))
    browser.wait("() => /^2 /.test(document.getElementById('total').textContent)")


def test_a_visitors_browser_comes_to_the_public_pages_values(browser: OtherBrowser, tmp_path: Path) -> None:
    """Every step; the second time it compares with the first."""
    with audited(tmp_path / "retention") as address:
        for nothing in (("witnesses", "continued"), ("witnesses",)):
            browser.goto(f"{address}/?lang=en")
            browser.click("#run")
            browser.wait("() => document.getElementById('outcome').textContent")
            states = {name: browser.run(STATE, name) for name in STEPS}
            assert states == ended(*nothing), browser.text(".checks")


def test_signatures_of_keys_that_are_taken_are_judged_as_every_library_does(browser: OtherBrowser, files: str) -> None:
    """Wycheproof, the twelve disputed ones, and the 914 of CCTV: those whose key passes where keys enter; and codes."""
    browser.goto(f"{files}/tests/js/blank.html")
    judged = keys()
    taken = {key["public"] for key in judged if key["expected"] == "ok"}
    cases = [case for case in signatures() if case["public"] in taken]
    assert len(cases) >= 150
    codes = json.loads((VECTORS / "presentation.json").read_text(encoding="ascii"))
    results = browser.run(JUDGE, {"signatures": cases, "keys": judged, "presentation": codes})
    assert len(results) > len(cases) + len(judged) + len(codes["cases"])
    assert [result for result in results if result["got"] != result["expected"]] == []


@pytest.mark.parametrize("browser", ["webkit"], indirect=True)
def test_on_other_keys_webkit_differs_from_the_registry(browser: OtherBrowser, files: str) -> None:
    """The control: without the question about keys a code would be admitted offline and refused at upload, or the
    other way round."""
    browser.goto(f"{files}/tests/js/blank.html")
    cases = [case for case in signatures() if case["name"].startswith("cctv")]
    results: list[dict[str, Any]] = browser.run(JUDGE, {"signatures": cases})
    assert len(results) == len(cases) == 914
    taken = {key["public"] for key in keys() if key["expected"] == "ok"}
    differ = [case for case, said in zip(cases, results, strict=True) if said["got"] != case["expected"]]
    assert differ
    assert {case["public"] for case in differ} & taken == set()
