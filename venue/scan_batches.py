"""Queued scans, sealed to the intake key of their day, up to 1,000 at a time (docs/spec/registry.md §3).

Each entry is judged by itself and answered in its place; what is good is committed together. Nothing is lost by
sending a batch again: the answers are the same, but `repeated` instead of `accepted`.

Opening an entry (HPKE) holds the interpreter's lock, checking its signatures does not: a batch runs in a thread,
and more processes, not more threads, make batches faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import compress
from typing import Annotated, Final, Literal

import structlog
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from checkin.errors import (
    BadSignature,
    CheckinError,
    DayClosed,
    DayDestroyed,
    EntryUnreadable,
    Forbidden,
    KeyDestroyed,
    KeyMissing,
    NotReady,
    ScanTimeInvalid,
    ScanTooOld,
    StatusDisclosed,
    UnknownIssuerKey,
    WrongDay,
)
from checkin.files.tables import Tables
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol import presentation
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.intake import ENTRY_SIZE, Place, Scan, entry_day, open_entry
from checkin.protocol.presentation import EARLY_SECONDS, Presentation
from checkin.service.auth import Bearer
from checkin.service.body import Body
from checkin.service.day_store import DayService
from checkin.service.describe import problem_answers
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from checkin.vault.visit import Visit
from venue.checkins import Metrics, Visits, same_scan, visit_of
from venue.gates import Gates
from venue.issuer_trust import IssuerTrust
from venue.scanners import Scanners, VenueScanner

MAX_ENTRIES: Final = 1000
MAX_BODY: Final = 640 * 1024  # bytes; an entry is 508 characters
OLDEST_SECONDS: Final = 72 * 3600
_OfDay = Callable[[int], type[CheckinError] | None]
_Judged = dict[int, Visit]  # of good entries, by their places in the batch
log = structlog.get_logger()
_ADD = (
    "INSERT INTO alarms (day, failed) VALUES (:day, :failed)"
    " ON CONFLICT (day) DO UPDATE SET failed = alarms.failed + excluded.failed"
)


class BatchBody(Body):
    """Entries as base64url."""

    sealed: Annotated[list[str], Field(min_length=1, max_length=MAX_ENTRIES)]


class EntryResult(BaseModel):
    """What became of an entry; `code` says why it was refused, or why that cannot be decided yet (`undecided`): nothing
    is stored, and the scanner keeps the entry and sends it again later."""

    result: Literal["accepted", "repeated", "conflict", "refused", "undecided"]
    code: str | None = None


class BatchResults(BaseModel):
    """A result for each entry, in their order."""

    results: list[EntryResult]


_ACCEPTED, _REPEATED, _CONFLICT = (EntryResult(result=word) for word in ("accepted", "repeated", "conflict"))


class BatchIntake:
    """Takes queued scans. Any number of threads."""

    def __init__(self, service: DayService, trust: IssuerTrust, visits: Visits, gates: Gates, turns: int) -> None:
        """`turns`: how many batches at a time."""
        self._party, self._guard = service.party, service.guard
        self._trust = trust
        self._visits = visits
        self._gates = gates
        self._turns = turns
        self._at_work: set[bytes] = set()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, venue: bytes) -> Iterator[None]:
        """Raises `NotReady` at once when the venue has its turn, or all are taken: the holder of one scanner's token
        keeps no other venue out."""
        with self._lock:
            if venue in self._at_work or len(self._at_work) >= self._turns:
                raise NotReady("Too many batches at once: try again in a few seconds.")
            self._at_work.add(venue)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.remove(venue)

    def take(self, scanner: VenueScanner, sealed: list[str]) -> list[EntryResult]:
        """A result for each entry; accepted ones are on the disk.

        Raises `NotReady`, `KeyMissing` or `ClockUntrusted` when some entry cannot be judged or stored now; what was
        good besides is stored, and answered `repeated` when the batch is sent again.
        """
        now = self._guard.now()
        refusal = cache(partial(self._refusal, now))  # a batch has few days
        results: dict[int, EntryResult] = {}
        days: dict[int, _Judged] = {}
        later: CheckinError | None = None
        for index, entry in enumerate(sealed):
            try:
                day, visit = self._judge(_read(entry), scanner, now, refusal)
                days.setdefault(day, {})[index] = visit
            except (KeyMissing, NotReady) as error:
                later = error
            except UnknownIssuerKey as error:
                # SPEC registry.md: "a list that comes later may have the key"
                results[index] = EntryResult(result="undecided", code=error.code)
            except CheckinError as error:
                results[index] = EntryResult(result="refused", code=error.code)
        later = self._store_days(days, scanner.place.scanner, results) or later
        if later:
            raise later
        if any(item.result == "refused" for item in results.values()):  # the scanner forgets the entry
            self._guard.require_trusted()
        return [results[index] for index in range(len(sealed))]

    def _judge(self, entry: bytes, scanner: VenueScanner, now: float, refusal: _OfDay) -> tuple[int, Visit]:
        """The day and the visit of an entry; raises the first check that fails."""
        day = entry_day(entry)
        if refused := refusal(day):
            raise refused
        scan = self._open(entry, scanner.place, day)
        read = presentation.read(scan.token)
        if read.opening is not None:
            raise StatusDisclosed
        self._reject_scan_time(scan, read, now)
        if scanner.uploads_until is not None and scan.scanned_at > scanner.uploads_until:
            raise ScanTimeInvalid("The scan was made after the scanner was replaced.")
        if read.credential.day != day:
            raise WrongDay("The entry was sealed for another day than its code's.")
        verified = presentation.verify_read(read, self._party.calendar, self._trust.keys_of_day)
        return day, visit_of(verified, scanner.place.venue, scan.scan_id, scan.scanned_at)

    def _refusal(self, now: float, day: int) -> type[CheckinError] | None:
        """`DayDestroyed` for a day that is due, whether or not the purge has run; `DayClosed` from D+4 00:05 on;
        `EntryUnreadable` for one that is further ahead than tomorrow."""
        if day < self._guard.floor(self._party.calendar):
            return DayDestroyed
        if day > self._party.calendar.day(now) + 1:
            return EntryUnreadable
        # SPEC days.md §2: "Day D *closes* at D+4 00:05."
        return DayClosed if now >= self._party.calendar.closes(day) else None

    def _open(self, entry: bytes, place: Place, day: int) -> Scan:
        try:
            key = self._party.ring.opening_key(KeyName(Purpose.INTAKE, day))
        except KeyMissing:
            raise EntryUnreadable from None
        except KeyDestroyed:
            raise DayClosed from None
        except CheckinError as error:  # of a disk, or of a node of a ring: it says nothing of the entry
            raise NotReady(error.detail) from None
        return open_entry(entry, place, key)

    def _reject_scan_time(self, scan: Scan, read: Presentation, now: float) -> None:
        """`ScanTimeInvalid` for a scan in the future or outside the code's window, `ScanTooOld` after 72 hours."""
        first, last = presentation.window(read, self._party.calendar)
        if scan.scanned_at > now + EARLY_SECONDS or not first <= scan.scanned_at <= last:
            raise ScanTimeInvalid
        if now - scan.scanned_at > OLDEST_SECONDS:
            raise ScanTooOld

    def _store_days(
        self, days: dict[int, _Judged], scanner: bytes, results: dict[int, EntryResult]
    ) -> CheckinError | None:
        """Adds to `results`; what keeps a day from being stored now, which keeps no other from it."""
        later: CheckinError | None = None
        for day, judged in days.items():
            try:
                results |= self._store(day, judged, scanner)
            except (DayClosed, DayDestroyed) as error:
                results |= dict.fromkeys(judged, EntryResult(result="refused", code=error.code))
            except (KeyMissing, NotReady) as error:
                later = error
        return later

    def _store(self, day: int, judged: _Judged, scanner: bytes) -> dict[int, EntryResult]:
        """All visits of a day in one commit; then second uses, flagged, in another."""
        rows = [self._visits.row(day, visit) for visit in judged.values()]
        added = self._visits.vault.insert(day, rows)
        for row in compress(rows, added):
            self._gates.count(day, scanner, row.bucket)
        results = dict.fromkeys(compress(judged, added), _ACCEPTED)
        rest = {place: visit for place, visit in judged.items() if place not in results}
        first = self._visits.standing(day, list(rest.values())) if rest else {}
        for place, visit in rest.items():
            results[place] = _REPEATED if same_scan(first[visit.visit_id], visit) else _CONFLICT
        self._visits.keep_conflicts(day, [visit for place, visit in rest.items() if results[place] is _CONFLICT])
        return results


