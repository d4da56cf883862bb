"""A page that the debugging protocol freezes and thaws, as a phone does with what nobody looks at.

Playwright keeps its own pages in view for ever, so this one is opened beside it, in a browser context of its own.
"""

from __future__ import annotations

import json
import time
from typing import Any

from playwright.sync_api import Browser

from tests.browser.pages import PATIENCE_MS


class SleepingPage:
    """A page of its own at an address."""

    def __init__(self, browser: Browser, url: str, script: str = "") -> None:
        """`script` runs before the page's own."""
        self._browser, self._answers, self._asked = browser.new_browser_cdp_session(), {}, 0  # type: ignore[var-annotated]
        self._browser.on("Target.receivedMessageFromTarget", self._take)
        context = self._browser.send("Target.createBrowserContext")["browserContextId"]
        wanted = {"url": "about:blank", "browserContextId": context, "width": 390, "height": 844}
        self._target = self._browser.send("Target.createTarget", wanted)["targetId"]
        found = self._browser.send("Target.attachToTarget", {"targetId": self._target, "flatten": False})
        self._session = found["sessionId"]
        self.ask("Page.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.ask("Page.navigate", url=url)

    def _take(self, event: Any) -> None:
        message = json.loads(event["message"])
        self._answers[message.get("id")] = message

    def ask(self, method: str, **values: Any) -> Any:
        """The answer to a command of the protocol."""
        self._asked += 1
        message = json.dumps({"id": self._asked, "method": method, "params": values})
        self._browser.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": message})
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while self._asked not in self._answers:
            assert time.monotonic() < deadline, method
            self._browser.send("Target.getTargets")  # lets events come in
        return self._answers.pop(self._asked)["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The first value of the expression that is true."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)
        return found

    def freeze(self) -> None:
        """Out of sight, and no script runs."""
        self.ask("Emulation.setFocusEmulationEnabled", enabled=False)
        self.evaluate("document.addEventListener('freeze', () => (window.isFrozen = true)); window.isFrozen = false")
        self.ask("Page.setWebLifecycleState", state="frozen")
        self.wait("window.isFrozen")

    def thaw(self) -> None:
        """Scripts run, and somebody looks."""
        self.ask("Page.setWebLifecycleState", state="active")
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # without a window nothing else shows it
        self.wait("!document.hidden")
