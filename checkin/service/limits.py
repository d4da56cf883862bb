"""What every request and answer passes: HEAD, a bound on the body and its form, headers that keep browsers strict."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from checkin.errors import MediaTypeUnsupported, RequestTooLarge
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


class BodyLimit:
    """Reads a body up to the route's limit before the app sees it; larger ones get 413 and nothing is parsed."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
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
        self._route = SecurityHeaders(problems.UnexpectedErrors(BodyLimit(route, {path: limit})))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        ours = scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST"
        await (self._route if ours else self._app)(scope, receive, send)


class Heads:
    """HEAD wherever there is GET (RFC 9110 §9.3.2): the same answer without its content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
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
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
