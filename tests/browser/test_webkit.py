"""WebKitGTK, whose cryptography is libgcrypt's, judges signatures and keys as every other library does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.service.addresses import free_ports
from tests.browser.judgedvectors import VECTORS, keys, signatures
from tests.conftest import Needs

PATIENCE_SECONDS = 300
JUDGE = """const [vectors, done] = arguments;
Promise.all([import("/tests/js/judge.js")]).then(async ([{ judgeAll, load }]) =>
    done(await judgeAll(await load("/checkin/web/static/js"), vectors))).catch((error) => done(`${error}`));"""


class WebKit:
    """A session of WebKitWebDriver, spoken to in the W3C's protocol."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, trust_env=False)
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {}}})
        self._session = f"/session/{answer['sessionId']}"
        self._ask("POST", f"{self._session}/timeouts", {"script": PATIENCE_SECONDS * 1000})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def goto(self, url: str) -> None:
        """Until the page is loaded."""
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What an asynchronous script hands to its last argument."""
        return self._ask("POST", f"{self._session}/execute/async", {"script": script, "args": list(arguments)})

    def close(self) -> None:
        """The browser, and the connection to its driver."""
        self._ask("DELETE", self._session)
        self._http.close()


@pytest.fixture
def display() -> Iterator[str]:
    """A screen that nobody looks at."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture
def webkit(needs: Needs, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WebKit]:
    """WebKitGTK's MiniBrowser."""
    needs("WebKitGTK, the other family of verifiers", shutil.which("WebKitWebDriver"), "apt install webkit2gtk-driver")
    needs("a screen for WebKitGTK", shutil.which("Xvfb"), "apt install xvfb")
    display: str = request.getfixturevalue("display")
    [port] = free_ports(1)
    environment = os.environ | {
        "DISPLAY": display,
        "HOME": str(tmp_path),
        "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # inside a container there is none to be had
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "GDK_BACKEND": "x11",
        "NO_AT_BRIDGE": "1",
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
    }
    driver = subprocess.Popen(
        ["WebKitWebDriver", f"--port={port}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    session: WebKit | None = None
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/status", trust_env=False)
                break
            except httpx.TransportError:
                assert driver.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        session = WebKit(f"http://127.0.0.1:{port}")
        yield session
    finally:
        if session:
            session.close()
        driver.terminate()
        driver.wait()


def test_webkit_judges_signatures_of_keys_that_are_taken_as_every_library_does(webkit: WebKit, files: str) -> None:
    """Wycheproof, the twelve disputed ones, and the 914 of CCTV: those whose key passes where keys enter; and codes."""
    webkit.goto(f"{files}/tests/js/blank.html")
    judged = keys()
    taken = {key["public"] for key in judged if key["expected"] == "ok"}
    cases = [case for case in signatures() if case["public"] in taken]
    assert len(cases) >= 150
    codes = json.loads((VECTORS / "presentation.json").read_text(encoding="ascii"))
    results = webkit.run(JUDGE, {"signatures": cases, "keys": judged, "presentation": codes})
    assert len(results) > len(cases) + len(judged) + len(codes["cases"])
    assert [result for result in results if result["got"] != result["expected"]] == []


def test_on_other_keys_webkit_differs_from_the_registry(webkit: WebKit, files: str) -> None:
    """The control: without the question about keys a code would be admitted offline and refused at upload, or the
    other way round."""
    webkit.goto(f"{files}/tests/js/blank.html")
    cases = [case for case in signatures() if case["name"].startswith("cctv")]
    results = webkit.run(JUDGE, {"signatures": cases})
    assert len(results) == len(cases) == 914
    taken = {key["public"] for key in keys() if key["expected"] == "ok"}
    differ = [case for case, said in zip(cases, results, strict=True) if said["got"] != case["expected"]]
    assert differ
    assert {case["public"] for case in differ} & taken == set()
