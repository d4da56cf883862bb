"""The town's connection answers as any client's, shares what is public, and says when nothing answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from checkin.errors import Unreachable
from checkin.http.asking import Ask
from checkin.simulation.town import OneConnection


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        heard.append((self.path, self.headers.get("Authorization")))
        content = b'{"heard": %d}' % len(heard)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


heard: list[tuple[str, str | None]] = []


@contextmanager
def served() -> Iterator[str]:
    heard.clear()
    with HTTPServer(("127.0.0.1", 0), _Counting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_public_keys_are_asked_for_once_until_forgotten_and_nothing_else_is_shared() -> None:
    """Not what one asks with a token of one's own: that is sent each time, with its query."""
    with served() as url, OneConnection(url, None, 10) as line:
        assert [line.get("/v1/keys")["heard"] for _ in range(2)] == [1, 1]
        line.forget()
        assert line.get("/v1/keys")["heard"] == 2
        assert [line.answer(Ask("/v1/wallet?since=1", "a"))["heard"] for _ in range(2)] == [3, 4]
    assert heard[2:] == [("/v1/wallet?since=1", "Bearer a")] * 2


def test_a_service_that_has_gone_is_unreachable() -> None:
    """As for any other client."""
    with served() as url, OneConnection(url, None, 10) as line:
        line.get("/v1/keys")
        line.forget()
    with pytest.raises(Unreachable):
        line.get("/v1/keys")
