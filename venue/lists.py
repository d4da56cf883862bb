"""What scanners trust: issuers' lists as they signed them, the registry's intake keys, the venue's rule, the time.

Lists are the same for all scanners and change once a day: with digests, a scanner gets them from any cache on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from checkin.audit.list_audit import GivenList, given_lists
from checkin.audit.point import Point, seen
from checkin.clock import STOPWATCH
from checkin.errors import DayDestroyed, Forbidden, KeyDestroyed, KeyMissing, NotFound
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import IntakeKey, IntakeList
from checkin.protocol.signed_time import NONCE
from checkin.purge.purger import Purger
from checkin.service.auth import Bearer, bearer_of
from checkin.service.body import NOT_MODIFIED, IfNoneMatch, answer_unless_known, content_digest
from checkin.service.describe import problem_answers
from checkin.service.identity import ServiceIdentity
from checkin.service.key_list_publisher import KeyListPublisher, LogAnswer
from checkin.service.limits import SecurityHeaders
from venue.gates import Gates
from venue.issuer_trust import IssuerTrust
from venue.scanners import Scanners, VenueScanner
from venue.settings import TrustedIssuer
from venue.venues import Status

INTAKE_DAYS_AHEAD = 14
KIDS = "kids"
CACHED_SECONDS = INTAKE_DAYS_AHEAD * 86_400  # no list is of use for longer
_REMEMBERED_SECONDS: Final = 1.0
_TRUST: Final = "/v1/trust"
_FORMS: Final = {  # as the route below describes them; any other query is left to it
    "nonce": re.compile(NONCE),
    "waiting": re.compile("-1|[0-9]{1,6}"),
    "digests": re.compile("true|false"),
}
_FOREVER = {"Cache-Control": f"public, max-age={CACHED_SECONDS}, immutable"}
_Waiting = Annotated[int, Query(ge=-1, le=1_000_000, description="how many visits wait in the scanner's queue")]
_Digests = Annotated[bool, Query(description="digests of the lists, for `GET /v1/lists/{digest}`, in their place")]
_Digest = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]
_Nonce = Annotated[str | None, Query(pattern=NONCE)]


class RegistryKey(BaseModel):
    """The verifier key of the registry's notes."""

    vkey: str


class IssuerEntry(BaseModel):
    """An issuer: its number, its verifier key as pinned here, its signed list (`checkin/issuer-keys/v1`), and the proof
    (c2sp.org/tlog-proof) that this list is in the log."""

    issuer: Annotated[int, Field(ge=0, le=2**32 - 1)]
    vkey: str
    list: str
    proof: str | None = None


class OwnEntry(BaseModel):
    """What the registry says of itself, as in the whole answer."""

    registry: RegistryKey
    intake: str
    intake_proof: str | None = None
    log: LogAnswer | None = None


class ScannerVenue(BaseModel):
    """The scanner's own venue."""

    id: str
    name: str


class TrustAnswer(BaseModel):
    """`intake` is a signed note, `checkin/intake-keys/v1`, and `intake_proof` says that the log has it; `time_note`, if
    asked for, is `checkin/time/v1`. `log`: the log that the registry pins. What there is none of is left out."""

    registry: RegistryKey
    issuers: list[IssuerEntry]
    intake: str
    intake_proof: str | None = None
    log: LogAnswer | None = None
    status_rule: list[Status]
    venue: ScannerVenue
    zone: str
    time: str
    time_note: str | None = None


class TrustDigests(BaseModel):
    """As the whole answer, but of each issuer's entry, and of what the registry says of itself, the digest: `GET
    /v1/lists/{digest}` has it."""

    issuers: list[str]
    own: str
    status_rule: list[Status]
    venue: ScannerVenue
    zone: str
    time: str
    time_note: str | None = None


def make_keys(party: ServiceIdentity, purger: Purger) -> None:
    """A task: today's and later keys, and those of days that a downtime left out: scanners have queued for them,
    because their intake keys were listed before."""
    purger.make_keys()
    calendar, now = party.calendar, party.now()
    for name in party.ring.names(Purpose.INTAKE):
        if name.day < calendar.day(now) and now < calendar.closes(name.day):
            with suppress(DayDestroyed):  # by officers, and on a ring a node has yet to say so
                purger.make(KeyName(Purpose.DAY, name.day))


