"""POST /v1/qr: the next code of a hosted wallet, as JSON, PNG or SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from checkin.errors import DayNotIssued, NotAcceptable
from checkin.protocol import qr
from checkin.service.describe import problem_answers
from issuer.models import CodeAnswer, CodeRequest
from issuer.routes.common import BODY, WALLET, Served, Subject
from issuer.routes.credentials import ISSUING

JSON, PNG, SVG = "application/json", "image/png", "image/svg+xml"
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"model": CodeAnswer, "content": {PNG: _PICTURE, SVG: _PICTURE}, "description": "A code, good for 20 seconds"}
}
router = APIRouter(prefix="/v1/qr", tags=["hosted wallet"])


@router.post(
    "",
    response_model=CodeAnswer,
    responses=_ANSWER | problem_answers(NotAcceptable, DayNotIssued, *ISSUING, *WALLET, *BODY),
)
def present_code(
    body: CodeRequest, subject: Subject, issuer: Served, accept: Annotated[str | None, Header()] = None
) -> Response:
    """Make the next code of the hosted wallet, as text, PNG or SVG by `Accept`.

    For API users and feature phones. **Here the issuer sees when a code was made**, and as long as a credential
    waits to be presented it holds its visit id; a wallet of your own (`POST /v1/credentials`) tells it neither.
    Each call takes a fresh credential from the same batches that every wallet gets, so they can run out for a day.
    """
    media = choose(accept, (JSON, PNG, SVG))
    code = issuer.hosted.present(subject, show_status=body.show_status)
    if media == PNG:
        return Response(qr.to_png(code.token), media_type=PNG)
    if media == SVG:
        return Response(qr.to_svg(code.token), media_type=SVG)
    answer = CodeAnswer(
        token=code.token,
        expires_at=issuer.party.calendar.rfc3339(code.expires),
        shows=code.shows,
        disclosures=issuer.notices.of(subject),
    )
    return JSONResponse(answer.model_dump())


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """The media type that a caller prefers (RFC 9110 §12.5.1), the first of equals; raises `NotAcceptable`.

    A part that is not of the grammar is passed over.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = [_read_range(part) for part in accept.split(",")]
    best = max(offers, key=lambda offer: (_quality(offer, ranges), -offers.index(offer)))
    if _quality(best, ranges) == 0:
        raise NotAcceptable
    return best


def _read_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        number = float(quality)
    except ValueError:
        return "", 0.0
    return media, number if 0 <= number <= 1 else 0.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the offer."""
    for wanted in (offer, offer.partition("/")[0] + "/*", "*/*"):
        for media, quality in ranges:
            if media == wanted:
                return quality
    return 0.0
