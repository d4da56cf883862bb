"""What is held about me, forget me, and my vaccination status."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import CertificateError, CertificateNotTaken, TooManyRequests
from checkin.service.describe import problem_answers
from issuer.identities import Record
from issuer.models import CertificateBody, Deleted, HeldItem, StatusAnswer, WalletAnswer
from issuer.routes.common import Account, Served, Subject

router = APIRouter(tags=["wallet"])
_PROVED = problem_answers(*CertificateError.__subclasses__(), CertificateNotTaken, TooManyRequests)
_NOT_HELD = [
    "where you were: that is not known here",
    "when you opened a code, asked for a batch or used this service, finer than the day",
    "the visit ids of your codes: only the health authority can list them, on an order of several officers",
]


@router.get("/v1/wallet")
def show_account(account: Account, issuer: Served) -> WalletAnswer:
    """Show all that this issuer holds about you, why, and until when."""
    subject, record = account
    days, calendar = sorted(issuer.issued.of(subject)), issuer.party.calendar
    status = None
    if record.status:
        valid_from, valid_until = calendar.date(record.valid_from), calendar.date(record.valid_until)
        status = StatusAnswer(status=record.status, valid_from=valid_from, valid_until=valid_until)
    return WalletAnswer(
        name=record.name,
        phone=record.phone,
        registered=calendar.date(record.registered),
        status=status,
        days=[calendar.date(day) for day in days],
        held=_items(record, days, calendar, issuer.settings.idle_days),
        not_held=_NOT_HELD,
    )


@router.delete("/v1/wallet", status_code=202)
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
    text = f"{_gone_with(last, calendar)} From {gone} on no backup shows them any more: its key is destroyed."
    return Deleted(identity_destroyed_on=due, backups_unreadable_from=gone, text=text)


@router.put("/v1/vaccination", responses=_PROVED)
def prove_status(body: CertificateBody, subject: Subject, issuer: Served) -> StatusAnswer:
    """Prove a status with a certificate. Kept are the status and its days, nothing else of the certificate.

    Credentials issued from now on commit to the status, for days that it covers until they end; it is shown at a
    door only if the visitor chooses so.
    """
    status, first, last = issuer.vaccination.prove(subject, body.certificate, issuer.party.now())
    date = issuer.party.calendar.date
    return StatusAnswer(status=status, valid_from=date(first), valid_until=date(last))


@router.delete("/v1/vaccination", status_code=204)
def forget_status(subject: Subject, issuer: Served) -> None:
    """Forget the status; credentials that a wallet already holds keep their commitments."""
    issuer.accounts.forget_status(subject)


def _gone_with(last_issued: int | None, calendar: Calendar) -> str:
    if last_issued is None:
        return "Your name and phone are destroyed: no record is held that leads to them."
    return (
        f"Nothing is issued to you any more. Your name and phone are destroyed when {_due(last_issued, calendar)} "
        "begins, with the last day for which credentials were issued to you."
    )


def _items(record: Record, days: list[int], calendar: Calendar, idle_days: int) -> list[HeldItem]:
    after = f"then until {_due(days[-1], calendar)}" if days else "then they go at once"
    idle = calendar.date(max([record.registered, *days]) + idle_days)
    items = [
        HeldItem(
            what="name and phone, encrypted; hashes of your wallet's token and of your recovery code",
            why="so that the health authority can reach you, on an order, and your wallet is known again",
            until=f"until you delete your account, or take no credentials until {idle}; {after}",
        )
    ]
    if record.status:
        until = calendar.date(record.valid_until)
        why = "so that you can show it at a door that asks; the certificate itself is not kept"
        items.append(HeldItem(what="vaccination status", why=why, until=f"until {until}, or until you take it back"))
    for day in days:
        what = f"that you took credentials for {calendar.date(day)}, sealed to the health authority"
        items.append(HeldItem(what=what, why="so that a contact can be traced", until=_due(day, calendar)))
    return items


def _due(day: int, calendar: Calendar) -> str:
    return calendar.date(day + RETENTION_DAYS)
