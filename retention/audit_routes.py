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


class AuditRoutes:
    """What the routes share."""

    def __init__(self, parts: Parts, audits: Audits, auditing: Auditing) -> None:
        self._parts = parts
        self._audits = audits
        self._auditing = auditing

    def router(self) -> APIRouter:
        router = APIRouter(tags=["audits"])
        missing = problem_answers(NotFound)
        add = router.add_api_route
        add(PATH, self.history, name="list_audits")
        auditor = [pinned(self._parts.settings.auditor_token_sha256)]
        answers = problem_answers(Forbidden, TokenMalformed)
        add(
            PATH,
            self.audit,
            name="audit_all",
            methods=["POST"],
            status_code=201,
            responses=answers,
            dependencies=auditor,
        )
        add(PATH + "/{place}", self.shown, name="show_audit", response_class=Response, responses=missing)
        add(PATH + "/{place}/proof", self.proof, name="prove_audit", response_class=Response, responses=missing)
        add("/audits/{place}", self.page, name="audit_page", response_class=HTMLResponse, responses=missing)
        return router

    def history(
        self,
        before: Annotated[Number | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_SIZE)] = PAGE_SIZE,
    ) -> AuditList:
        """List all audits as they were signed."""
        return AuditList(audits=self._audits.find(limit=limit, before=before))

    def audit(self, request: AuditRequest) -> Audit:
        """Audit everything now. Bearer: the auditor. It takes as long as reading every file of every service does."""
        for number, text in enumerate(request.tokens, start=1):
            try:
                presentation.read(presentation.from_text(text))
            except CheckinError:  # a mistake in copying: nothing was found about any person's codes
                raise TokenMalformed(f"Code {number} of the sample cannot be read as a check-in code.") from None
        return self._auditing.run(request)

    def shown(self, place: Place) -> Response:
        """Show one audit with its lines, as `audit.json`: the bytes follow from the signed note and the log."""
        audit = self._find(place)
        text = audit_json(place, audit.note, self._parts.look().book())
        return Response(text, media_type="application/json")

    def proof(self, place: Place) -> Response:
        """Prove that the audit is in the log, to carry along (c2sp.org/tlog-proof)."""
        self._find(place)
        return Response(self._parts.log.proof(place), media_type="text/plain; charset=utf-8")

    def page(self, place: Place) -> HTMLResponse:
        """Show one audit as a page, in English and Korean, to read or to print."""
        audit = self._find(place)
        return HTMLResponse(audit_html(place, audit.note, self._parts.look().book(), linked=True))

    def _find(self, place: int) -> Audit:
        found = self._audits.find(place=place)
        if not found:
            raise NotFound("There is no audit with this number.")
        return found[0]
