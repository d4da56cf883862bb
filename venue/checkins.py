"""One check-in, verified at the registry's own time and answered when it is on the disk (docs/spec/registry.md §2).

The busiest route there is. It is a plain ASGI app: FastAPI's parsing and routing would take longer than both
signatures. The signatures (78 µs each) are checked on the event loop: a thread costs more than it gains where every
core has a worker process of its own (measured).

From a code to its committed row: `CheckInRoute`, `CheckIns`, `Visits`, `Commits`. Batches of queued codes
(`venue/scan_batches.py`) use `Visits` and `Metrics`, too.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from checkin import errors
from checkin.clock import Calendar
from checkin.protocol import presentation
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.intake import SCAN_ID_SIZE
from checkin.protocol.presentation import Presentation
from checkin.protocol.primitives import equal
from checkin.service import problems
from checkin.service.auth import Bearer, bearer_of
from checkin.service.day_store import DayService
from checkin.service.describe import problem_answers
from checkin.vault.engines import Row
from checkin.vault.vault import Vault
from checkin.vault.visit import CONFLICT, Visit, conflict_keys, open_visit, seal_visit, visit_key
from venue.gates import Gates
from venue.issuer_trust import IssuerTrust
from venue.scanners import Scanners, VenueScanner

MAX_BODY: Final = 4096  # bytes; a token is 468 characters
_DOOR: Final = (
    errors.Forbidden,
    errors.TokenMalformed,
    errors.StatusDisclosed,
    errors.TokenNotYetValid,
    errors.TokenExpired,
    errors.WrongDay,
    errors.UnknownIssuerKey,
    errors.BadSignature,
    errors.AlreadyUsed,
    errors.KeyMissing,
    errors.DayClosed,
    errors.DayDestroyed,
)
log = structlog.get_logger()
PATIENCE_SECONDS: Final = 60.0
ROWS_A_COMMIT: Final = 1000  # at most


@dataclass(frozen=True, slots=True)
class CheckInRequest:
    """A code as it was read, and the scan's random id of 16 bytes."""

    token: str
    scan_id: bytes

    @classmethod
    def read(cls, body: bytes) -> CheckInRequest:
        """From JSON with exactly the members `token` and `scan_id`; raises `RequestInvalid`."""
        try:
            members = json.loads(body)
            token, scan_id = members["token"], members["scan_id"]
            if len(members) == 2 and isinstance(token, str) and isinstance(scan_id, str):
                return cls(token, b64url_decode(scan_id, SCAN_ID_SIZE))
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise errors.RequestInvalid("The body is {token, scan_id}: the code's text, and 16 bytes in base64url.")


class UsedBefore(errors.AlreadyUsed):
    """The code was used; `same_venue`: at the venue of this request."""

    def __init__(self, same_venue: bool) -> None:
        super().__init__("Already checked in here." if same_venue else None)
        self.same_venue = same_venue


class CheckIns:
    """Verifies codes and records each once."""

    def __init__(self, service: DayService, trust: IssuerTrust, visits: Visits, commits: Commits, gates: Gates) -> None:
        self._party, self._guard = service.party, service.guard
        self._trust = trust
        self._visits = visits
        self._commits = commits
        self._gates = gates

    async def admit(self, request: CheckInRequest, scanner: VenueScanner) -> str:
        """`accepted`, once the visit is on the disk, or `repeated` for the same scan at the same venue.

        Raises the first check that fails, `StatusDisclosed`, `UsedBefore`, or `NotReady`.
        """
        if not self._trust.is_read:
            await asyncio.to_thread(self._trust.read)
        now = self._party.now()
        verified = self._verify(request.token, now)
        day = verified.credential.day
        visit = visit_of(verified, scanner.place.venue, request.scan_id, now)
        row = self._visits.row(day, visit)
        if await self._commits.insert(day, row):
            self._gates.count(day, scanner.place.scanner, row.bucket)
            return "accepted"
        return await asyncio.to_thread(self._second_use, day, visit)

    def _verify(self, token: str, now: float) -> Presentation:
        """The door's checks in their order. The venue's rule is the scanner's to check: no status comes here."""
        read = presentation.read(presentation.from_text(token))
        # SPEC presentation.md: "a scanner MUST strip it before it queues or uploads"
        if read.opening is not None:
            raise errors.StatusDisclosed
        presentation.reject_outside_window(read, now, self._party.calendar)
        # By the time that never goes back: a clock set back revives no day.
        if read.credential.day < self._guard.floor(self._party.calendar):
            raise errors.DayDestroyed
        return presentation.verify_read(read, self._party.calendar, self._trust.keys_of_day)

    def _second_use(self, day: int, visit: Visit) -> str:
        found = self._visits.standing(day, [visit])
        if visit.visit_id not in found:
            raise errors.NotReady  # only the purge removes a row, and that takes the whole day
        first = found[visit.visit_id]
        if same_scan(first, visit):
            return "repeated"
        raise UsedBefore(first is not None and first.venue == visit.venue)


