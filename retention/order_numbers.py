"""Orders of the health authority in the log, shown as numbers (taken in by `retention/key_list_entries.py`).

An order's entry names nothing but salted hashes. What came of its parts is in the services' statements; counts
below ten are never shown, here or there.
"""

from __future__ import annotations

from dataclasses import dataclass

from checkin.orders.part import ORDER_LOGGED, PEOPLE
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import one
from checkin.purge.statement_store import ABSENT, FEWER, ORDER_EXECUTED, ORDER_REFUSED, published_count
from retention.statements import ServiceStatements


@dataclass(frozen=True)
class Numbers:
    """How many; each as it is published, `fewer than 10` for a small one."""

    made: str
    """Orders in the log."""
    executed: str
    """Parts of orders that services stated to have executed."""
    refused: str
    """Parts that services stated to have refused, once for each reason."""
    people: str
    """People identified, in the orders in which they were ten or more."""
    small: str
    """Parts in which fewer than ten people were identified."""


def order_numbers(statements: ServiceStatements) -> Numbers | None:
    """From all statements received so far; None when there are none about orders."""
    made = statements.find(kind=ORDER_LOGGED.kind)
    executed = [
        ORDER_EXECUTED.read(unverified_text(stated.note)) for stated in statements.find(kind=ORDER_EXECUTED.kind)
    ]
    refused = statements.find(kind=ORDER_REFUSED.kind)
    if not (made or executed or refused):
        return None
    people = [one(values, "people") for values in executed if one(values, "step") == PEOPLE]
    known = sum(decimal_decode(count) for count in people if count not in (ABSENT, FEWER))
    return Numbers(
        made=published_count(len(made)),
        executed=published_count(len(executed)),
        refused=published_count(len(refused)),
        people=published_count(known),
        small=published_count(sum(count == FEWER for count in people)),
    )
