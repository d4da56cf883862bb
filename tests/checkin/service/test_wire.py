"""What a stranger can make a server hold before a request is one: little, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from checkin.service import limits
from checkin.service.limits import MAX_HEAD_BYTES, BoundedHttp
from tests.support.serving import port_of, serving

MAY = threading.Event()
LARGEST_CHUNK = 256 * 1024  # what asyncio reads at once


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes that the body has; under /held not before it may."""
    size, more = 0, scope["type"] == "http"
    while scope["path"] == "/held" and not MAY.is_set():
        await asyncio.sleep(0.01)
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": b"%08d" % size})


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    """With the bounded protocol."""
    with serving(app, http=BoundedHttp, lifespan="off", log_level="critical") as server:
        listening = server.servers[0].sockets[0]
        # Connections inherit it: what waits to be read is little, whatever the machine would allow.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        yield server


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    """Where it listens."""
    return port_of(server)


def flood(port: int, begin: bytes, more: bytes) -> int:
    """How many bytes the server takes before it ends the connection; at most 20 MB are sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        connection.sendall(begin)
        sent = len(begin)
        with contextlib.suppress(OSError):
            while sent < 20_000_000:
                connection.sendall(more)
                sent += len(more)
    return sent


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: " + b"b" * 1000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\na: ", b"b" * 1000),
        (b"GET /", b"a" * 1000),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: " + b"b" * 1000 + b"\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a=" + b"b" * 1000 + b";"),
    ],
    ids=["many headers", "one long header", "a long path", "many trailers", "a long chunk extension"],
)
def test_a_request_that_never_begins_is_ended(port: int, begin: bytes, more: bytes) -> None:
    """An attacker sends headers without end on one connection: the server hangs up, and keeps none of them."""
    buffers = 8_000_000  # of the two sockets
    assert flood(port, begin, more) < MAX_HEAD_BYTES + LARGEST_CHUNK + buffers


def test_who_sends_too_long_a_head_is_told_so(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * (MAX_HEAD_BYTES + 1))
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_large_bodies_and_many_requests_on_a_connection_pass(port: int) -> None:
    """The bound is on what is no body: a batch of 640 kB has no trouble, nor has a connection that is used for long."""
    body = b"x" * 3_000_000
    head = b"POST / HTTP/1.1\r\nHost: x\r\nx-note: " + b"y" * 8000 + b"\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for sent in (b"", body, b"", *[b"z"] * 50):
            connection.sendall(head + b"%d\r\n\r\n" % len(sent) + sent)
            answer = b""
            while not answer.endswith(b"%08d" % len(sent)):
                answer += connection.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\na: ", b"b"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b"b"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nb\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
    ],
    ids=["nothing", "empty lines", "a request line", "a header", "a body", "chunks", "after a whole request"],
)
def test_a_request_that_comes_a_byte_now_and_then_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch, begin: bytes, more: bytes
) -> None:
    """An attacker keeps connections open for nothing, until there is none left for others: each has its time."""
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as connection:
        connection.sendall(begin)
        for _ in range(2000):  # two minutes, and the body would still not be whole
            try:
                connection.sendall(more)
                if not connection.recv(1000):
                    return
            except ConnectionError:
                return
            except TimeoutError:
                pass
    raise AssertionError("the server still waits")


class Till:
    """A timer that never ends, and how it was set."""

    def __init__(self) -> None:
        self.set = 0
        self.cancelled = False

    def call_later(self, *_: object) -> Till:
        self.set += 1
        self.cancelled = False
        return self

    def cancel(self) -> None:
        self.cancelled = True


def test_a_request_has_its_whole_time_on_a_connection_that_stood_ready(server: uvicorn.Server) -> None:
    """A page connects ahead of need; its batch over a slow line is not cut off for what the connection waited."""
    till = Till()
    protocol = BoundedHttp(server.config, server.server_state, app_state={}, _loop=till)  # type: ignore[arg-type]
    protocol.transport = asyncio.Transport()
    protocol._begin()  # as a new connection does
    for number, piece in enumerate((b"\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n", b"Content-Le", b"ngth: 9")):
        protocol.data_received(piece)
        assert (till.set, till.cancelled) == (2, False), number


def test_who_waits_for_an_answer_is_not_ended(
    server: uvicorn.Server, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is on the request: an audit may take an hour, whether or not the client has sent more meanwhile."""
    MAY.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        while not any(isinstance(one, BoundedHttp) and one.cycle for one in list(server.server_state.connections)):
            time.sleep(0.01)
        monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
        connection.sendall(b"\r\n")
        time.sleep(1)
        MAY.set()
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
