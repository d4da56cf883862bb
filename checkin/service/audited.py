"""POST /v1/audit: a service audits itself and signs what it found; the same route in every service that destroys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from checkin.audit.self_audit import SelfAudit
from checkin.errors import Forbidden, NotReady, RequestInvalid, RequestTooLarge, Unauthorized
from checkin.service.auth import pinned
from checkin.service.body import Body
from checkin.service.describe import problem_answers

PATH = "/v1/audit"
Word = Annotated[str, Field(min_length=2, max_length=100)]
_ERRORS = (Unauthorized, Forbidden, RequestInvalid, RequestTooLarge, NotReady)


class SelfAuditRequest(Body):
    """`words`: name and phone (E.164) of a test visitor, who is nobody; they are searched for in every file."""

    words: Annotated[list[Word], Field(max_length=10)] = Field(default=[])


class SelfAudited(BaseModel):
    """The signed statement (kind `checkin/self-audit/v1`)."""

    statement: str


def routes(audit: SelfAudit, retention_sha256: str | None) -> APIRouter:
    """The route; it reads every file of the service, so it may take as long as that takes."""
    router = APIRouter(tags=["retention"], dependencies=[pinned(retention_sha256)])

    @router.post(PATH, responses=problem_answers(*_ERRORS))
    def audit_yourself(asked: SelfAuditRequest) -> SelfAudited:
        """Look at every file, table, key and closed day, and sign what was found. Bearer: the retention service."""
        return SelfAudited(statement=audit.sign(audit.run(asked.words)))

    return router
