"""The one route that FastAPI does not know, in the API's description: POST /v1/check-ins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, Field

from checkin import errors
from checkin.service.describe import problem_answers

_DOOR: Final = (
    errors.Unauthorized,
    errors.Forbidden,
    errors.RequestInvalid,
    errors.RequestTooLarge,
    errors.MediaTypeUnsupported,
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
    errors.NotReady,
    errors.InternalError,
)


class CheckInBody(BaseModel):
    """`token`: the code's text without a status; `scan_id`: 16 random bytes in base64url, the same when sent again."""

    token: str = Field(examples=["CK1:…"])
    scan_id: str = Field(pattern="^[A-Za-z0-9_-]{22}$")


class CheckInResult(BaseModel):
    """`accepted` with 201, once it is on the disk; `repeated` with 200 for the same scan sent again."""

    result: str = Field(pattern="^(accepted|repeated)$")


_JSON: Final = "application/json"
_SENTENCE: Final = "Take one check-in, verified and acknowledged when it is on the disk."
_CHECK_IN: Final[dict[str, Any]] = {
    "post": {
        "tags": ["scanner"],
        "summary": _SENTENCE,
        "operationId": "check_in",
        "description": f"{_SENTENCE} Bearer: a scanner.",
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
        }
        | {str(status): answer for status, answer in problem_answers(*_DOOR).items()},
    }
}


def install(app: FastAPI) -> None:
    """Add the route to `app.openapi()`."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        schema["components"]["schemas"] |= {
            model.__name__: model.model_json_schema() for model in (CheckInBody, CheckInResult)
        }
        schema["paths"]["/v1/check-ins"] = _CHECK_IN
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description
