"""What the API's description says of POST /v1/check-ins, which `CheckInRoute` answers before FastAPI sees it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from checkin import errors
from checkin.service.auth import Bearer
from checkin.service.describe import problem_answers

_DOOR: Final = (
    errors.Forbidden,
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


class CheckInBody(BaseModel):
    """`token`: the code's text without a status; `scan_id`: 16 random bytes in base64url, the same when sent again."""

    token: str = Field(examples=["CK1:…"])
    scan_id: str = Field(pattern="^[A-Za-z0-9_-]{22}$")


class CheckInResult(BaseModel):
    """`accepted` with 201, once it is on the disk; `repeated` with 200 for the same scan sent again."""

    result: str = Field(pattern="^(accepted|repeated)$")


def routes() -> APIRouter:
    """/v1/check-ins; what it describes is called for no method."""
    router = APIRouter(tags=["scanner"])
    again: dict[int | str, dict[str, Any]] = {200: {"model": CheckInResult, "description": "The same scan, sent again"}}

    @router.post(
        "/v1/check-ins",
        status_code=201,
        response_description="Accepted",
        responses=again | problem_answers(*_DOOR),
    )
    def check_in(token: Bearer, body: CheckInBody) -> CheckInResult:
        """Take one check-in, verified and acknowledged when it is on the disk. Bearer: a scanner."""
        raise NotImplementedError

    return router
