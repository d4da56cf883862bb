"""Draws the pictures of docs/images from the running product: `python tests/browser/screenshots.py [NAME …]`.

The pages as a phone shows them, light and dark, in English and Korean; the end of the demonstration as a terminal does.
Needs chromium and pngquant. NAME is wallet, scanner, operator, public or terminal.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Error, Page, sync_playwright
from rich.console import Console
from rich.text import Text

from checkin.deployment.child import Child, end
from checkin.deployment.deployment import Deployment
from tests.browser.pages import Camera, ScannerPage, WalletPage
from tests.browser.test_operator import sign_in, stop_and_start, visit
from tests.support.deployment_in_processes import Site, Visitor, running

ROOT: Final = Path(__file__).parents[2]
IMAGES: Final = ROOT / "docs" / "images"
LOOKS: Final = [(language, scheme) for language in ("en", "ko") for scheme in ("light", "dark")]
LOCALES: Final = {"en": "en-US", "ko": "ko-KR"}
MOST_BYTES: Final = 80_000
COLUMNS: Final = 100
# A verdict is on the screen for a second; a picture takes longer on a slow machine.
LINGER: Final = """setTimeout = ((later) => (f, ms, ...rest) =>
    later(f, ms > 500 && ms < 4000 ? 40 * ms : ms, ...rest))(setTimeout)"""
CHROMIUM: Final = shutil.which("chromium")


def main(wanted: list[str]) -> None:
    """All pictures, or those that are named."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        camera = Camera(folder / "camera.y4m")
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags.append(f"--use-file-for-fake-video-capture={camera.path}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=180_000)
        if not wanted or set(wanted) & {"wallet", "scanner", "operator"}:
            with running(folder / "site") as site:
                for part, draw in {"wallet": wallet, "scanner": scanner, "operator": operator}.items():
                    if not wanted or part in wanted:
                        draw(site, browser, folder, camera)
        if not wanted or set(wanted) & {"public", "terminal"}:
            demonstration(browser, folder / "demo", wanted)
        browser.close()


def options(language: str, scheme: str) -> dict[str, Any]:
    """How a browser's window is made for one look."""
    return {"locale": LOCALES[language], "color_scheme": scheme, "device_scale_factor": 2, "reduced_motion": "reduce"}


def wallet(site: Site, browser: Browser, _folder: Path, _camera: Camera) -> None:
    """A code, ready for the door."""
    for language, scheme in LOOKS:
        phone = WalletPage(site, browser, **options(language, scheme))
        phone.register("김지우" if language == "ko" else "Kim Ji-woo")
        save(phone.page, f"wallet-{language}-{scheme}")
        phone.context.close()


def scanner(site: Site, browser: Browser, _folder: Path, camera: Camera) -> None:
    """A code that was taken; a verdict is as bright by night as by day."""
    venue, visitor = site.venue(), Visitor(site)
    for language, scheme in LOOKS[::2]:
        device = ScannerPage(site, browser, camera, **options(language, scheme))
        device.context.add_init_script(LINGER)
        device.enrol(venue.device("정문" if language == "ko" else "Front door"))
        camera.show(visitor.code())
        device.page.wait_for_selector("#verdict:not([hidden])")
        save(device.page, f"scanner-{language}")
        camera.show(None)
        device.context.close()


def operator(site: Site, browser: Browser, _folder: Path, _camera: Camera) -> None:
    """A venue's day."""
    venue = site.venue()
    gates = [venue.ask("POST", "/scanners", {"label": label}) for label in ("정문 Front", "뒷문 Back")]
    for _ in range(4):
        visit(site, gates + gates[:1], site.calendar)
    stop_and_start(site)
    for language, scheme in LOOKS:
        context = browser.new_context(viewport={"width": 390, "height": 844}, **options(language, scheme))
        page = context.new_page()
        sign_in(page, site, venue)
        page.wait_for_load_state("networkidle")
        page.evaluate("scrollTo(0, 0)")
        save(page, f"operator-{language}-{scheme}")
        context.close()


def demonstration(browser: Browser, folder: Path, wanted: list[str]) -> None:
    """The public page of a deployment that has destroyed days, and what the demonstration says in a terminal."""
    printed = in_terminal([sys.executable, "-m", "checkin", "demo", "--dir", str(folder)])
    if not wanted or "terminal" in wanted:
        terminal(browser, printed)
    if wanted and "public" not in wanted:
        return
    deployment = Deployment.open_or_make(folder, None, simulated_clock=folder / "clock")
    arguments = ["serve", "retention", "--config", str(deployment.config("retention"))]
    child = Child([*arguments, "--simulated-clock", str(folder / "clock")], folder / "log")
    try:
        for language, scheme in LOOKS:
            context = browser.new_context(viewport={"width": 390, "height": 844}, **options(language, scheme))
            page = context.new_page()
            reach(page, f"{deployment.url('retention')}/?lang={language}")
            save(page, f"public-{language}-{scheme}")
            context.close()
    finally:
        end([child])


def reach(page: Page, address: str) -> None:
    """The page, once the service answers."""
    for _ in range(600):
        try:
            page.goto(address)
        except Error:  # not there yet
            page.wait_for_timeout(500)
        else:
            return
    raise SystemExit(f"{address} does not answer")


def in_terminal(command: list[str]) -> str:
    """What a command prints into a terminal of so many columns."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"}
    parent, child = pty.openpty()
    with subprocess.Popen(command, stdout=child, stderr=child, env=environment, cwd=ROOT) as process:
        os.close(child)
        printed = b""
        try:
            while piece := os.read(parent, 65536):
                printed += piece
        except OSError:  # the other side is closed
            pass
        if process.wait():
            raise SystemExit(printed.decode(errors="replace")[-2000:])
    return printed.decode()


def terminal(browser: Browser, printed: str) -> None:
    """The end of the story in its colours; how long each step took is left out, it tells of the machine."""
    lines = [line.rsplit("\r", 1)[-1] for line in printed.replace("\r\n", "\n").split("\n")]
    story = re.sub(r"  (?:\x1b\[[0-9;]*m)*\d+\.\d\d s", "", "\n".join(lines))
    first, last = (story.rindex("\n", 0, story.index(text)) for text in ("Twenty-eight days", "Everything verifies"))
    part = story[first + 1 : last].rstrip()
    for scheme, ink, paper in (("light", "#1b1b1f", "#ffffff"), ("dark", "#e6e6ea", "#16161a")):
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi(part), soft_wrap=True)
        page = browser.new_page(viewport={"width": 1000, "height": 600})
        page.set_content(console.export_html(inline_styles=True))
        page.add_style_tag(content=f"body{{background:{paper}!important;color:{ink}!important;margin:16px}}")
        save(page, f"terminal-{scheme}", whole=True)
        page.close()


def save(page: Page, name: str, *, whole: bool = False) -> None:
    """The window, or the whole page, as a picture of few colours."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=str(path), full_page=whole)
    quant = ["pngquant", "--force", "--skip-if-larger", "--speed", "1", "--output", str(path)]
    for colours in (256, 128, 64, 32):
        subprocess.run([*quant, str(colours), str(path)], check=False)
        if path.stat().st_size <= MOST_BYTES:
            break
    sys.stdout.write(f"{path.relative_to(ROOT)} {path.stat().st_size}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
