"""Bodies of requests and answers: unknown members refused, sizes bounded before any work; entity tags of answers, and
which of several answers a caller prefers."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Header, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import sha256

Number = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A place, a size or a count, in a request or an answer: what a file takes, and every reader of JSON reads exactly."""
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "What `If-None-Match` names, still"}}
"""For a route's `responses`."""
IfNoneMatch = Annotated[str | None, Header(description="the `ETag` of an earlier answer: 304 while it is the same")]


class Body(BaseModel):
    """The base of every request's body: no further members, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_crowds(cls, given: Any) -> Any:
        """One error instead of one for each unknown member: a body of two megabytes of them took seconds."""
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            raise PydanticCustomError("too_many_members", "the body has more members than are documented")
        return given


def content_digest(content: bytes) -> str:
    """SHA-256, 43 characters of base64url."""
    return b64url_encode(sha256(content))


def answer_unless_known(content: bytes, lasting: bytes, known: str | None) -> Response:
    """`content`, JSON, with a weak entity tag over the part of it that lasts; 304 without content if `known`, an
    `If-None-Match`, names that (RFC 9110 §8.8.3 and §13.1.2).

    A tag is a hash of what every caller is answered, so it identifies none; and the answer still says `no-store`, so
    only a program that was written to do so keeps it and sends it back."""
    digest = content_digest(lasting)
    headers = {"ETag": f'W/"{digest}"'}
    tags = [tag.strip().removeprefix("W/") for tag in (known or "").split(",")]
    if f'"{digest}"' in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def weights(header: str) -> dict[str, float]:
    """What an `Accept` or one of its kind names, in small letters and in its order, with the weight, 0 .. 1 (RFC 9110
    §12.4.2). What is not of the grammar is passed over; of the same twice the first counts."""
    found: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in item.split(";"))
        with suppress(ValueError):
            weight = float(next((text[2:] for text in parameters if text.startswith("q=")), "1"))
            found.setdefault(name, weight if 0 <= weight <= 1 else 0.0)
    return found
