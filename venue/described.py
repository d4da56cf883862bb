"""The API's description tells the truth: every problem that a route can answer, and the route that FastAPI does not
know. A test holds what the routes answer against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, Field

from checkin import errors
from checkin.errors import CheckinError

Errors = tuple[type[CheckinError], ...]

_ANY: Final[Errors] = (errors.NotReady, errors.InternalError)
_BODY: Final[Errors] = (errors.RequestInvalid, errors.RequestTooLarge)
_PINNED: Final[Errors] = (errors.Unauthorized, errors.Forbidden)
_DOOR: Final[Errors] = (
    errors.TokenMalformed,
    errors.StatusDisclosed,
    errors.TokenNotYetValid,
    errors.TokenExpired,
    errors.WrongDay,
    errors.UnknownIssuerKey,
    errors.BadSignature,
    errors.AlreadyUsed,
    errors.KeyMissing,
    errors.DayClosed,
    errors.DayDestroyed,
)
_ORDERS: Final[Errors] = (
    errors.OrderUntrusted,
    errors.OrderWrongAudience,
    errors.OrderExpired,
    errors.OrderNotLogged,
    errors.OrderScope,
    errors.OrderTooLarge,
    errors.OrderReused,
    errors.DayDestroyed,
)
ERRORS: Final[Mapping[tuple[str, str], Errors]] = {
    ("POST", "/v1/venues"): (*_PINNED, *_BODY),
    ("POST", "/v1/venues/{venue_id}/operator-token"): (*_PINNED, *_BODY, errors.NotFound),
    ("DELETE", "/v1/venues/{venue_id}"): (*_PINNED, *_BODY, errors.NotFound),
    ("GET", "/v1/venues/{venue_id}"): (*_PINNED, errors.RequestInvalid, errors.NotFound),
    ("PUT", "/v1/venues/{venue_id}/capacity"): (*_PINNED, *_BODY, errors.NotFound, errors.TooManyRequests),
    ("PUT", "/v1/venues/{venue_id}/status-rule"): (*_PINNED, *_BODY, errors.NotFound, errors.TooManyRequests),
    ("POST", "/v1/venues/{venue_id}/scanners"): (*_PINNED, *_BODY, errors.TooManyRequests),
    ("GET", "/v1/venues/{venue_id}/scanners"): (*_PINNED, errors.RequestInvalid),
    ("DELETE", "/v1/venues/{venue_id}/scanners/{scanner_id}"): (*_PINNED, *_BODY, errors.NotFound),
    ("GET", "/v1/venues/{venue_id}/stats"): (*_PINNED, errors.RequestInvalid),
    ("GET", "/v1/trust"): (*_PINNED, errors.RequestInvalid, errors.KeyMissing),
    ("POST", "/v1/check-ins"): (*_PINNED, *_BODY, *_DOOR),
    ("POST", "/v1/check-ins/batch"): (*_PINNED, *_BODY, errors.KeyMissing),
    ("POST", "/v1/orders"): (*_PINNED, *_BODY, *_ORDERS, errors.ClockUntrusted),
    ("POST", "/v1/purge"): (*_PINNED, *_BODY, errors.ClockUntrusted),
    ("POST", "/v1/audit"): (*_PINNED, *_BODY),
    ("GET", "/v1/statements"): _PINNED,
    ("GET", "/metrics"): _PINNED,
    ("GET", "/v1/time"): (errors.RequestInvalid,),
}
"""What each route can answer beside success; every one may be `not_ready` or `internal_error` besides."""


class CheckInBody(BaseModel):
    """`token`: the code's text without a status; `scan_id`: 16 random bytes in base64url, the same when sent again."""

    token: str = Field(examples=["CK1:…"])
    scan_id: str = Field(pattern="^[A-Za-z0-9_-]{22}$")


class CheckInResult(BaseModel):
    """`accepted` with 201, once it is on the disk; `repeated` with 200 for the same scan sent again."""

    result: str = Field(pattern="^(accepted|repeated)$")


_JSON: Final = "application/json"
_CHECK_IN: Final[dict[str, Any]] = {
    "post": {
        "tags": ["scanner"],
        "summary": "Check In",
        "operationId": "check_in",
        "description": "One check-in, verified and acknowledged when it is on the disk. Bearer: a scanner.",
        "security": [{"HTTPBearer": []}],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/CheckInBody"}}},
        },
        "responses": {
            status: {
                "description": text,
                "content": {_JSON: {"schema": {"$ref": "#/components/schemas/CheckInResult"}}},
            }
            for status, text in (("201", "Accepted"), ("200", "The same scan, sent again"))
        },
    }
}
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `same_venue` comes with `already_used`.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "same_venue": {"type": "boolean"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def install(app: FastAPI) -> None:
    """Complete `app.openapi()`; called after all routes are there."""
    generate: Callable[[], dict[str, Any]] = app.openapi
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_completed(generate()))
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    models = schema["components"]["schemas"]
    for model in (CheckInBody, CheckInResult):
        models[model.__name__] = model.model_json_schema()
    models["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form, which is never answered here
        models.pop(name, None)
    schema["paths"]["/v1/check-ins"] = _CHECK_IN
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            operation["responses"] |= _problems(*ERRORS.get((method.upper(), path), ()), *_ANY)
            _drop_validation(operation["responses"])
    return schema


def _problems(*kinds: type[CheckinError]) -> dict[str, Any]:
    codes: dict[str, list[str]] = {}
    for kind in kinds:
        codes.setdefault(str(kind.status), []).append(kind.code)
    return {status: _problem(int(status), of_status) for status, of_status in codes.items()}


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    one = {"type": "object", "properties": {"code": {"enum": sorted(codes)}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, one]}
    return {"description": HTTPStatus(status).phrase, "content": {"application/problem+json": {"schema": schema}}}


def _drop_validation(responses: dict[str, Any]) -> None:
    """FastAPI adds its own 422 to every route with a parameter; ours replaced it where a request can be invalid."""
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
