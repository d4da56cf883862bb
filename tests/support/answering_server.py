"""An HTTP server on a loopback port, in a thread, that answers what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Heard(NamedTuple):
    """A request; `token`: its whole Authorization header."""

    method: str
    target: str
    token: str | None
    body: bytes


class Said(NamedTuple):
    """The answer to one."""

    content: bytes
    status: int = 200
    kind: str = "application/json"


class AnsweringServer:
    """From now on until `stop`."""

    def __init__(self, answer: Callable[[Heard], Said]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = answer(Heard(self.command, self.path, self.headers["Authorization"], body))
                self.send_response(said.status)
                self.send_header("Content-Type", said.kind)
                self.send_header("Content-Length", str(len(said.content)))
                self.end_headers()
                self.wfile.write(said.content)

            do_POST = do_PUT = do_GET  # noqa: N815 - the standard library's names

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Nobody answers there any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
