"""A network between a client and its service that answers in the service's place, as portals and proxies do."""

from __future__ import annotations

import http.server
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

Answer = tuple[int, str, str]
"""Status, media type, body."""

WRONG: Final[dict[str, Answer]] = {
    "a portal's page": (200, "text/html", "<html>Please log in</html>"),
    "a portal's page for what was made": (201, "text/html", "<html>Welcome</html>"),
    "another's JSON": (200, "application/json", '{"status":"ok"}'),
    "a list": (200, "application/json", "[]"),
    "nothing": (200, "application/json", ""),
    "no content": (204, "", ""),
    "a redirect": (302, "text/html", ""),
    "a proxy's 429": (429, "text/plain", "slow down"),
    "a proxy's 500": (500, "text/html", "<html>Error</html>"),
    "a proxy's 502": (502, "text/html", "<html>Bad Gateway</html>"),
    "a proxy's 504": (504, "application/json", '{"message":"Endpoint request timed out"}'),
    "a portal's 401": (401, "text/html", "<html>Log in</html>"),
    "a portal's 404 as a problem": (404, "application/problem+json", '{"type":"about:blank","status":404}'),
}


class Network(http.server.ThreadingHTTPServer):
    """Passes everything on to `target`, but what `rules` has an answer for, by method and path."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.rules: dict[tuple[str, str], Answer] = {}
        self.given: Counter[tuple[str, str]] = Counter()  # answers by a rule
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Every method is answered by `_answer`."""

    protocol_version = "HTTP/1.1"
    server: Network

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
        asked = self.command, self.path.partition("?")[0]
        rule = self.server.rules.get(asked)
        status, kind, data = (rule[0], rule[1], rule[2].encode()) if rule else self._passed_on(body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.server.given[asked] += rule is not None

    def _passed_on(self, body: bytes | None) -> tuple[int, str, bytes]:
        left_out = ("host", "connection", "content-length", "accept-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        url = self.server.target + self.path
        asked = urllib.request.Request(url, body, headers, method=self.command)  # noqa: S310 - a loopback address
        try:
            with urllib.request.urlopen(asked, timeout=60) as reply:  # noqa: S310
                return reply.status, reply.headers.get("content-type", ""), reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("content-type", ""), error.read()


@contextmanager
def hostile(target: str) -> Iterator[Network]:
    """A network in front of the service at `target`."""
    network = Network(target)
    thread = threading.Thread(target=network.serve_forever, daemon=True)
    thread.start()
    yield network
    network.shutdown()
    network.server_close()
    thread.join()
