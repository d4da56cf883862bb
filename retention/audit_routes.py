"""Audits over HTTP: the history, each as JSON and as a page, the proof that it is in the log, and asking for one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from checkin.audit.audit_page import audit_html, audit_json
from checkin.errors import CheckinError, Forbidden, NotFound, TokenMalformed
from checkin.protocol import presentation
from checkin.service.auth import pinned
from checkin.service.body import Number
from checkin.service.describe import problem_answers
from retention.auditing import Auditing, AuditRequest
from retention.audits import Audit, Audits
from retention.parts import Parts

PATH = "/v1/audits"
PAGE_SIZE = 100
Place = Annotated[Number, Path(description="the audit's place in the log")]


class AuditList(BaseModel):
    """Newest first, at most `limit`; `before` a place for the ones before it."""

    audits: list[Audit]


def routes(parts: Parts, audits: Audits, auditing: Auditing) -> APIRouter:
    """For everybody; the auditor alone asks for an audit."""
    router, missing = APIRouter(tags=["audits"]), problem_answers(NotFound)
    auditor, refused = [pinned(parts.settings.auditor_token_sha256)], problem_answers(Forbidden, TokenMalformed)

    @router.get(PATH)
    def list_audits(
        before: Annotated[Number | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_SIZE)] = PAGE_SIZE,
    ) -> AuditList:
        """List all audits as they were signed."""
        return AuditList(audits=audits.find(limit=limit, before=before))

    @router.post(PATH, status_code=201, dependencies=auditor, responses=refused)
    def audit_all(request: AuditRequest) -> Audit:
        """Audit everything now. Bearer: the auditor. It takes as long as reading every file of every service does."""
        for number, text in enumerate(request.tokens, start=1):
            try:
                presentation.read(presentation.from_text(text))
            except CheckinError:  # a mistake in copying: nothing was found about any person's codes
                raise TokenMalformed(f"Code {number} of the sample cannot be read as a check-in code.") from None
        return auditing.run(request)

    @router.get(PATH + "/{place}", response_class=Response, responses=missing)
    def show_audit(place: Place) -> Response:
        """Show one audit with its lines, as `audit.json`: the bytes follow from the signed note and the log."""
        text = audit_json(place, _find(audits, place).note, parts.look().book())
        return Response(text, media_type="application/json")

    @router.get(PATH + "/{place}/proof", response_class=Response, responses=missing)
    def prove_audit(place: Place) -> Response:
        """Prove that the audit is in the log, to carry along (c2sp.org/tlog-proof)."""
        _find(audits, place)
        return Response(parts.log.proof(place), media_type="text/plain; charset=utf-8")

    @router.get("/audits/{place}", response_class=HTMLResponse, responses=missing)
    def audit_page(place: Place) -> HTMLResponse:
        """Show one audit as a page, in English and Korean, to read or to print."""
        return HTMLResponse(audit_html(place, _find(audits, place).note, parts.look().book(), linked=True))

    return router


def _find(audits: Audits, place: int) -> Audit:
    found = audits.find(place=place)
    if not found:
        raise NotFound("There is no audit with this number.")
    return found[0]
