"""What is held about a person, in words: the answer to the question that everybody may ask."""

from __future__ import annotations

from checkin.clock import RETENTION_DAYS, Calendar
from issuer.identities import Record
from issuer.models import HeldItem, StatusAnswer, WalletAnswer

NOT_HELD = [
    "where you were: that is not known here",
    "when you opened a code, asked for a batch or used this service, finer than the day",
    "the visit ids of your codes: only the health authority can list them, on an order of several officers",
]


def describe(record: Record, days: list[int], calendar: Calendar, idle_days: int) -> WalletAnswer:
    """All that is held of a live account; `days` are those for which batches are in the ledger."""
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
        held=_items(record, days, calendar, idle_days),
        not_held=NOT_HELD,
    )


def gone_with(last_issued: int | None, calendar: Calendar) -> str:
    """When the name and phone of a deleted account go."""
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
