"""Debian's Chromium by playwright, and a server for modules and vectors without any service."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser.healthoffice import HealthOffice
from tests.browser.pages import Camera
from tests.conftest import Needs
from tests.support.deployment_in_processes import Site, running

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium")
VENDOR = ROOT / "checkin" / "web" / "static" / "vendor" / "zxing"


Launch = Callable[[], Browser]


@pytest.fixture(scope="module")  # for as long as it lives, no other test may run an event loop
def playwright_() -> Iterator[Playwright]:
    """One driver for a file's browsers."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def lens(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    """The camera of a file's browser."""
    return Camera(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture(scope="module")
def one_browser(playwright_: Playwright, lens: Camera) -> Iterator[Browser]:
    """For all tests of a file: it takes longer to start than most of them."""
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={lens.path}")
    browser = playwright_.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=180_000)
    yield browser
    browser.close()


@pytest.fixture
def launch(needs: Needs, request: pytest.FixtureRequest) -> Iterator[Launch]:
    """Gives the browser; its windows and stores end with the test."""
    needs("a browser for the pages' tests", CHROMIUM, "apt install chromium")
    needs("the pages' npm packages", VENDOR.exists(), "pip install -e . (with npm on the path)")
    browser: Browser = request.getfixturevalue("one_browser")
    yield lambda: browser
    for context in browser.contexts:
        context.close()


@pytest.fixture
def node(needs: Needs) -> str:
    """The path of node, 20 or newer."""
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else "v0"
    needs("node for the pages' modules", int(version[1:].split(".")[0]) >= 20, "apt install nodejs (20 or newer)")
    needs("the pages' npm packages", VENDOR.exists(), "pip install -e . (with npm on the path)")
    assert found
    return found


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def files() -> Iterator[str]:
    """The address of a server for the checkout's files: a page served by tests only."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(ROOT)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def health_office() -> HealthOffice:
    """Who signs vaccination certificates that the deployment's issuer trusts."""
    return HealthOffice()


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory, health_office: HealthOffice) -> Iterator[Site]:
    """One deployment for all tests of the pages."""
    with running(tmp_path_factory.mktemp("site"), health_office.pem) as site:
        yield site


@pytest.fixture
def site(launch: Launch, running_site: Site) -> Iterator[Site]:  # noqa: ARG001 - without a browser nothing is started
    """All three services; whatever a test killed runs again after it."""
    yield running_site
    running_site.restart()


@pytest.fixture
def camera(lens: Camera) -> Camera:
    """What a scanner sees: nothing at first."""
    lens.show(None)
    return lens


@pytest.fixture
def page(launch: Launch, files: str) -> Page:
    """A page with nothing on it."""
    made = launch().new_page()
    made.goto(f"{files}/tests/js/blank.html")
    return made
