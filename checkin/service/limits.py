"""Limits that every request and answer passes: bounds on its head, its time and its body, HEAD, headers that keep
browsers strict, and an answer to unforeseen errors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from checkin.errors import InternalError, MediaTypeUnsupported, RequestTooLarge
from checkin.service import problems

DEFAULT_BODY_BYTES = 64 * 1024
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_JSON = b"application/json"
_ABOUT_THE_BODY = (b"content-type", b"content-encoding")
MAX_HEAD_BYTES: Final = 32 * 1024  # of all that comes between bodies; ours are below one
REQUEST_SECONDS = 60.0  # from a connection's beginning to its first byte, and from a request's first byte to its last
log = structlog.get_logger()


class BodyLimit:
    """Reads a body up to the route's limit before the app sees it; larger ones get 413 and nothing is parsed."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], DEFAULT_BODY_BYTES)
        headers = dict(pair for pair in reversed(scope["headers"]) if pair[0] in _ABOUT_THE_BODY)  # the first counts
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            answer = problems.response(MediaTypeUnsupported("This service reads no content coding."))
            answer.headers["Accept-Encoding"] = "identity"  # RFC 9110 §15.5.16
            await answer(scope, receive, send)
            return
        body = await _read(receive, limit)
        if body is None:
            await problems.response(RequestTooLarge(f"This route takes at most {limit} bytes."))(scope, receive, send)
            return
        if body and not _is_json(headers.get(b"content-type", _JSON)):
            await problems.response(MediaTypeUnsupported())(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _is_json(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == _JSON or (kind.startswith(b"application/") and kind.endswith(b"+json"))


class First:
    """One route, POST alone, before all that the others pass; with the same bound on its body and the same headers.
    For the busiest one: what frameworks do on the way to a route takes as long as a signature."""

    def __init__(self, app: ASGIApp, *, path: str, route: ASGIApp, limit: int) -> None:
        self._app = app
        self._path = path
        self._route = SecurityHeaders(UnexpectedErrors(BodyLimit(route, {path: limit})))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST"
        await (self._route if ours else self._app)(scope, receive, send)


class Heads:
    """HEAD wherever there is GET (RFC 9110 §9.3.2): the same answer without its content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_content(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_content)


class SecurityHeaders:
    """Adds the headers above unless a route has set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class UnexpectedErrors:
    """Answers an unforeseen exception with a problem document, and logs its type and place, never its message. After an
    exception handler the server would log a traceback, and its last line may quote what was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # whatever it was
            log.error("unexpected_error", type=type(error).__name__, place=_place(error))
            if not begun:
                await problems.response(InternalError())(scope, receive, send)


def _place(error: Exception) -> str:
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else "?"


class BoundedHttp(HttpToolsProtocol):
    """HTTP as the server reads it. Hangs up on a connection that sends more than `MAX_HEAD_BYTES`, and what was read at
    once with them, without a byte of a body or the end of a head or message; and on one without a whole request
    after `REQUEST_SECONDS`. uvicorn's fast parser keeps headers, path and trailers without any bound; its other one has
    a bound, but takes several times as long for each check-in."""

    _idle = 0
    _inside = False  # of a request, or of empty lines before it
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._first_byte()
        self._idle += len(data)
        super().data_received(data)
        if self._idle > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        self._first_byte()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._idle = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._idle = 0
        self._inside = False
        self._end()
        super().on_message_complete()

    def _first_byte(self) -> None:
        """Of a request: however long the connection stood ready, the whole time is left; later ones put nothing off."""
        if not self._inside:
            self._inside = True
            self._end()
            self._begin()

    def _begin(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _end(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        self._due = None
        answering = self.cycle and not self.cycle.more_body and not self.cycle.response_complete
        if answering or self.flow.read_paused:  # we let the next request wait
            self._begin()
        else:
            self.transport.close()
