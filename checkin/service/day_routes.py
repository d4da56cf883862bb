"""Routes for retention and the authority at every service that keeps days: one contract at the issuer and the registry.

GET  /v1/checkpoint   anybody     the newest checkpoint of the pinned log that the service verified
POST /v1/purge        retention   destroy what is due now
GET  /v1/statements   retention   all that was stated about days and keys
POST /v1/audit        retention   look at your own disk
POST /v1/orders       authority   execute a part of an order
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from checkin import errors
from checkin.audit.self_audit import SelfAudit
from checkin.errors import ClockUntrusted, Forbidden
from checkin.purge.purger import Purger
from checkin.purge.statement_store import STATEMENT_NAME
from checkin.service.auth import pinned
from checkin.service.body import Body
from checkin.service.checkpoint_seen import newest_checkpoint
from checkin.service.day_store import DayService, DaySettings
from checkin.service.describe import problem_answers
from checkin.service.order_executor import OrderBody, OrderExecutor, SealedAnswer

ORDERS: Final = "/v1/orders"
MAX_PAGE: Final = 1000
_After = Annotated[str | None, Query(pattern=f"^{STATEMENT_NAME}$", description="a page: names that come after this")]
_Limit = Annotated[int | None, Query(ge=1, le=MAX_PAGE, description=f"a page of so many; {MAX_PAGE} unless told")]
Word = Annotated[str, Field(min_length=2, max_length=100)]
_REFUSALS: Final = (
    errors.OrderUntrusted,
    errors.OrderWrongAudience,
    errors.OrderExpired,
    errors.OrderNotLogged,
    errors.OrderScope,
    errors.OrderTooLarge,
    errors.OrderReused,
    errors.DayDestroyed,
    ClockUntrusted,
    Forbidden,
)


class CheckpointAnswer(BaseModel):
    """The checkpoint as the log signed it; null before the first."""

    checkpoint: str | None


class NoMembers(Body):
    """`{}`, or no body at all."""


class Purged(BaseModel):
    """The signed statements that this purge made; none when nothing was due."""

    statements: list[str]


class Statement(BaseModel):
    """A statement's name, as `purge-2026-10-25`, and its signed note."""

    name: str
    note: str


class Statements(BaseModel):
    """Statements by name: all that the service ever made, or a page of them. `next`, while there are more: what the
    next page comes `after`."""

    statements: list[Statement]
    next: str | None = None


class SelfAuditRequest(Body):
    """`words`: name and phone (E.164) of a test visitor, no real person; they are searched for in every file."""

    words: Annotated[list[Word], Field(max_length=10)] = Field(default=[])


class SelfAudited(BaseModel):
    """The signed statement (kind `checkin/self-audit/v1`)."""

    statement: str


def routes(
    settings: DaySettings, service: DayService, purger: Purger, audit: SelfAudit, executor: OrderExecutor
) -> APIRouter:
    """The routes; all but the first for callers with the tokens that the settings pin."""
    router, book = APIRouter(), service.book
    retention, authority = [pinned(settings.retention_token_sha256)], [pinned(settings.authority_token_sha256)]
    asked = problem_answers(Forbidden)

    @router.get("/v1/checkpoint", tags=["keys"])
    def checkpoint() -> CheckpointAnswer:
        """Show the newest checkpoint of the pinned log that this service verified; the log asks for it at its start."""
        return CheckpointAnswer(checkpoint=newest_checkpoint(service.party.data))

    @router.post(
        "/v1/purge", tags=["retention"], dependencies=retention, responses=problem_answers(ClockUntrusted, Forbidden)
    )
    def purge(_: NoMembers | None = None) -> Purged:
        """Destroy what is due now, as the service also does by itself; the statements made by this. Bearer: the
        retention service."""
        return Purged(statements=[note for name in purger.run() if (note := book.get(name)) is not None])

    @router.get(
        "/v1/statements",
        tags=["retention"],
        dependencies=retention,
        responses=asked,
        response_model_exclude_none=True,
    )
    def statements(after: _After = None, limit: _Limit = None) -> Statements:
        """List every signed statement about keys, closings and purges; in pages, if `after` or `limit` is given.
        Bearer: the retention service."""
        if after is None and limit is None:
            return Statements(statements=[Statement(name=name, note=note) for name, note in book.all()])
        limit = limit or MAX_PAGE
        found = book.page(after or "", limit + 1)
        page = [Statement(name=name, note=note) for name, note in found[:limit]]
        return Statements(statements=page, next=page[-1].name if len(found) > limit else None)

    @router.post("/v1/audit", tags=["retention"], dependencies=retention, responses=asked)
    def audit_yourself(asked: SelfAuditRequest) -> SelfAudited:
        """Look at every file, table, key and closed day, and sign what was found; it takes as long as reading all of
        them takes. Bearer: the retention service."""
        return SelfAudited(statement=audit.sign(audit.run(asked.words)))

    @router.post(ORDERS, tags=["authority"], dependencies=authority, responses=problem_answers(*_REFUSALS))
    def order(body: OrderBody) -> SealedAnswer:
        """Execute a part of an order that enough officers signed and that the log shows (docs/spec/order.md). Bearer:
        the authority.

        The answer is signed by this service and sealed to the order's answer key. The same part again has the identical
        answer until it expires; everything else is refused, counted, and stated in the log. Whoever is identified gets
        a notice with a later batch.
        """
        return executor.take(body)

    return router