def intake_list(party: ServiceIdentity) -> IntakeList:
    """The registry's own list from yesterday, for visitors at the door at midnight, to 14 days ahead; raises
    `KeyMissing`."""
    today, keys = party.today(), {}
    for name in party.ring.names(Purpose.INTAKE):
        if today - 1 <= name.day <= today + INTAKE_DAYS_AHEAD:
            with suppress(KeyMissing, KeyDestroyed):  # destroyed meanwhile; or known to one node of a ring alone
                keys[name.day] = IntakeKey(party.ring.public_key(name))
    if not keys:
        raise KeyMissing("There are no intake keys yet: see /readyz.")
    return IntakeList(party.settings.name, keys, simulated=party.clock.simulated)


class _Same(NamedTuple):
    """What is the same for all scanners, and its digests; `at` a moment of the boot clock, `number` that of changes of
    issuers' lists."""

    issuers: list[IssuerEntry]
    own: OwnEntry
    digests: dict[str, Any]
    at: float
    day: int
    number: int | None


class Lists:
    """Answers /v1/trust."""

    def __init__(
        self,
        party: ServiceIdentity,
        trust: IssuerTrust,
        issuers: tuple[TrustedIssuer, ...],
        publisher: KeyListPublisher[IntakeList],
    ) -> None:
        self._party = party
        self._trust = trust
        self._issuers = issuers
        self._publisher = publisher
        self._same: _Same | None = None

    def read(self) -> _Same:
        """Reads it from the disk, or a ring's nodes; remembered for a second."""
        at, day, number = STOPWATCH.boot(), self._party.today(), self._trust.number
        issuers, own = self._entries(), self._own()
        digests = {"issuers": [_digest(entry) for entry in issuers], "own": _digest(own)}
        self._same = _Same(issuers, own, digests, at, day, number)
        return self._same

    def remembered(self) -> _Same | None:
        """What was read within the last second, unless midnight or an issuer's new list came since. Never waits."""
        same = self._same
        if same is None or (same.day, same.number) != (self._party.today(), self._trust.number):
            return None
        return same if STOPWATCH.boot() - same.at < _REMEMBERED_SECONDS else None

    def answer(
        self, same: _Same, scanner: VenueScanner, nonce: str | None, known: str | None, digests: bool
    ) -> Response:
        """Everything a scanner needs to work without a network until tomorrow, or with `digests` those of what is the
        same for all scanners. `known`: the request's `If-None-Match`."""
        party = self._party
        time, note = party.signed_time(nonce) if nonce else (party.calendar.rfc3339(party.now()), None)
        changing: dict[str, Any] = {  # the venue's own, and the time
            "status_rule": list(scanner.rule),
            "venue": ScannerVenue(id=scanner.place.venue.hex(), name=scanner.name),
            "zone": party.calendar.zone,
            "time": time,
            "time_note": note,
        }
        answer: BaseModel
        if digests:
            answer = TrustDigests(**same.digests, **changing)
        else:
            answer = TrustAnswer(**dict(same.own), issuers=same.issuers, **changing)
        lasting = _written(answer, "time", "time_note")
        return answer_unless_known(_written(answer), lasting, None if nonce else known)

    def content(self, digest: str) -> bytes:
        """What has this digest now; raises `NotFound` for anything else, also for what was given until yesterday."""
        for entry in (self._own(), *self._entries()):
            if _digest(entry) == digest:
                return _written(entry)
        raise NotFound("No list has this digest any more: ask for the digests again.")

    def _entries(self) -> list[IssuerEntry]:
        lists = self._trust.given()
        return [
            IssuerEntry(issuer=issuer.number, vkey=issuer.vkey, list=found.note, proof=found.proof)
            for issuer in self._issuers
            if (found := lists.get(issuer.number))
        ]

    def _own(self) -> OwnEntry:
        intake, vkey = self._publisher.published(), self._party.signer.verifier.vkey
        return OwnEntry(
            registry=RegistryKey(vkey=vkey), intake=intake.note, intake_proof=intake.proof, log=self._publisher.log
        )

    def kids(self) -> Iterator[Point]:
        """No two keys of a day have one kid. Chance does that once in four thousand million times: one was ground."""
        faults = [
            f"issuers {' and '.join(map(str, issuers))} list keys with one kid for {self._party.calendar.date(day)}"
            for day, issuers in self._trust.shared()
        ]
        yield seen(KIDS, self._party.signer.name, faults, "No two issuers list keys with one kid for a day.")

    def logged(self) -> Iterator[Point]:
        """What scanners are given, or should be, is in the log."""
        party, own, lists = self._party, self._publisher.published(), self._trust.lists()
        numbers = [issuer.number for issuer in self._issuers if issuer.number in lists]
        given = [GivenList("its own", own.note, own.proof)]
        given += [GivenList(f"issuer {number}", *lists[number]) for number in numbers]
        return given_lists(party.signer.name, self._publisher.pinned, given, party.ring, party.today())


