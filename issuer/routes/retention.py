"""What the retention service asks each day."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from checkin.errors import ClockUntrusted
from checkin.service.describe import problem_answers
from issuer.models import NamedStatement, StatementList, Statements
from issuer.routes.common import PINNED, Served, retention

router = APIRouter(tags=["retention"], dependencies=[Depends(retention)])


@router.post("/v1/purge", responses=problem_answers(ClockUntrusted, *PINNED))
def purge(issuer: Served) -> Statements:
    """Destroy what is due now, whether or not the service has done so by itself; the statements made by this."""
    names = issuer.purger.run()
    return Statements(statements=[note for name in names if (note := issuer.book.get(name)) is not None])


@router.get("/v1/statements", responses=problem_answers(*PINNED))
def statements(issuer: Served) -> StatementList:
    """Every signed statement about keys made and destroyed, days closed and purged."""
    return StatementList(statements=[NamedStatement(name=name, note=note) for name, note in issuer.book.all()])
