"""One check-in, verified at the registry's own time and answered when it is on the disk (docs/spec/registry.md §2).

The busiest route there is. It is a plain ASGI app: FastAPI's parsing and routing would take longer than both
signatures; `venue/described.py` puts it into the API's description. The signatures (78 µs each) are checked on
the event loop: a thread costs more than it gains where every core has a worker process of its own (measured).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send

from checkin.errors import (
    AlreadyUsed,
    CheckinError,
    DayDestroyed,
    InternalError,
    NotReady,
    RequestInvalid,
    StatusDisclosed,
    Unauthorized,
)
from checkin.protocol import presentation
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.intake import SCAN_ID_SIZE
from checkin.protocol.presentation import Presentation
from checkin.purge.clock_guard import ClockGuard
from checkin.service import problems
from checkin.service.identity import ServiceIdentity
from checkin.vault.visit import Visit
from venue.commits import Commits
from venue.gates import Gates
from venue.metrics import Metrics
from venue.scanners import Scanners, VenueScanner
from venue.trust import IssuerTrust
from venue.visits import Visits, same_scan, visit_of

MAX_BODY: Final = 4096  # bytes; a token is 468 characters
_JSON: Final = (b"content-type", b"application/json")
log = structlog.get_logger()


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
        raise RequestInvalid("The body is {token, scan_id}: the code's text, and 16 bytes in base64url.")


class UsedBefore(AlreadyUsed):
    """The code was used; `same_venue` tells whether at the venue that asks."""

    def __init__(self, same_venue: bool) -> None:
        super().__init__("Already checked in here." if same_venue else None)
        self.same_venue = same_venue


class CheckIns:
    """Admits codes, each once."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a check-in touches meets here
        self,
        party: ServiceIdentity,
        guard: ClockGuard,
        trust: IssuerTrust,
        visits: Visits,
        commits: Commits,
        gates: Gates,
    ) -> None:
        self._party = party
        self._guard = guard
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
        # SPEC presentation.md: "a scanner strips it before it queues or uploads"
        if read.opening is not None:
            raise StatusDisclosed
        presentation.reject_outside_window(read, now, self._party.calendar)
        # By the time that never goes back: a clock set back revives no day.
        if read.credential.day < self._guard.floor(self._party.calendar):
            raise DayDestroyed
        return presentation.verify_read(read, self._party.calendar, self._trust.keys_of_day)

    def _second_use(self, day: int, visit: Visit) -> str:
        first = self._visits.standing(day, [visit]).get(visit.visit_id)
        if first is None:
            raise NotReady  # nobody removes a row but the purge, and that takes the whole day
        if same_scan(first, visit):
            return "repeated"
        raise UsedBefore(first.venue == visit.venue)


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
        except UsedBefore as used:
            self._metrics.check_in(used.code)
            await problems.response(used, same_venue=used.same_venue)(scope, receive, send)
        except CheckinError as error:
            self._metrics.check_in(error.code)
            await problems.response(error, scope)(scope, receive, send)
        except Exception as error:
            # Answered here and not let through: a server's traceback could quote what was sent.
            log.error("unexpected_error", type=type(error).__name__)
            self._metrics.check_in(InternalError.code)
            await problems.response(InternalError())(scope, receive, send)
        else:
            self._metrics.check_in(result)
            await _send(send, 201 if result == "accepted" else 200, result)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive) -> str:
        if self._in_flight > self._max_in_flight:
            raise NotReady("Too many check-ins at once: queue this one, or try again in a few seconds.")
        scanner = await self._scanners.at_door(_bearer(scope))
        message = await receive()
        return await self._check_ins.admit(CheckInRequest.read(message.get("body", b"")), scanner)


def _bearer(scope: Scope) -> str:
    """The token of the request; raises `Unauthorized`."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token:
                return str(token)
    raise Unauthorized


async def _send(send: Send, status: int, result: str) -> None:
    body = b'{"result":"%s"}' % result.encode("ascii")
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
