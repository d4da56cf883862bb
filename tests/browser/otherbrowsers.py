"""Browsers that are not Chromium, spoken to in the W3C's protocols: Firefox by WebDriver BiDi, WebKitGTK by WebDriver.

Both by the same few calls. Clicks and keys are the browser's own input, and a picture is what is on its screen.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from checkin.service.addresses import free_ports
from tests.support.waiting import PATIENCE, until

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
# Beside what Firefox itself sets for whoever drives it: nothing leaves the machine, and a camera shows a test picture.
PREFERENCES = {
    "intl.accept_languages": "en-US",
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}
SHOWN = """(selector) => {
    const element = document.querySelector(selector);
    if (!element?.checkVisibility() || element.disabled) return false;
    element.scrollIntoView({ block: "center", behavior: "instant" });
    return true;
}"""


class OtherBrowser(ABC):
    """One window."""

    @abstractmethod
    def goto(self, url: str) -> None:
        """Until the page is loaded."""

    @abstractmethod
    def call(self, function: str, argument: str) -> str | None:
        """The text that an asynchronous function of the page makes of a text."""

    @abstractmethod
    def click(self, selector: str) -> None:
        """As a finger does, once it can be pressed."""

    @abstractmethod
    def type(self, selector: str, text: str) -> None:
        """As a keyboard does."""

    @abstractmethod
    def screenshot(self, selector: str) -> str:
        """What is on the screen there, PNG in base64."""

    @abstractmethod
    def close(self) -> None:
        """The window, and the connection."""

    def run(self, function: str, *arguments: Any) -> Any:
        """What a function of the page, or its promise, comes to; anything that JSON can hold."""
        asked = f"async (all) => JSON.stringify(await ({function})(...JSON.parse(all)))"
        found = self.call(asked, json.dumps(arguments))
        return None if found is None else json.loads(found)

    def wait(self, function: str, *arguments: Any) -> Any:
        """The function's first value that is true."""
        try:
            return until(lambda: self.run(function, *arguments))
        except AssertionError as error:
            error.add_note(f"{function} {arguments}\n{self.text('body')}")
            raise

    def see(self, selector: str) -> None:
        """Until it is shown, and may be pressed if it is a button; in the middle of the window."""
        self.wait(SHOWN, selector)

    def text(self, selector: str) -> str:
        """Its words as they are shown."""
        return str(self.run("(selector) => document.querySelector(selector).innerText", selector))

    def picture(self, selector: str) -> Image.Image:
        """What is on the screen there."""
        return Image.open(io.BytesIO(base64.b64decode(self.screenshot(selector))))


class WebKit(OtherBrowser):
    """A session of WebKitWebDriver."""

    ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the protocol has for one

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {}}})
        self._session = f"/session/{answer['sessionId']}"
        self._ask("POST", f"{self._session}/timeouts", {"script": int(PATIENCE * 1000)})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def _element(self, selector: str) -> str:
        self.see(selector)
        sought = {"using": "css selector", "value": selector}
        return f"{self._session}/element/{self._ask('POST', f'{self._session}/element', sought)[self.ELEMENT]}"

    def goto(self, url: str) -> None:
        self._ask("POST", f"{self._session}/url", {"url": url})

    def call(self, function: str, argument: str) -> str | None:
        script = f"""const [given, done] = arguments;
            ({function})(given).then((made) => done([made ?? null]), (error) => done(`${{error}}`));"""
        answer = self._ask("POST", f"{self._session}/execute/async", {"script": script, "args": [argument]})
        assert isinstance(answer, list), answer
        found: str | None = answer[0]
        return found

    def click(self, selector: str) -> None:
        self._ask("POST", f"{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"{self._element(selector)}/value", {"text": text})

    def screenshot(self, selector: str) -> str:
        return str(self._ask("GET", f"{self._element(selector)}/screenshot"))

    def close(self) -> None:
        self._ask("DELETE", self._session)
        self._http.close()


class Firefox(OtherBrowser):
    """A session of WebDriver BiDi, whose websocket Firefox itself opens."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._asked = socket, 0
        self._ask("session.new", capabilities={})
        self._window = {"context": self._ask("browsingContext.getTree")["contexts"][0]["context"]}
        self._ask("browsingContext.setViewport", **self._window, viewport={"width": 390, "height": 844})

    def _ask(self, method: str, **params: Any) -> Any:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(PATIENCE))).get("id") != self._asked:
            pass  # an event
        assert answer["type"] == "success", answer
        return answer["result"]

    def _element(self, selector: str) -> dict[str, str]:
        self.see(selector)
        sought = {"type": "css", "value": selector}
        [found, *_] = self._ask("browsingContext.locateNodes", **self._window, locator=sought)["nodes"]
        return {"sharedId": found["sharedId"]}

    def _act(self, kind: str, *actions: dict[str, Any]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self._ask("input.performActions", **self._window, actions=[source])

    def goto(self, url: str) -> None:
        self._ask("browsingContext.navigate", **self._window, url=url, wait="complete")

    def call(self, function: str, argument: str) -> str | None:
        given = {"functionDeclaration": function, "arguments": [{"type": "string", "value": argument}]}
        answer = self._ask("script.callFunction", **given, target=self._window, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        found: str | None = answer["result"].get("value")
        return found

    def click(self, selector: str) -> None:
        place = {"origin": {"type": "element", "element": self._element(selector)}, "x": 0, "y": 0}
        buttons = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act("pointer", {"type": "pointerMove", **place}, *buttons)

    def type(self, selector: str, text: str) -> None:
        self.click(selector)
        self._act("key", *({"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")))

    def screenshot(self, selector: str) -> str:
        clip = {"type": "element", "element": self._element(selector)}
        return str(self._ask("browsingContext.captureScreenshot", **self._window, clip=clip)["data"])

    def close(self) -> None:
        self._ask("browser.close")


@contextmanager
def running(*command: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program as long as the block lasts."""
    silent: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **silent, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Firefox with an empty profile in this folder."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines), encoding="utf-8")
    told = folder / "WebDriverBiDiServer.json"
    command = (str(FIREFOX), "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port=0")
    with running(*command, env=os.environ | {"HOME": str(folder)}) as process:

        def address() -> dict[str, Any]:
            assert process.poll() is None, "Firefox has ended"
            with suppress(FileNotFoundError, json.JSONDecodeError):
                found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
                return found
            return {}

        found = until(address)
        url = f"ws://{found['ws_host']}:{found['ws_port']}/session"
        with connect(url, proxy=None, max_size=None) as socket:
            session = Firefox(socket)
            try:
                yield session
            finally:
                session.close()


@contextmanager
def _display() -> Iterator[str]:
    """A screen that nobody looks at."""
    read, write = os.pipe()
    screen = ("-screen", "0", "800x1000x24", "-nolisten", "tcp")
    with running("Xvfb", "-displayfd", str(write), *screen, pass_fds=[write]):
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield f":{number}"


@contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    """WebKitGTK's MiniBrowser, at home in this folder."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with _display() as display:
        environment = os.environ | {
            "DISPLAY": display,
            "HOME": str(folder),
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # inside a container there is none to be had
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1",
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        with running("WebKitWebDriver", f"--port={port}", env=environment) as driver:

            def answers() -> bool:
                assert driver.poll() is None, "WebKitWebDriver has ended"
                with suppress(httpx.TransportError):
                    return httpx.get(f"{url}/status", trust_env=False).is_success
                return False

            until(answers)
            session = WebKit(url)
            try:
                yield session
            finally:
                session.close()
