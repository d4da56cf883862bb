"""Scanners: enrolled by a venue's operator, each with a token of its own that can be revoked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from checkin.errors import Forbidden, NotFound, TooManyRequests, Unauthorized
from checkin.files.tables import Commit, Tables, Values
from checkin.keys.journal import Ending
from checkin.protocol.intake import Place
from checkin.protocol.primitives import random_bytes
from checkin.purge.clock_guard import ClockGuard
from checkin.service.auth import new_token, token_hash
from checkin.service.body import Body
from checkin.service.describe import problem_answers
from checkin.service.endings import Endings
from checkin.service.identity import ServiceIdentity
from checkin.service.shared_counts import Bound
from venue.database import SCANNER, SCANNERS, knows_token
from venue.gates import Gates
from venue.venues import ID_SIZE, Name, VenueId, Venues, operator_of

MAX_SCANNERS = 1000  # a venue's live ones
_MAX_CACHED = 100_000
GRAIN_SECONDS = 3600  # of when a scanner was replaced
_FIND = """SELECT venues.id, venues.name, venues.status_rule, scanners.id, uploads_until
    FROM scanners JOIN venues ON venues.id = scanners.venue
    WHERE scanners.token_sha256 = :hashed AND (revoked = 0 OR uploads_until > 0) AND closed = 0"""
_LIVE = "SELECT count(*) FROM scanners WHERE venue = :venue AND revoked = 0"
_ENROL = """INSERT INTO scanners (id, venue, label, token_sha256, revoked, uploads_until)
    VALUES (:id, :venue, :label, :hashed, 0, 0) ON CONFLICT DO NOTHING"""
Reason = Annotated[
    Literal["replaced", "stolen"],
    Query(
        description="replaced: what it scanned before may still be uploaded, until those days are closed; "
        "stolen: nothing may, and the visits that wait in it are lost"
    ),
]
ScannerId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="8 bytes as 16 hexadecimal digits")]


class NewScanner(Body):
    """What the operator calls it."""

    label: Name


class EnrolledScanner(BaseModel):
    """The token is shown this once."""

    scanner_id: str
    scanner_token: str


class ScannerEntry(BaseModel):
    """A scanner in its operator's list. `last_seen`: when it last fetched its lists, which it does each minute with or
    without visitors; RFC 3339, cut to five minutes, a minute late at most. None: never, or revoked.
    `waiting`: how many visits waited in it then, if it said so; what it scanned since is not known."""

    scanner_id: str
    label: str
    revoked: bool
    last_seen: str | None = None
    waiting: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class ScannerList(BaseModel):
    """All scanners a venue ever had, by label."""

    scanners: list[ScannerEntry]


@dataclass(frozen=True, slots=True)
class VenueScanner:
    """A scanner at its venue: the venue's name, the statuses that it accepts, sorted, and the two ids as they go into
    seals (8 bytes each). `uploads_until`: a replaced one may upload scans made until then, unix seconds; None: it was
    not replaced."""

    name: str
    rule: tuple[int, ...]
    place: Place
    uploads_until: int | None = None


class Scanners:
    """The table `scanners`, with scanners found by their tokens."""

    def __init__(self, tables: Tables, endings: Endings, party: ServiceIdentity, guard: ClockGuard) -> None:
        self._tables = tables
        self._endings = endings
        self._party = party
        self._guard = guard
        self._known: tuple[int, dict[bytes, VenueScanner]] = (-1, {})

    def enrol(self, venue: str, label: str) -> EnrolledScanner:
        """A scanner with its token. Raises `Forbidden` for one too many."""
        identifier, token = random_bytes(ID_SIZE).hex(), new_token()
        row: Values = {"id": identifier, "venue": venue, "label": label, "hashed": token_hash(token)}

        def step(commit: Commit) -> None:
            commit.alone()
            if commit.execute(_LIVE, {"venue": venue})[0][0] >= MAX_SCANNERS:
                raise Forbidden(f"A venue has at most {MAX_SCANNERS} scanners: revoke those that are not used.")
            commit.execute(_ENROL, row)

        self._tables.write(step)
        return EnrolledScanner(scanner_id=identifier, scanner_token=token)

    def listed(self, venue: str) -> list[ScannerEntry]:
        """By label; when each was last seen is not known here."""
        query = "SELECT id, label, revoked FROM scanners WHERE venue = :venue ORDER BY label, id"
        rows = self._tables.read(query, {"venue": venue})
        return [ScannerEntry(scanner_id=row[0], label=row[1], revoked=bool(row[2])) for row in rows]

    def revoke(self, venue: str, scanner: str, reason: Reason) -> None:
        """Ends the scanner: every worker refuses its next request once it has looked, but the upload of what a
        replaced one has scanned; repeatable. Raises `NotFound`."""
        until = -(-int(self._party.now()) // GRAIN_SECONDS) * GRAIN_SECONDS if reason == "replaced" else 0

        def step(commit: Commit, ended: list[Ending]) -> None:
            commit.alone()
            query = "SELECT revoked, uploads_until FROM scanners WHERE id = :scanner AND venue = :venue"
            found = commit.execute(query, {"scanner": scanner, "venue": venue})
            if not found:
                raise NotFound("This venue has no scanner of this id.")
            [(revoked, uploads_until)] = found
            # What ends with the one reason does not come back with the other.
            if not revoked or (uploads_until and not until):
                update = "UPDATE scanners SET revoked = 1, uploads_until = :until WHERE id = :scanner"
                commit.execute(update, {"until": until, "scanner": scanner})
                commit.changed(SCANNERS)
                ended.append(Ending(SCANNER, scanner, f"{until:08x}" if until else ""))

        self._endings.write(self._tables, step)

    def forget_uploads(self) -> None:
        """A task: ends the uploads of replaced scanners once their days are closed. Raises `ClockUntrusted`."""
        self._guard.require_trusted()
        now, calendar = self._guard.settled(), self._party.calendar
        kept = self._tables.read("SELECT DISTINCT uploads_until FROM scanners WHERE uploads_until > 0")
        over = [until for (until,) in kept if now >= calendar.closes(calendar.day(until))]
        update = "UPDATE scanners SET uploads_until = 0 WHERE uploads_until > 0 AND uploads_until <= :over"

        def step(commit: Commit) -> None:
            commit.execute(update, {"over": max(over)})
            commit.changed(SCANNERS)

        if over:
            self._tables.write(step)

    def bearing(self, token: str) -> VenueScanner:
        """The scanner that bears `token`; raises `Unauthorized`, or `Forbidden` for an operator's token."""
        return _scanning(self.uploading(token))

    async def at_door(self, token: str) -> VenueScanner:
        """As `bearing`; the event loop is free while the database is queried."""
        known = self.remembered(token)
        return known if known else await asyncio.to_thread(self.bearing, token)

    def remembered(self, token: str) -> VenueScanner | None:
        """As `bearing`, if that is in memory; queries no database about a token, raises only for one that it knows."""
        known = self._memory().get(token_hash(token))
        return _scanning(known) if known else None

    def uploading(self, token: str) -> VenueScanner:
        """As `bearing`, and also a scanner that was replaced.

        Found in memory as long as no process has changed what scanners are given, otherwise in the database.
        """
        known, hashed = self._memory(), token_hash(token)
        scanner = known.get(hashed)
        if scanner is None:
            # An unknown token is never kept: guessing fills no memory.
            scanner = known[hashed] = self._find(hashed)
        return scanner

    def _memory(self) -> dict[bytes, VenueScanner]:
        """By the token's hash, of what has not changed since."""
        version, known = self._known
        current = self._tables.look()[SCANNERS]
        if version != current or len(known) > _MAX_CACHED:
            known = {}
            self._known = (current, known)
        return known

    def _find(self, hashed: bytes) -> VenueScanner:
        for venue, name, rule, scanner, until in self._tables.read(_FIND, {"hashed": hashed}):
            place = Place(bytes.fromhex(venue), bytes.fromhex(scanner))
            return VenueScanner(name, tuple(json.loads(rule)), place, until or None)
        raise Forbidden if knows_token(self._tables, hashed) else Unauthorized


