"""POST /v1/credentials: a batch of ten for a day."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from checkin.errors import (
    ClockUntrusted,
    DayClosed,
    DayDestroyed,
    DayNotIssued,
    HolderKeyInvalid,
    KeyMissing,
    NotReady,
    QuotaUsed,
)
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.signed_time import NONCE
from checkin.service.describe import problem_answers
from issuer.credential_batches import COMMIT_SECONDS, TOO_SLOW, Begun
from issuer.models import BatchAnswer, BatchRequest, Opening
from issuer.routes.common import BODY, WALLET, Account, Served
from issuer.service import Issuer

router = APIRouter(prefix="/v1/credentials", tags=["wallet"])
_Nonce = Annotated[str | None, Query(pattern=NONCE)]
ISSUING = (QuotaUsed, DayClosed, DayDestroyed, KeyMissing, ClockUntrusted)


@router.post(
    "",
    response_model=BatchAnswer,
    responses=problem_answers(HolderKeyInvalid, DayNotIssued, *ISSUING, *WALLET, *BODY),
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
