"""A camera that sees what it is told, and the pages as people use them."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.deployment_in_processes import Site, new_number, visit_of
from tests.support.frames import drawn

PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 180_000
expect.set_options(timeout=PATIENCE_MS)
FRESH_SECONDS = 8  # of the 20 that a code lives: time enough to be judged
# A verdict is on the screen for a second or two; what is asked for later is what was shown, not what is still there.
NOTE_VERDICTS = """() => {
    const panel = document.getElementById("verdict");
    window.verdicts = [];
    const note = () => panel.hidden || window.verdicts.push(
        { code: panel.dataset.code, reason: document.getElementById("verdict-reason").textContent });
    if (panel) new MutationObserver(note).observe(panel, { attributes: true, attributeFilter: ["hidden"] });
}"""
RECORDER = f'addEventListener("DOMContentLoaded", {NOTE_VERDICTS})'
# At a door nobody waits longer than 2.5 seconds for an answer; here a machine may be that slow.
PATIENT = """AbortSignal.timeout = ((timeout) => (ms) => timeout.call(AbortSignal, 10 * ms))(AbortSignal.timeout)"""
FRAMES = "document.getElementById('camera').getVideoPlaybackQuality().totalVideoFrames"
KEPT = "navigator.serviceWorker.ready.then(() => true)"  # all files are on the device
# What a page waits for passes at once by `passBy(ms)`: timers that are due end, and frames, which are told by
# performance.now(), are that much older. The time of day, also as timeOrigin + now() tell it, goes on as ever.
PASSING = """(() => {
    const [now, origin] = [performance.now.bind(performance), performance.timeOrigin];
    const [later, never, waiting] = [setTimeout.bind(window), clearTimeout.bind(window), new Map()];
    let passed = 0;
    const told = () => now() + passed;
    performance.now = told;
    Object.defineProperty(performance, "timeOrigin", { configurable: true, get: () => origin - passed });
    window.setTimeout = (call, ms = 0, ...rest) => {
        const end = () => waiting.delete(timer) && call(...rest);
        const timer = later(end, ms);
        waiting.set(timer, { end, due: told() + ms });
        return timer;
    };
    window.clearTimeout = (timer) => { waiting.delete(timer); never(timer); };
    window.passBy = (ms) => {
        passed += ms;
        for (const { end, due } of [...waiting.values()]) if (due <= told()) end();
    };
})()"""
STILL = """((now, go, { get: origin }) => {
    performance.now = () => now;
    Object.defineProperty(performance, "timeOrigin", { get: () => origin() + go() - now });
})(performance.now(), performance.now, Object.getOwnPropertyDescriptor(performance, "timeOrigin"))"""
READ_MS, GONE_MS = 2300, 1600  # a little more than a verdict is shown, and than a code is gone before it is judged anew


class Camera:
    """A y4m file that Chromium takes for a camera; writing it in place changes the picture."""

    SIZE = (640, 480)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.show(None)

    def show(self, *texts: str | None) -> None:
        """From now on the camera sees this code, or several side by side, or nothing."""
        width, height = self.SIZE
        picture = Image.new("L", self.SIZE, 140)
        codes = [text for text in texts if text]
        for place, text in enumerate(codes):
            part = width // len(codes)
            side = min(part, height - 20)
            code = drawn(text).resize((side, side), Image.Resampling.LANCZOS)
            picture.paste(code, (place * part + (part - side) // 2, 10))
        frame = b"FRAME\n" + picture.tobytes() + b"\x80" * (width * height // 2)
        header = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.write(header + frame * 2)


class WalletPage:
    """Somebody's phone."""

    def __init__(self, site: Site, browser: Browser, **options: Any) -> None:
        settings: dict[str, Any] = {"viewport": PHONE, "locale": "en-US", "has_touch": True} | options
        self.context: BrowserContext = browser.new_context(**settings)
        for script in (PATIENT, PASSING):
            self.context.add_init_script(script)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.site = site
        self.phone = new_number()

    def register(self, name: str = "Kim Ji-woo") -> None:
        """The three short steps; then the code is there, and the page can do without a network."""
        page = self.page
        page.goto(self.site.url("issuer", "/wallet"))
        page.fill("#name", name)
        page.fill("#phone", f"010{self.phone}")
        page.click("#step-who [type=submit]")
        page.wait_for_selector("#one-time:visible")
        page.fill("#one-time", self.site.message(self.phone))
        page.click("#step-code [type=submit]")
        page.click("#shake-skip")
        self.wait()
        page.evaluate(KEPT)

    def wait(self) -> None:
        """Until a code is on the screen."""
        self.page.wait_for_selector("#qr path", state="attached")

    def new_code(self) -> str:
        """Another credential's code, by the button, once it is on the screen."""
        before = visit_of(self._read())
        self.page.click("#new-code")
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while visit_of(self._read()) == before:
            assert time.monotonic() < deadline, "the button gives no new code"
        return self.text()

    def text(self, age: int = FRESH_SECONDS) -> str:
        """What a camera reads off the screen, signed at most so many seconds ago: it renews itself every 15."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while True:
            signed = self.signed_at()
            text = self._read()
            if time.time() - signed <= age and self.signed_at() == signed:
                return text
            assert time.monotonic() < deadline, "the code does not renew itself"
            time.sleep(0.1)

    def _read(self) -> str:
        picture = Image.open(io.BytesIO(self.page.locator(".paper-white").screenshot()))
        found = zxingcpp.read_barcodes(picture)
        assert found, "no code can be read off the wallet's screen"
        return str(found[0].text)

    def signed_at(self) -> int:
        """When the code on the screen was signed."""
        return int(self.page.locator("#qr").get_attribute("data-iat") or 0)


class ScannerPage:
    """A device at a gate."""

    def __init__(self, site: Site, browser: Browser, camera: Camera, **options: Any) -> None:
        settings: dict[str, Any] = {"viewport": PHONE, "locale": "en-US"} | options
        self.context: BrowserContext = browser.new_context(**settings)
        for script in (PATIENT, RECORDER, PASSING):
            self.context.add_init_script(script)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.site = site
        self.camera = camera

    def open(self) -> None:
        """The page, ready."""
        self.page.goto(self.site.url("venue", "/scanner"))
        self.page.wait_for_selector("body[data-started]")

    def enrol(self, device: str) -> None:
        """By the text of the operator's code."""
        self.open()
        self.page.fill("#enrol-text", device)
        self.page.click("#enrol-form button")
        self.line("online")
        self.page.evaluate(KEPT)

    def line(self, link: str, waiting: int | None = None) -> None:
        """Until the thin line says so."""
        expect(self.page.locator(f"#line[data-link={link}]")).to_be_visible()
        if waiting is not None:
            expect(self.page.locator("#waiting")).to_have_attribute("data-count", str(waiting))

    def comes_back(self) -> None:
        """Until the line is online again by itself: the pauses between its tries pass at once."""
        asks = "() => passBy(1000) || document.querySelector('#line[data-link=online]')"
        self.page.wait_for_function(asks, polling=100)

    def verdicts(self) -> list[dict[str, str]]:
        """All that were shown since the page was loaded, {code, reason} each."""
        found: list[dict[str, str]] = self.page.evaluate("window.verdicts")
        return found

    def next_verdict(self, seen: int) -> dict[str, str]:
        """The one after so many, once it is shown."""
        self.page.wait_for_function("(seen) => window.verdicts.length > seen", arg=seen)
        return self.verdicts()[seen]

    def stand_still(self) -> None:
        """From now on no time passes between two frames: what stays in view stays, however slow the machine is."""
        self.page.evaluate(STILL)

    def away(self) -> None:
        """The camera sees nothing, and has done so for long enough that whoever comes next is somebody new."""
        self.camera.show(None)
        self.page.evaluate("(ms) => passBy(ms)", READ_MS)
        self.page.wait_for_selector("#verdict", state="hidden")
        self.frames(5)  # none of the old ones is left
        self.page.evaluate("(ms) => passBy(ms)", GONE_MS)

    def frames(self, count: int) -> None:
        """The camera took so many more pictures."""
        since = self.page.evaluate(FRAMES)
        self.page.wait_for_function(f"(enough) => {FRAMES} >= enough", arg=since + count)

    def verdict(self, text: str) -> str:
        """The code of the verdict once the camera sees this text; afterwards it sees nothing."""
        seen = len(self.verdicts())
        self.camera.show(text)
        code = self.next_verdict(seen)["code"]
        self.away()
        return code

    def reason(self) -> str:
        """The last verdict in words."""
        return self.verdicts()[-1]["reason"]
