"""Errors at the edge: every answer that is no success is an RFC 9457 problem document with a stable `code`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Router
from starlette.types import Scope

from checkin.errors import (
    CheckinError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestInvalid,
    RequestTooLarge,
    TooManyRequests,
    Unauthorized,
)

_BY_STATUS: dict[int, type[CheckinError]] = {
    error.status: error for error in (Unauthorized, NotFound, MethodNotAllowed, RequestTooLarge, InternalError)
}
MAX_NAMED = 20  # errors of a body that an answer names
_SOON = 5  # seconds until a caller may try a service again that is not ready


def document(error: CheckinError, **members: Any) -> dict[str, Any]:
    """The members of a problem document."""
    return {
        "type": f"urn:checkin:problem:{error.code}",
        "title": error.default,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **members,
    }


def response(error: CheckinError, scope: Scope | None = None, **members: Any) -> Response:
    """The problem document as an answer to the request of this scope."""
    headers = {"WWW-Authenticate": _challenge(scope)} if error.status == 401 else {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.wait if isinstance(error, TooManyRequests) else _SOON)
    return JSONResponse(document(error, **members), error.status, headers, "application/problem+json")


def _challenge(scope: Scope | None) -> str:
    """The challenge of RFC 6750 §3: what is needed, and for a request with a token also that it is invalid here."""
    sent = Headers(scope=scope).get("authorization", "") if scope else ""
    return 'Bearer error="invalid_token"' if sent.lower().startswith("bearer ") else "Bearer"


def install(app: FastAPI) -> None:
    """Let an app answer every error as a problem document."""

    @app.exception_handler(CheckinError)
    async def ours(request: Request, error: CheckinError) -> Response:
        return response(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> Response:
        # Where and why, never what: the input may hold a name or a phone.
        first = islice(error.errors(), MAX_NAMED)
        where = [{"at": ".".join(str(part) for part in item["loc"]), "why": item["type"]} for item in first]
        return response(RequestInvalid(), errors=where)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        answer = response(_BY_STATUS.get(error.status_code, RequestInvalid)(), request.scope)
        if error.status_code == MethodNotAllowed.status:
            answer.headers["Allow"] = ", ".join(sorted(_allowed(request)))
        return answer


def _allowed(request: Request) -> set[str]:
    """RFC 9110 §15.5.6: what the address takes, at whichever of its routes."""
    methods = {
        method
        for route in _routes(request.app.router)
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or {"GET"}  # a mount serves files
    }
    return methods | ({"HEAD"} if "GET" in methods else set())


def _routes(router: Router) -> Iterator[BaseRoute]:
    """Those of included routers, too, which FastAPI keeps as they are."""
    for route in router.routes:
        included = getattr(route, "original_router", None)
        yield from _routes(included) if included is not None else (route,)
