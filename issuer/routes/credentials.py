"""POST /v1/credentials, a batch of ten for a day, and POST /v1/qr, the next code of a hosted wallet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from checkin.errors import (
    ClockUntrusted,
    DayClosed,
    DayDestroyed,
    DayNotIssued,
    HolderKeyInvalid,
    KeyMissing,
    NotAcceptable,
    NotReady,
    QuotaUsed,
)
from checkin.protocol import qr
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.signed_time import NONCE
from checkin.service.body import weights
from checkin.service.describe import problem_answers
from issuer.credential_batches import COMMIT_SECONDS, TOO_SLOW, Begun
from issuer.models import BatchAnswer, BatchRequest, CodeAnswer, CodeRequest, Opening
from issuer.routes.common import Account, Served, Subject
from issuer.service import Issuer

JSON, PNG, SVG = "application/json", "image/png", "image/svg+xml"
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_CODE: dict[int | str, dict[str, Any]] = {
    200: {"model": CodeAnswer, "content": {PNG: _PICTURE, SVG: _PICTURE}, "description": "A code, good for 20 seconds"}
}
router = APIRouter(prefix="/v1")
_Nonce = Annotated[str | None, Query(pattern=NONCE)]
_ISSUING = (QuotaUsed, DayClosed, DayDestroyed, KeyMissing, ClockUntrusted)


@router.post(
    "/credentials",
    tags=["wallet"],
    response_model=BatchAnswer,
    responses=problem_answers(HolderKeyInvalid, DayNotIssued, *_ISSUING),
)
async def issue_credentials(body: BatchRequest, account: Account, issuer: Served, nonce: _Nonce = None) -> Response:
    """Issue ten credentials for today or tomorrow, one for each holder key, each for one door, and tell the signed time
    to a `nonce`.

    Each is a COSE_Sign1 of 227 bytes (docs/spec/credential.md). The issuer keeps one ledger row a batch, which only
    the authority can open, and neither the visit ids nor the time.
    """
    subject, record = account
    keys = [_holder_key(text) for text in body.holder_keys]
    batches = issuer.batches
    begun = await issuer.in_one_thread(batches.begin, subject, body.day, Mode(body.mode), keys, record)
    try:
        async with asyncio.timeout(COMMIT_SECONDS):  # the disk is waited for here, where that takes no thread
            while not await asyncio.wrap_future(begun.committed):
                await issuer.in_one_thread(batches.repeat, begun)
    except TimeoutError:
        raise NotReady(TOO_SLOW) from None
    return await issuer.in_one_thread(_answer, issuer, subject, begun, nonce)


def _answer(issuer: Issuer, subject: int, begun: Begun, nonce: str | None) -> Response:
    issued = issuer.batches.finish(begun)
    answer = BatchAnswer(
        credentials=[b64url_encode(one.credential) for one in issued],
        status_openings=[Opening(status=one.opening.status, salt=b64url_encode(one.opening.salt)) for one in issued],
        disclosures=issuer.notices.of(subject),
        time_note=issuer.party.signed_time(nonce)[1] if nonce else None,  # last: a slow disk makes it no older
    )
    return Response(answer.model_dump_json(), media_type="application/json")  # in this thread, not in one more


def _holder_key(text: str) -> bytes:
    try:
        return b64url_decode(text, 32)
    except ValueError:
        raise HolderKeyInvalid from None


@router.post(
    "/qr",
    tags=["hosted wallet"],
    response_model=CodeAnswer,
    responses=_CODE | problem_answers(NotAcceptable, DayNotIssued, *_ISSUING),
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
    """The media type that a caller prefers (RFC 9110 §12.5.1), the first of equals; raises `NotAcceptable`."""
    if accept is None or not accept.strip():
        return offers[0]
    ranges = weights(accept)
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    if _quality(best, ranges) == 0:
        raise NotAcceptable
    return best


def _quality(offer: str, ranges: Mapping[str, float]) -> float:
    """The quality of the most specific range that covers the offer."""
    covering = (offer, offer.partition("/")[0] + "/*", "*/*")
    return next((ranges[wanted] for wanted in covering if wanted in ranges), 0.0)
