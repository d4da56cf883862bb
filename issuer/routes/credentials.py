"""POST /v1/credentials: a batch of ten for a day."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.errors import (
    ClockUntrusted,
    DayClosed,
    DayDestroyed,
    DayNotIssued,
    HolderKeyInvalid,
    KeyMissing,
    QuotaUsed,
)
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.service.describe import problem_answers
from issuer.models import BatchAnswer, BatchRequest, Opening
from issuer.routes.common import BODY, WALLET, Served, Subject

router = APIRouter(prefix="/v1/credentials", tags=["wallet"])
ISSUING = (QuotaUsed, DayClosed, DayDestroyed, KeyMissing, ClockUntrusted)


@router.post("", responses=problem_answers(HolderKeyInvalid, DayNotIssued, *ISSUING, *WALLET, *BODY))
def issue(body: BatchRequest, subject: Subject, issuer: Served) -> BatchAnswer:
    """Ten credentials for today or tomorrow, one for each holder key, each for one door.

    Each is a COSE_Sign1 of 227 bytes (docs/spec/credential.md). The issuer keeps one ledger row a batch, which only
    the authority can open, and neither the visit ids nor the time.
    """
    issued = issuer.batches.issue(subject, body.day, Mode(body.mode), [_holder_key(text) for text in body.holder_keys])
    return BatchAnswer(
        credentials=[b64url_encode(one.credential) for one in issued],
        status_openings=[Opening(status=one.opening.status, salt=b64url_encode(one.opening.salt)) for one in issued],
        disclosures=issuer.receipts.of(subject),
    )


def _holder_key(text: str) -> bytes:
    try:
        return b64url_decode(text, 32)
    except ValueError:
        raise HolderKeyInvalid from None
