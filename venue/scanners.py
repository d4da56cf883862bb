"""Scanners: enrolled by a venue's operator, each with a token of its own that can be revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from checkin.errors import Forbidden, NotFound, TooManyRequests, Unauthorized
from checkin.keys.journal import Ending
from checkin.protocol.intake import Place
from checkin.protocol.primitives import random_bytes
from checkin.purge.clock_guard import ClockGuard
from checkin.service.auth import new_token, token_hash
from checkin.service.body import Body
from checkin.service.describe import problem_answers
from checkin.service.endings import Endings
from checkin.service.identity import ServiceIdentity
from checkin.service.window import Bound
from venue.database import RegistryDatabase
from venue.endings import SCANNER
from venue.gates import Gates
from venue.names import Name
from venue.venues import ID_SIZE, Venue, VenueId, Venues, operator_of, read_venue

MAX_SCANNERS = 1000  # a venue's live ones
_MAX_CACHED = 100_000
GRAIN_SECONDS = 3600  # of when a scanner was replaced
_FIND = """SELECT venues.id, venues.name, venues.status_rule, scanners.id AS scanner, uploads_until
    FROM scanners JOIN venues ON venues.id = scanners.venue
    WHERE scanners.token_sha256 = ? AND (revoked = 0 OR uploads_until > 0) AND closed = 0"""
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
    """A scanner in its operator's list. `last_seen`: when it last asked for its lists, which it does each minute
    whether or not anybody comes; RFC 3339, cut to five minutes, a minute late at most. None: never, or revoked.
    `waiting`: how many visits waited in it then, if it said so; what it scanned since nobody knows."""

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
    """Who scans: the venue with its rule, and the two ids as they go into seals (8 bytes each). `uploads_until`: of one
    that was replaced, until when its scans were made that it may upload, unix seconds; None: it scans."""

    venue: Venue
    place: Place
    uploads_until: int | None = None


class Scanners:
    """The table `scanners`, and who bears which token."""

    def __init__(self, database: RegistryDatabase, endings: Endings, party: ServiceIdentity, guard: ClockGuard) -> None:
        self._database = database
        self._endings = endings
        self._party = party
        self._guard = guard
        self._known: tuple[int, dict[bytes, VenueScanner]] = (-1, {})

    def enrol(self, venue: str, label: str) -> EnrolledScanner:
        """A scanner with its token. Raises `Forbidden` for one too many."""
        identifier, token = random_bytes(ID_SIZE).hex(), new_token()
        with self._database.writing() as tables:
            if tables.table("scanners").count_where("venue = ? AND revoked = 0", [venue]) >= MAX_SCANNERS:
                raise Forbidden(f"A venue has at most {MAX_SCANNERS} scanners: revoke those that are not used.")
            row = {"id": identifier, "venue": venue, "label": label, "token_sha256": token_hash(token)}
            tables.table("scanners").insert(row | {"revoked": 0, "uploads_until": 0})
        return EnrolledScanner(scanner_id=identifier, scanner_token=token)

    def listed(self, venue: str) -> list[ScannerEntry]:
        """By label; when each was last seen is not known here."""
        with self._database.reading() as tables:
            rows = list(tables.table("scanners").rows_where("venue = ?", [venue], order_by="label, id"))
        return [ScannerEntry(scanner_id=row["id"], label=row["label"], revoked=bool(row["revoked"])) for row in rows]

    def revoke(self, venue: str, scanner: str, reason: Reason) -> None:
        """Every worker refuses its next request, but the upload of what a replaced one has scanned; repeatable. Raises
        `NotFound`."""
        until = -(-int(self._party.now()) // GRAIN_SECONDS) * GRAIN_SECONDS if reason == "replaced" else 0
        with self._endings.writing(self._database) as (tables, ended):
            query = "SELECT revoked, uploads_until FROM scanners WHERE id = ? AND venue = ?"
            row = tables.execute(query, [scanner, venue]).fetchone()
            if row is None:
                raise NotFound("This venue has no scanner of this id.")
            revoked, uploads_until = row
            # What ends with the one reason does not come back with the other.
            if not revoked or (uploads_until and not until):
                tables.execute("UPDATE scanners SET revoked = 1, uploads_until = ? WHERE id = ?", [until, scanner])
                ended.append(Ending(SCANNER, scanner, f"{until:08x}" if until else ""))

    def forget_uploads(self) -> None:
        """A task: what a replaced scanner might upload is of a closed day. Raises `ClockUntrusted`."""
        self._guard.require_trusted()
        now, calendar = self._guard.settled(), self._party.calendar
        with self._database.reading() as tables:
            query = "SELECT DISTINCT uploads_until FROM scanners WHERE uploads_until > 0"
            kept = [row[0] for row in tables.execute(query)]
        if over := [until for until in kept if now >= calendar.closes(calendar.day(until))]:
            with self._database.writing() as tables:
                update = "UPDATE scanners SET uploads_until = 0 WHERE uploads_until > 0 AND uploads_until <= ?"
                tables.execute(update, [max(over)])

    def bearing(self, token: str) -> VenueScanner:
        """The scanner that bears `token`; raises `Unauthorized`, or `Forbidden` for an operator's token."""
        scanner = self.uploading(token)
        if scanner.uploads_until is not None:
            raise Unauthorized
        return scanner

    def uploading(self, token: str) -> VenueScanner:
        """As `bearing`, and also a scanner that was replaced.

        Found in memory as long as no process has committed anything since, otherwise in the database.
        """
        version, known = self._known
        current = self._database.look()
        if version != current or len(known) > _MAX_CACHED:
            known = {}
            self._known = (current, known)
        hashed = token_hash(token)
        scanner = known.get(hashed)
        if scanner is None:
            # A stranger's token is never kept: guessing fills no memory.
            scanner = known[hashed] = self._find(hashed)
        return scanner

    def _find(self, hashed: bytes) -> VenueScanner:
        with self._database.reading() as tables:
            found = list(tables.query(_FIND, [hashed]))
            operator = "SELECT 1 FROM venues WHERE operator_sha256 = ? AND closed = 0"
            if not found and tables.execute(operator, [hashed]).fetchone():
                raise Forbidden
        if not found:
            raise Unauthorized
        place = Place(bytes.fromhex(found[0]["id"]), bytes.fromhex(found[0]["scanner"]))
        return VenueScanner(read_venue(found[0]), place, found[0]["uploads_until"] or None)


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