def _written(answer: BaseModel, *left_out: str) -> bytes:
    return answer.model_dump_json(exclude_none=True, exclude=set(left_out)).encode()


def _digest(answer: BaseModel) -> str:
    return content_digest(_written(answer))


class TrustFirst:
    """GET /v1/trust out of memory, before all that the other routes pass: every scanner fetches it each minute.

    What memory has not, and whatever is to be refused, is left to the route below, which waits for a disk or a ring in
    a thread.
    """

    def __init__(self, app: ASGIApp, *, lists: Lists, scanners: Scanners, gates: Gates) -> None:
        self._app = app
        self._lists = lists
        self._scanners = scanners
        self._gates = gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["path"] == _TRUST and scope["method"] == "GET":
            with suppress(Exception):  # the route below meets it again, and answers with it
                answer = self._answer(scope)
        await (SecurityHeaders(answer) if answer else self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        asked = _asked(scope["query_string"].decode("ascii"))
        scanner = self._scanners.remembered(bearer_of(scope))
        same = self._lists.remembered()
        if asked is None or scanner is None or same is None:
            return None
        known = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"), None)
        answer = self._lists.answer(same, scanner, asked.get("nonce"), known, asked.get("digests") == "true")
        self._gates.hear(scanner.place.scanner, int(asked.get("waiting", -1)))
        return answer


def _asked(query: str) -> dict[str, str] | None:
    """The parameters, each at most once and in its plainest form; None for any other query."""
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    asked = {name: value for name, _, value in pairs}
    plain = all(name in _FORMS and _FORMS[name].fullmatch(value) for name, value in asked.items())
    return asked if plain and len(asked) == len(pairs) else None


def routes(lists: Lists, scanners: Scanners, gates: Gates) -> APIRouter:
    """/v1/trust, and the lists by their digests."""
    router = APIRouter(tags=["scanner"])

    @router.get(
        _TRUST,
        response_model=TrustAnswer | TrustDigests,
        responses=problem_answers(Forbidden, KeyMissing) | NOT_MODIFIED,
    )
    def fetch_trust(
        token: Bearer,
        nonce: _Nonce = None,
        waiting: _Waiting = -1,
        digests: _Digests = False,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Show key lists, intake keys, the venue's rule and the time, signed if a nonce is given. Bearer: a scanner.

        The `ETag` is of all but the time: 304 for who knows the rest, and asks for no signed time.
        """
        scanner = scanners.bearing(token)
        gates.hear(scanner.place.scanner, waiting)
        return lists.answer(lists.read(), scanner, nonce, if_none_match, digests)

    @router.get(
        "/v1/lists/{digest}", response_model=IssuerEntry | OwnEntry, responses=problem_answers(NotFound, KeyMissing)
    )
    def fetch_list(digest: _Digest) -> Response:
        """Show an issuer's list or the registry's own, with its proof, by the SHA-256 of this answer's content, which
        never changes. Anybody may ask: all of it is in the log, and no token is seen."""
        return Response(lists.content(digest), media_type="application/json", headers=_FOREVER)

    return router
