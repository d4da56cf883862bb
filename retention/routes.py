"""The retention service's API: reports with their proofs, the log's files, and a way in for statements."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, Field

from checkin.errors import (
    Forbidden,
    ListRefused,
    LogConflict,
    NoteMalformed,
    NoteUntrusted,
    NotFound,
    Unauthorized,
)
from checkin.protocol.encoding import b64_encode
from checkin.protocol.primitives import equal, sha256
from checkin.service.auth import Bearer, pinned_hashes
from checkin.service.body import Body, Number, weights
from checkin.service.describe import problem_answers
from checkin.service.settings import AuthoritySettings
from checkin.tlog.checkpoint import stated_size
from checkin.tlog.tiles import MAX_ENTRY
from retention.overview import DayReport, Missing, OrderNumbers, order_numbers
from retention.parts import Parts
from retention.settings import CollectedService

MAX_REPORTS = 200
_REFUSED = (Forbidden, NoteMalformed, NoteUntrusted, ListRefused, LogConflict)
IMMUTABLE = "public, max-age=31536000, immutable"


class InclusionProof(BaseModel):
    """RFC 6962 inclusion of the report, as the entry number `index`, in the log of `size` entries."""

    index: Number
    size: Number
    hashes: Annotated[list[str], Field(description="base64, from the leaf's sibling up")]


@dataclass(frozen=True)
class PurgeReport(DayReport):
    """A purge report: what it says, the signed note that says it, and where it is in the log."""

    proof: InclusionProof | None
    """Absent until a checkpoint that covers the report is published."""


class Contradiction(BaseModel):
    """Two or more different reports of one service about one day; all of them are shown."""

    service: str
    day: str
    reports: list[Number]


class PurgeReports(BaseModel):
    """Reports newest first, at most 200; `before` an index for the ones before it."""

    reports: list[PurgeReport]
    missing: list[Missing]
    contradictions: list[Contradiction]
    checkpoint: str | None
    """The log's checkpoint that the proofs lead to."""


class EntryBody(Body):
    """A statement for the log, signed by the service that sends it."""

    note: Annotated[str, Field(max_length=MAX_ENTRY)]


class EntryPlace(BaseModel):
    """Where the statement is in the log."""

    index: Number


class Keys(BaseModel):
    """Verifier keys of this service, its log, the services that it queries, the health authority's officers, and the
    log's witnesses, of which `quorum` cosign a checkpoint before it is published; pin them after comparing by hand."""

    retention: str
    log: str
    services: dict[str, str]
    former: dict[str, list[str]]
    officers: list[str]
    witnesses: list[str]
    quorum: Annotated[int, Field(ge=0, le=16)]


