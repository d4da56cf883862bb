"""What is held about me, forget me, and my vaccination status."""

from __future__ import annotations

from fastapi import APIRouter, Response

from checkin import errors
from checkin.clock import RETENTION_DAYS
from checkin.service.describe import problem_answers
from issuer.held import describe, gone_with
from issuer.models import CertificateBody, Deleted, StatusAnswer, WalletAnswer
from issuer.routes.common import BODY, WALLET, Account, Served, Subject

_CERTIFICATE = (
    errors.CertificatePrefix,
    errors.CertificateBase45,
    errors.CertificateCompression,
    errors.CertificateCose,
    errors.CertificateSchema,
    errors.CertificateSignature,
    errors.CertificateKeyUsage,
    errors.CertificateExpiry,
    errors.CertificateNoStatus,
    errors.CertificateOutdated,
    errors.CertificateNotTaken,
    errors.TooManyRequests,
)
router = APIRouter(tags=["wallet"])


@router.get("/v1/wallet", responses=problem_answers(*WALLET))
def show_account(account: Account, issuer: Served) -> WalletAnswer:
    """Show all that this issuer holds about you, why, and until when."""
    subject, record = account
    days = sorted(issuer.issued.of(subject))
    return describe(record, days, issuer.party.calendar, issuer.settings.idle_days)


@router.delete("/v1/wallet", status_code=202, responses=problem_answers(*WALLET))
def forget_account(subject: Subject, issuer: Served) -> Deleted:
    """Delete the account: nothing is issued from now on; the wallet token and the recovery code end.

    Unused codes of the hosted wallet, a vaccination status, and notices that were not handed over are destroyed at
    once. The name and phone stay, encrypted, as long as the last day for which credentials were issued, because
    until then somebody may have to be warned; they are destroyed with it.
    """
    calendar = issuer.party.calendar
    last = issuer.accounts.end(subject)
    due = None if last is None else calendar.date(last + RETENTION_DAYS)
    today = issuer.party.today()
    gone = calendar.date(issuer.identity_keys.unreadable_from(today if last is None else last + RETENTION_DAYS - 1))
    text = f"{gone_with(last, calendar)} From {gone} on no backup shows them any more: its key is destroyed."
    return Deleted(identity_destroyed_on=due, backups_unreadable_from=gone, text=text)


@router.put("/v1/vaccination", responses=problem_answers(*_CERTIFICATE, *WALLET, *BODY))
def prove_status(body: CertificateBody, subject: Subject, issuer: Served) -> StatusAnswer:
    """Prove a status with a certificate. Kept are the status and its days, nothing else of the certificate.

    Credentials issued from now on commit to the status, for days that it covers until they end; it is shown at a
    door only if the visitor chooses so.
    """
    status, first, last = issuer.vaccination.prove(subject, body.certificate, issuer.party.now())
    date = issuer.party.calendar.date
    return StatusAnswer(status=status, valid_from=date(first), valid_until=date(last))


@router.delete("/v1/vaccination", status_code=204, responses=problem_answers(*WALLET))
def forget_status(subject: Subject, issuer: Served) -> Response:
    """Forget the status; credentials that a wallet already holds keep their commitments."""
    issuer.accounts.forget_status(subject)
    return Response(status_code=204)