def _scanning(scanner: VenueScanner) -> VenueScanner:
    if scanner.uploads_until is not None:
        raise Unauthorized
    return scanner


def routes(venues: Venues, scanners: Scanners, gates: Gates, throttle: Bound) -> APIRouter:
    """What a venue's operator does with scanners."""
    prefix = "/v1/venues/{venue_id}/scanners"
    operator, refused = [operator_of(venues)], problem_answers(Forbidden)
    router = APIRouter(prefix=prefix, tags=["operator"], dependencies=operator, responses=refused)

    @router.post("", status_code=201, responses=problem_answers(TooManyRequests))
    def enrol_scanner(venue_id: VenueId, new: NewScanner) -> EnrolledScanner:
        """Enrol a scanner. Bearer: the venue's operator."""
        throttle.pass_one(venue_id)
        return scanners.enrol(venue_id, new.label)

    @router.get("")
    def list_scanners(venue_id: VenueId) -> ScannerList:
        """List the venue's scanners, and their last signs of life. Bearer: the venue's operator."""
        listed = scanners.listed(venue_id)
        seen = gates.last_heard(entry.scanner_id for entry in listed if not entry.revoked)
        for entry in listed:
            entry.last_seen, entry.waiting = seen.get(entry.scanner_id, (None, None))
        return ScannerList(scanners=listed)

    @router.delete("/{scanner_id}", status_code=204, responses=problem_answers(NotFound))
    def revoke_scanner(venue_id: VenueId, scanner_id: ScannerId, reason: Reason = "replaced") -> None:
        """Revoke a scanner, in all workers from its next request on. Bearer: the venue's operator."""
        scanners.revoke(venue_id, scanner_id, reason)

    return router
