"""Executing an order: its entry goes into the log, its parts go to the parties, day keys come out of their slots."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from checkin.http.asking import Ask, drive
from checkin.http.client import Client
from checkin.keys.officers import RingKeys
from checkin.orders.order import SignedOrder
from checkin.parties.authority_folder import AuthorityFolder
from checkin.tlog.proof import LogProof
from checkin.tlog.submission import submit_and_wait
from checkin.tracing.counterparties import Parties
from checkin.tracing.trace import Tell, Trace, silent
from checkin.tracing.trace_result import TraceResult


def execute_order(
    order: SignedOrder, authority: AuthorityFolder, parties: Parties, shares: Iterable[str], tell: Tell = silent
) -> TraceResult:
    """What a trace finds. Raises as `open_trace`, `publish`, `Trace.run`."""
    trace = open_trace(order, authority, parties, shares, tell)

    def answer(ask: Ask) -> Any:
        party = parties.named(ask.to)
        with Client(party.url, party.token) as client:
            return client.post(ask.path, ask.body)

    return drive(trace.run(publish(order.entry, parties, tell)), answer)


def open_trace(
    order: SignedOrder, authority: AuthorityFolder, parties: Parties, shares: Iterable[str], tell: Tell = silent
) -> Trace:
    """Joins the shares; raises `SharesInvalid`, and `OrderScope` for an order with other keys than the ring's."""
    ring = authority.ring.unlock(shares)
    order.order.check_keys(RingKeys.of(authority.ring_keys.authority, ring))
    services = {party.verifier.name: party.verifier for party in (parties.registry, *parties.issuers)}
    issuers = {issuer.number: issuer.verifier.name for issuer in parties.issuers}
    open_slot = partial(authority.ring.open_day, ring=ring)
    return Trace(order, authority, services, issuers, ring, open_slot, tell)


def publish(entry: str, parties: Parties, tell: Tell = silent) -> LogProof:
    """Puts an order's entry into the log, and waits until a checkpoint that all parties accept covers it.

    Raises `NotReady` when that takes more than a minute: then trace again later.
    """
    with Client(parties.log.url, parties.log.token) as client:
        return submit_and_wait(client, entry, parties.log.pinned, tell)
