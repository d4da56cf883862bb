"""What a steward is told at the door: of two codes at once, a camera that is lost, visits that wait at another gate."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, expect

from tests.browser.conftest import Launch
from tests.browser.looks import looked_at
from tests.browser.pages import Camera, ScannerPage
from tests.support.deployment_in_processes import Site, Visitor

TAKEN = """() => { navigator.mediaDevices.getUserMedia =
    () => Promise.reject(new DOMException("in use", "NotReadableError")); }"""
LOSE_CAMERA = """(() => {
    const [track] = document.getElementById("camera").srcObject.getVideoTracks();
    track.stop();
    track.dispatchEvent(new Event("ended"));
})()"""


def test_two_codes_in_one_view_are_both_judged(site: Site, launch: Launch, camera: Camera) -> None:
    """Two people who hold up their phones together; a poster beside them is nobody's turn."""
    venue, visitor = site.venue(), Visitor(site)
    scanner = ScannerPage(site, launch(), camera)
    scanner.enrol(venue.device("front"))
    scanner.stand_still()
    camera.show(visitor.code(), visitor.code())
    assert scanner.next_verdict(1)["code"] == "accepted"
    scanner.frames(10)
    assert [verdict["code"] for verdict in scanner.verdicts()] == ["accepted", "accepted"]
    assert venue.total() == 2


def test_a_camera_that_is_lost_is_told_and_comes_back(site: Site, launch: Launch, camera: Camera) -> None:
    """No frozen picture without a word: a sentence, a button, and the next code is judged."""
    venue, visitor = site.venue(), Visitor(site)
    scanner = ScannerPage(site, launch(), camera)
    scanner.enrol(venue.device("front"))
    page = scanner.page
    page.evaluate(TAKEN)
    page.evaluate(LOSE_CAMERA)
    expect(page.locator("#no-camera")).to_contain_text("camera")
    expect(page.locator(".frame")).to_be_hidden()
    page.evaluate("delete navigator.mediaDevices.getUserMedia")
    page.evaluate("document.getElementById('camera-again').click()")
    expect(page.locator("#no-camera")).to_be_hidden()
    expect(page.locator(".frame")).to_be_visible()
    page.evaluate(LOSE_CAMERA)
    expect(page.locator("#no-camera")).to_be_hidden()
    assert scanner.verdict(visitor.code()) == "accepted"


def test_another_gate_takes_over_only_after_a_word_and_loses_nothing(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """What waits is counted, asked about, kept, and uploaded as the gate's that scanned it."""
    venue, visitor = site.venue(), Visitor(site)
    scanner = ScannerPage(site, launch(), camera)
    scanner.enrol(venue.device("front"))
    page, asked = scanner.page, list[str]()
    scanner.context.route("**/v1/*", lambda route: route.abort())
    scanner.context.route("**/v1/check-ins/*", lambda route: route.abort())
    assert scanner.verdict(visitor.code()) == "queued"

    def leave(answer: str) -> None:
        def reply(dialog: Dialog) -> None:
            asked.append(dialog.message)
            getattr(dialog, answer)()

        page.once("dialog", reply)
        page.click("#menu-open")
        with page.expect_event("dialog"):  # which comes once it is known how many wait
            page.click("#leave")

    leave("dismiss")
    expect(page.locator("#enrol")).to_be_hidden()
    leave("accept")
    expect(page.locator("#enrol")).to_be_visible()
    assert all("not uploaded yet: 1." in message for message in asked) and len(asked) == 2
    page.fill("#enrol-text", venue.device("back"))
    page.click("#enrol-form [type=submit]")
    scanner.line("offline", waiting=1)
    scanner.context.unroute("**/v1/*")
    scanner.context.unroute("**/v1/check-ins/*")
    page.evaluate("dispatchEvent(new Event('online'))")
    scanner.line("online", waiting=0)
    assert venue.total() == 1
    expect(page.locator("#findings-open")).to_be_hidden()


NO_ROOM = """IDBObjectStore.prototype.put = ((put) => function (...all) {
    if ([true, this.name].includes(window.full)) throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, all);
})(IDBObjectStore.prototype.put)"""


def test_a_visit_that_was_recorded_is_welcome_though_the_device_is_full(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """The registry has it, and refuses the code a second time."""
    venue, visitor = site.venue(), Visitor(site)
    scanner = ScannerPage(site, launch(), camera)
    scanner.context.add_init_script(NO_ROOM)
    scanner.enrol(venue.device("front"))
    text = visitor.code()
    scanner.page.evaluate("window.full = 'seen'")
    assert scanner.verdict(text) == "accepted"
    assert venue.total() == 1
    assert scanner.verdict(text) in ("already_used", "token_expired")


def test_whatever_keeps_a_scanner_from_being_enrolled_is_said_beside_the_field(
    site: Site, launch: Launch, camera: Camera
) -> None:
    """A text that is none, and a device that can keep nothing; in the language of now, and in view on a small phone."""
    scanner = ScannerPage(site, launch(), camera, viewport={"width": 320, "height": 568})
    scanner.context.add_init_script(NO_ROOM)
    scanner.open()
    page, told = scanner.page, scanner.page.locator("#enrol-error")
    for text, full, invalid, words in (
        ("a poster", "false", "true", ("not an operator's scanner code", "운영자의 스캐너 코드가 아닙니다")),
        (site.venue().device("front"), "true", None, ("That did not work on this device", "이 기기에서 제대로")),
    ):
        page.evaluate(f"window.full = {full}")
        page.fill("#enrol-text", text)
        page.click("#enrol-form [type=submit]")
        expect(told).to_contain_text(words[0])
        expect(told).to_be_in_viewport(ratio=1)
        expect(page.locator("#enrol-text")).to_be_focused()
        assert page.get_attribute("#enrol-text", "aria-invalid") == invalid
        page.click("#enrol [data-language=ko]")
        expect(told).to_contain_text(words[1])
        looked_at(page, text)  # and leaves the page in English
    page.evaluate("window.full = false")
    page.click("#enrol-form [type=submit]")
    scanner.line("online")


@pytest.mark.parametrize("kept", ["false", "true"])
def test_a_browser_that_may_delete_what_waits_is_asked_not_to_and_a_refusal_is_told(
    site: Site, launch: Launch, camera: Camera, kept: str
) -> None:
    """Also when the page is opened again."""
    scanner = ScannerPage(site, launch(), camera)
    scanner.context.add_init_script(
        f"navigator.storage.persisted = async () => false; navigator.storage.persist = async () => {kept};"
    )
    scanner.enrol(site.venue().device("front"))
    for _ in range(2):
        scanner.page.click("#menu-open")
        if kept == "true":
            expect(scanner.page.locator("#not-kept")).to_be_hidden()
        else:
            expect(scanner.page.locator("#not-kept")).to_be_visible()
        scanner.page.reload()
        scanner.page.wait_for_selector("body[data-started]")
