"""An answer has an end: in time and in size, whatever the other side sends."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from checkin.errors import Unreachable
from checkin.http.client import Client
from checkin.http.exchange import KEPT_SECONDS, Exchange, open_http
from tests.support.trickle import trickling, whole

ANSWER = whole(b'{"statements": []}' + b" " * 200)
HEAD = ANSWER.index(b"\r\n\r\n") + 4
UNENDING = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 400
AN_HOUR = 3600.0


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """Ready to wait a minute for each byte."""
    with httpx.Client(timeout=60.0, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("answer", "at_once"), [(ANSWER, 0), (ANSWER, HEAD), (UNENDING, 20)], ids=["header", "body", "no length"]
)
def test_a_server_that_sends_a_byte_now_and_then_holds_nobody_up(
    http: httpx.Client, answer: bytes, at_once: int
) -> None:
    """No pause is long, the whole never ends: it is cut off, and what came of it is not taken for an answer."""
    with trickling(answer, at_once) as slow:
        with pytest.raises(httpx.ReadTimeout):
            Exchange(http, 0.5, 10_000).send("GET", slow.url)
        assert not slow.ended


def test_the_next_question_over_the_same_client_is_answered(http: httpx.Client) -> None:
    """One that was cut off leaves nothing behind."""
    with trickling(ANSWER) as slow, trickling(ANSWER, len(ANSWER)) as good:
        asking = Exchange(http, 0.3, 10_000)
        for _ in range(2):
            asking._seconds = 0.3
            with pytest.raises(httpx.ReadTimeout):
                asking.send("GET", slow.url)
            asking._seconds = AN_HOUR  # the good one may be slow, too, on a slow machine
            assert asking.send("GET", good.url).json() == {"statements": []}


@pytest.mark.parametrize("answer", [whole(b"x" * 1001), UNENDING + b"x" * 1001], ids=["length", "no length"])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(http: httpx.Client, answer: bytes) -> None:
    """Nor is memory taken for it."""
    with trickling(answer, len(answer)) as server, pytest.raises(httpx.RemoteProtocolError, match="long"):
        Exchange(http, AN_HOUR, 1000).send("GET", server.url)


def test_a_small_answer_that_would_unpack_to_a_large_one_is_refused(http: httpx.Client) -> None:
    """Nobody asked for a packed one."""
    answer = whole(gzip.compress(bytes(10**6)), "Content-Encoding: gzip")
    with trickling(answer, len(answer)) as server, pytest.raises(httpx.RemoteProtocolError, match="packed"):
        Exchange(http, AN_HOUR, 10_000).send("GET", server.url)


def test_a_service_that_trickles_is_one_that_does_not_answer() -> None:
    """Whoever asks a service by the client goes on to the next one soon: retention's daily round, an auditor."""
    with trickling(ANSWER) as slow, Client(slow.url, timeout=0.2) as client:
        with pytest.raises(Unreachable):
            client.get("/v1/statements")
        assert not slow.ended


def test_a_connection_at_rest_is_given_up_before_the_server_gives_it_up() -> None:
    """Else a request sent in that very moment is lost, and whoever keeps a connection over a night is told so."""
    with open_http(1.0) as http:
        kept = http._transport._pool._keepalive_expiry  # type: ignore[attr-defined]  # httpx shows it nowhere
    assert kept == KEPT_SECONDS < uvicorn.Config("app").timeout_keep_alive / 2