class CheckInRoute:
    """POST /v1/check-ins as an ASGI app."""

    def __init__(self, check_ins: CheckIns, scanners: Scanners, metrics: Metrics, max_in_flight: int) -> None:
        self._check_ins = check_ins
        self._scanners = scanners
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI; the body was bounded before."""
        self._in_flight += 1
        try:
            # All requests that have arrived are counted before the first is worked on.
            await asyncio.sleep(0)
            result = await self._answer(scope, receive)
        except errors.CheckinError as error:
            self._metrics.check_in(error.code)
            beside = {"same_venue": error.same_venue} if isinstance(error, UsedBefore) else {}
            await problems.response(error, scope, **beside)(scope, receive, send)
        except Exception as error:
            # Answered here and not let through: a server's traceback could quote what was sent.
            log.error("unexpected_error", type=type(error).__name__)
            self._metrics.check_in(errors.InternalError.code)
            await problems.response(errors.InternalError())(scope, receive, send)
        else:
            self._metrics.check_in(result)
            status, body = (201 if result == "accepted" else 200), b'{"result":"%s"}' % result.encode("ascii")
            await Response(body, status, media_type="application/json")(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive) -> str:
        if self._in_flight > self._max_in_flight:
            raise errors.NotReady("Too many check-ins at once: queue this one, or try again in a few seconds.")
        scanner = await self._scanners.at_door(bearer_of(scope))
        message = await receive()
        return await self._check_ins.admit(CheckInRequest.read(message.get("body", b"")), scanner)


def visit_of(verified: Presentation, venue: bytes, scan_id: bytes, scanned_at: float) -> Visit:
    """The record of a verified code that was scanned at `scanned_at`, kept to the minute."""
    credential = verified.credential
    return Visit(
        venue=venue,
        minute=int(scanned_at // 60),
        issuer=credential.issuer,
        visit_id=credential.visit_id,
        scan_id=scan_id,
        sealed_subject=credential.sealed_subject,
    )


class Visits:
    """The day vault as the registry uses it, for check-ins one by one and in batches."""

    def __init__(self, vault: Vault, calendar: Calendar) -> None:
        self.vault = vault
        self._calendar = calendar

    def row(self, day: int, visit: Visit, key: bytes | None = None) -> Row:
        """Sealed. A code of the day that is scanned in the first seconds after midnight lies in hour 24."""
        return seal_visit(self.vault, day, visit, self._calendar.hour(day, visit.minute * 60), key)

    def standing(self, day: int, visits: Sequence[Visit]) -> Mapping[bytes, Visit | None]:
        """The first visit of each visit id that has one, by visit id; None for a row that does not open."""
        keys = {visit_key(self.vault, day, visit.visit_id): visit.visit_id for visit in visits}
        found = self.vault.store.get(day, list(keys))
        return {keys[key]: self._opened(day, row) for key, row in found.items()}

    def keep_conflicts(self, day: int, visits: Sequence[Visit]) -> None:
        """Flags second uses and keeps them beside the first: of a visit id at most `CONFLICTS`, of a venue one.

        So no scanner can fill a day with one code, nor use up the places that other venues' scans need.
        """
        waiting = {(visit.visit_id, visit.venue): visit for visit in reversed(visits)}
        while waiting:
            free = [(visit, key) for visit in waiting.values() if (key := self._free_place(day, visit))]
            rows = [self.row(day, replace(visit, flags=CONFLICT), key) for visit, key in free]
            added = self.vault.insert(day, rows) if rows else []
            # Another process took the place meanwhile: look again. That can happen as often as there are places.
            late = [visit for (visit, _), new in zip(free, added, strict=True) if not new]
            waiting = {(visit.visit_id, visit.venue): visit for visit in late}

    def _free_place(self, day: int, visit: Visit) -> bytes | None:
        """The first key that no row has; none where all are taken, or one by this venue."""
        keys = conflict_keys(self.vault, day, visit.visit_id)
        standing = self.vault.store.get(day, keys)
        found = [self._opened(day, row) for row in standing.values()]
        if any(one.venue == visit.venue for one in found if one):
            return None
        return next((key for key in keys if key not in standing), None)

    def _opened(self, day: int, row: Row) -> Visit | None:
        """None for a damaged row, which takes nothing from others: its place is taken, by an unknown scan."""
        try:
            return open_visit(self.vault, day, row)
        except errors.SealBroken:
            return None


def same_scan(one: Visit | None, other: Visit) -> bool:
    """Whether both are uploads of one scan: its random id, at one venue. A damaged one matches none."""
    return one is not None and equal(one.scan_id, other.scan_id) and equal(one.venue, other.venue)


class _GatheredRow(NamedTuple):
    day: int
    row: Row
    answer: asyncio.Future[bool]


class Commits:
    """The one writer of single check-ins in a process: while a commit is on its way to the disk, the next ones gather.

    `checkin.vault.group_commit.GroupCommit` does the same for threads. Here everything but the commit itself happens on
    the loop, without a lock or a wake-up for each row, which saves a fifth of a check-in's CPU (measured).
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._thread: threading.Thread | None = None
        self._writer = self._start()
        self._waiting: list[_GatheredRow] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def insert(self, day: int, row: Row) -> bool:
        """True: the row is on the disk; False: its key was there already. Raises what `Vault.insert` does."""
        if self._closed:
            raise errors.NotReady("The service is stopping: try again in a moment.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(_GatheredRow(day, row, answer))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        return await answer

    def check(self) -> None:
        """A task: checks that the writer answers. One with a dead thread is replaced; raises `NotReady` when there is
        no answer for a minute."""
        if self._closed:
            return
        if self._thread is not None and not self._thread.is_alive():
            ended, self._thread = self._writer, None
            self._writer = self._start()
            ended.shutdown(wait=False, cancel_futures=True)  # its waiters get the cancellation
            log.error("writer_started_anew", writer="commits")
        try:
            self._writer.submit(int).result(PATIENCE_SECONDS)
        except TimeoutError:
            raise errors.NotReady("The disk has not taken what waits for a minute: look at it.") from None

    def close(self) -> None:
        """Waits for the commit that is on its way; what still gathers is never acknowledged. Repeatable."""
        self._closed = True
        self._writer.shutdown()

    def _start(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="commits", initializer=self._remember)

    def _remember(self) -> None:
        self._thread = threading.current_thread()

    async def _write(self) -> None:
        """Until nothing waits. What comes while a commit runs is in the next one."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:ROWS_A_COMMIT], self._waiting[ROWS_A_COMMIT:]
                for day in {waiting.day for waiting in taken}:
                    together = [waiting for waiting in taken if waiting.day == day]
                    rows = [waiting.row for waiting in together]
                    try:
                        added = await loop.run_in_executor(self._writer, self._vault.insert, day, rows)
                    except Exception as error:  # propagated to all waiters
                        _fail(together, error)
                    except BaseException:
                        _fail([*together, *taken], errors.NotReady("The service is stopping: try again in a moment."))
                        raise
                    else:
                        _answer(together, added)
        finally:
            self._writing = None
            left, self._waiting = self._waiting, []
            if left:
                _fail(left, errors.NotReady("The service is stopping: try again in a moment."))


def _answer(together: list[_GatheredRow], added: list[bool]) -> None:
    for waiting, new in zip(together, added, strict=True):
        if not waiting.answer.done():  # the caller may have been cancelled
            waiting.answer.set_result(new)


def _fail(together: list[_GatheredRow], error: Exception) -> None:
    for waiting in together:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


class Metrics:
    """Counters with one label, `code`: a result, or the code of an error; none identifies a venue, a person or a code.

    They are exact and live, so they are shown only to the holder of the token for them: in a small town, one more is
    a person who came just now. Worker processes of one service count together.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        code = ["code"]
        self._check_ins = Counter("checkin_check_ins", "Answers to single check-ins.", code, registry=registry)
        self._entries = Counter("checkin_batch_entries", "Results of queued scans.", code, registry=registry)
        self.alarms = Counter("checkin_bad_queued_signatures", "Queued codes with a bad signature.", registry=registry)
        self._bound: dict[str, Counter] = {}

    def check_in(self, code: str) -> None:
        """One answer to a single check-in."""
        counter = self._bound.get(code)
        if counter is None:  # looking a label up takes longer than counting
            counter = self._bound[code] = self._check_ins.labels(code)
        counter.inc()

    def entry(self, code: str) -> None:
        """One result of a queued scan."""
        self._entries.labels(code).inc()


class CheckInBody(BaseModel):
    """`token`: the code's text without a status; `scan_id`: 16 random bytes in base64url, the same when sent again."""

    token: str = Field(examples=["CK1:…"])
    scan_id: str = Field(pattern="^[A-Za-z0-9_-]{22}$")


class CheckInResult(BaseModel):
    """`accepted` with 201, once it is on the disk; `repeated` with 200 for the same scan sent again."""

    result: str = Field(pattern="^(accepted|repeated)$")


def routes(answering: CheckInRoute) -> APIRouter:
    """/v1/check-ins in the API's description; `answering` answers also what comes this way."""

    class Answered(APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            await (answering if scope["method"] == "POST" else super().handle)(scope, receive, send)

    router = APIRouter(tags=["scanner"], route_class=Answered)
    again: dict[int | str, dict[str, Any]] = {200: {"model": CheckInResult, "description": "The same scan, sent again"}}

    @router.post(
        "/v1/check-ins",
        status_code=201,
        response_model=CheckInResult,
        response_description="Accepted",
        responses=again | problem_answers(*_DOOR),
    )
    def check_in(token: Bearer, body: CheckInBody) -> None:
        """Take one check-in, verified and acknowledged when it is on the disk. Bearer: a scanner."""

    return router