class Routes:
    """What the routes share."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._overview = parts.overview
        self._log = parts.log
        self._tokens = [(service, sha256(parts.tokens[service.name].encode())) for service in parts.settings.services]

    def router(self) -> APIRouter:
        router = APIRouter()
        add = router.add_api_route
        add("/v1/purge-reports", self.purge_reports, tags=["reports"])
        add("/v1/purge-reports/{index}", self.purge_report, tags=["reports"], responses=problem_answers(NotFound))
        sender = [Depends(self._sender)]
        taken = problem_answers(*_REFUSED)
        add("/v1/entries", self.add_entry, methods=["POST"], tags=["log"], dependencies=sender, responses=taken)
        add("/v1/orders", self.orders, tags=["reports"])
        add("/v1/keys", self.keys, tags=["log"])
        missing = problem_answers(NotFound)
        add("/checkpoint", self.checkpoint, tags=["log"], response_class=Response, responses=missing)
        add("/tile/{path:path}", self.tile, tags=["log"], response_class=Response, responses=missing)
        return router

    def purge_reports(
        self,
        service: Annotated[str | None, Query(max_length=255)] = None,
        day: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$")] = None,
        before: Annotated[Number | None, Query()] = None,
    ) -> PurgeReports:
        """Show what was destroyed, by whom it was stated, what is missing, and what contradicts."""
        reports = self._overview.reports(service, day)
        newest = [report for report in reversed(reports) if before is None or report.index < before][:MAX_REPORTS]
        note, size = self._head()
        missing = self._overview.missing(self._parts.party.now())
        return PurgeReports(
            reports=[self._shown(report, size) for report in newest],
            missing=[one for one in missing if service in (None, one.service) and day in (None, one.day)],
            contradictions=self._contradictions(service, day),
            checkpoint=note,
        )

    def purge_report(self, index: Number) -> PurgeReport:
        """Show one report by its place in the log."""
        found = [report for report in self._overview.reports() if report.index == index]
        if not found:
            raise NotFound("There is no purge report with this number.")
        return self._shown(found[0], self._head()[1])

    def add_entry(self, entry: EntryBody, token: Bearer) -> EntryPlace:
        """Log a service's statement, or what the authority's officers signed: an order's entry, a list of day keys, a
        statement that some were destroyed. The token names the service, whose signature the statement must carry, or
        the authority, of whose officers enough must have signed. The same again has the same index."""
        sender = self._sender(token)
        if isinstance(sender, CollectedService):
            index = self._parts.intake.take(sender, entry.note)
        else:
            index = self._parts.intake.take_authority(sender, entry.note)
        self._parts.cosigning.run()
        return EntryPlace(index=index)

    def orders(self) -> OrderNumbers:
        """Count orders of the health authority; numbers below ten read `fewer than 10`."""
        return order_numbers(self._parts.statements) or OrderNumbers()

    def keys(self) -> Keys:
        """List the keys under which everything here verifies."""
        settings = self._parts.settings
        return Keys(
            retention=self._parts.party.signer.verifier.vkey,
            log=self._parts.log_verifier.vkey,
            services={service.name: service.vkey for service in settings.services},
            former=settings.former_keys,
            officers=list(settings.authority.officers) if settings.authority else [],
            witnesses=[witness.vkey for witness in settings.witnesses],
            quorum=settings.needed,
        )

    def checkpoint(self) -> Response:
        """Show the log's newest signed head (c2sp.org/tlog-checkpoint)."""
        return Response(self._log.file("checkpoint"), media_type="text/plain; charset=utf-8")

    def tile(
        self, path: Annotated[str, Path(max_length=100)], accept_encoding: Annotated[str, Header()] = ""
    ) -> Response:
        """Read a file of the log (c2sp.org/tlog-tiles); it never changes. Entry bundles come as gzip to who reads
        it."""
        try:
            content, headers = self._log.file(f"tile/{path}"), {"cache-control": IMMUTABLE}
        except NoteMalformed:
            raise NotFound("This is not the path of a tile.") from None
        if path.startswith("entries/"):
            headers["vary"] = "accept-encoding"
            # SPEC tlog-tiles: "Entry bundles SHOULD be compressed at the HTTP layer"
            wanted = weights(accept_encoding)
            if wanted.get("gzip", wanted.get("*", 0)):
                content, headers["content-encoding"] = gzip.compress(content, mtime=0), "gzip"
        return Response(content, media_type="application/octet-stream", headers=headers)

    def _sender(self, token: Bearer) -> CollectedService | AuthoritySettings:
        """The token's holder; as a route's dependency it refuses unknown callers before their body is read."""
        settings, digest = self._parts.settings, sha256(token.encode())
        pinned = settings.authority_token_sha256
        if settings.authority and pinned and equal(digest, bytes.fromhex(pinned)):
            return settings.authority
        for service, expected in self._tokens:
            if equal(digest, expected):
                return service
        raise Forbidden if digest in pinned_hashes(settings) else Unauthorized

    def _head(self) -> tuple[str | None, int]:
        """The published checkpoint and its size."""
        try:
            note = self._log.published()
        except NotFound:
            return None, 0
        return note, stated_size(note)

    def _shown(self, report: DayReport, size: int) -> PurgeReport:
        proof = None
        if report.index < size:
            hashes = [b64_encode(value) for value in self._log.inclusion(report.index, size)]
            proof = InclusionProof(index=report.index, size=size, hashes=hashes)
        return PurgeReport(**vars(report), proof=proof)

    def _contradictions(self, service: str | None, day: str | None) -> list[Contradiction]:
        return [
            Contradiction(service=who, day=when, reports=[report.index for report in self._overview.reports(who, when)])
            for who, when in self._overview.contradictions()
            if service in (None, who) and day in (None, when)
        ]