def _read(sealed: str) -> bytes:
    if len(sealed) > 2 * ENTRY_SIZE:
        raise EntryUnreadable
    with suppress(ValueError):
        return b64url_decode(sealed)
    raise EntryUnreadable


def routes(batches: BatchIntake, scanners: Scanners, metrics: Metrics, alarms: Alarms) -> APIRouter:
    """/v1/check-ins/batch."""
    router = APIRouter(tags=["scanner"])

    def count(results: list[EntryResult]) -> None:
        for item in results:
            metrics.entry(item.result if item.result == "undecided" else item.code or item.result)
        failed = sum(item.code == BadSignature.code for item in results)
        if failed:
            # The scanner's user either forged it or was deceived: a person must look, but no name is logged here.
            metrics.alarms.inc(failed)
            log.warning("queued_signature_failed", count=failed)
            alarms.add(failed)

    def bearing(token: Bearer) -> VenueScanner:
        return scanners.uploading(token)

    refused = problem_answers(Forbidden, KeyMissing)

    @router.post("/v1/check-ins/batch", response_model_exclude_none=True, responses=refused)
    def check_in_batch(uploaded: BatchBody, scanner: VenueScanner = Depends(bearing)) -> BatchResults:  # noqa: B008 - FastAPI's way
        """Upload queued scans; a result for each, in order. Bearer: the scanner that sealed them, also one that
        was replaced since."""
        with batches.turn(scanner.place.venue):
            results = batches.take(scanner, uploaded.sealed)
        count(results)
        return BatchResults(results=results)

    return router


class Alarms:
    """The table `alarms`: how many queued codes' signatures failed on which day, for all workers to show in /readyz;
    it identifies no one."""

    def __init__(self, party: ServiceIdentity, tables: Tables) -> None:
        self._party = party
        self._tables = tables

    def add(self, number: int) -> None:
        """So many more today."""
        values = {"day": self._party.today(), "failed": number}
        self._tables.write(lambda commit: commit.execute(_ADD, values))

    def findings(self) -> Iterator[Finding]:
        """A warning for the rest of the day."""
        for (failed,) in self._tables.read("SELECT failed FROM alarms WHERE day = :day", {"day": self._party.today()}):
            text = f"Signatures of {failed} queued codes failed today: find out which venue's scanner is not its own."
            yield Finding("queued_signatures", "warning", text)

    def forget(self, oldest_day: int) -> None:
        """Removes the counts of earlier days. A task of the purge."""
        forget = "DELETE FROM alarms WHERE day < :oldest"
        self._tables.write(lambda commit: commit.execute(forget, {"oldest": oldest_day}))
