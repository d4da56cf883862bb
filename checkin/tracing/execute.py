"""Executing an order: its entry goes into the log, its parts go to the parties, day keys come out of their slots.

The parties that the authority queries and believes stand in `parties.toml` in its folder, pinned by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from checkin.errors import SettingsInvalid
from checkin.http.asking import Ask, drive
from checkin.http.client import Client
from checkin.keys.officers import RingKeys
from checkin.keys.secret_file import read_token
from checkin.orders.order import SignedOrder
from checkin.parties.authority_folder import AuthorityFolder
from checkin.service.settings import FilePath, LogSettings, Peer, Strict, Url
from checkin.tlog.proof import LogProof
from checkin.tlog.submission import submit_and_wait
from checkin.tracing.trace import Tell, Trace, silent
from checkin.tracing.trace_result import TraceResult


class Counterparty(Peer):
    """A service that takes orders; they address it by the name of its pinned key."""

    token_file: FilePath
    """What the authority presents to it; a line of text, for its owner alone."""

    @property
    def token(self) -> str:
        """The bearer token; raises `SettingsInvalid`."""
        return read_token(self.token_file)


class AskedIssuer(Counterparty):
    """An issuer, with the number that visits remember."""

    number: Annotated[int, Field(ge=1, lt=2**32)]


class PublicLog(LogSettings):
    """The log; the authority always puts entries into it."""

    url: Url
    token_file: FilePath


class Parties(Strict):
    """One registry, its issuers, and the log."""

    registry: Counterparty
    issuers: Annotated[tuple[AskedIssuer, ...], Field(min_length=1, max_length=64, strict=False)]
    log: PublicLog

    @model_validator(mode="after")
    def _different(self) -> Self:
        numbers = {issuer.number for issuer in self.issuers}
        if len(self.services) != 1 + len(self.issuers) or len(numbers) != len(self.issuers):
            raise ValueError("two parties have the same name or number")
        return self

    @property
    def services(self) -> dict[str, Counterparty]:
        """By their names, the registry first."""
        return {party.verifier.name: party for party in (self.registry, *self.issuers)}


def execute_order(
    order: SignedOrder, authority: AuthorityFolder, parties: Parties, shares: Iterable[str], tell: Tell = silent
) -> TraceResult:
    """What a trace finds. Raises as `open_trace`, `publish`, `Trace.run`."""
    trace = open_trace(order, authority, parties, shares, tell)
    services = parties.services

    def answer(ask: Ask) -> Any:
        party = services.get(ask.to)
        if party is None:
            raise SettingsInvalid(f"The order asks {ask.to}, which is not in parties.toml.")
        with Client(party.url, party.token) as client:
            return client.post(ask.path, ask.body)

    return drive(trace.run(publish(order.entry, parties, tell)), answer)


def open_trace(
    order: SignedOrder, authority: AuthorityFolder, parties: Parties, shares: Iterable[str], tell: Tell = silent
) -> Trace:
    """Joins the shares; raises `SharesInvalid`, and `OrderScope` for an order with other keys than the ring's."""
    ring = authority.ring.unlock(shares)
    order.order.check_keys(RingKeys.of(authority.ring_keys.authority, ring))
    services = {name: party.verifier for name, party in parties.services.items()}
    issuers = {issuer.number: issuer.verifier.name for issuer in parties.issuers}
    open_slot = partial(authority.ring.open_day, ring=ring)
    return Trace(order, authority, services, issuers, ring, open_slot, tell)


def publish(entry: str, parties: Parties, tell: Tell = silent) -> LogProof:
    """Puts an order's entry into the log, and waits for a checkpoint that all parties accept; `NotReady` after a
    minute: then trace again later."""
    with Client(parties.log.url, parties.log.token) as client:
        return submit_and_wait(client, entry, parties.log.pinned, tell)
