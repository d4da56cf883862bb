"""The verifier's party: a scanner, as the command line and the tests use it.

It holds public lists, its token and a sealed queue, and nothing about any person. All checks but the last half of
'already used' run here without a network; uploads repeat safely, because each scan has a random id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter

from checkin.clock import Calendar, Clock
from checkin.errors import (
    AlreadyUsed,
    CheckinError,
    EnrolmentMalformed,
    ServiceError,
    TokenExpired,
    TokenNotYetValid,
    Unreachable,
    WrongDay,
)
from checkin.http.asking import Ask, Keep, Steps, conform, read_json
from checkin.parties.grants import EnrolmentCode
from checkin.parties.scanner_trust import MAX_SKEW_SECONDS, Lists, Trust, ask_lists
from checkin.parties.told_time import ToldTime
from checkin.protocol import presentation
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.intake import Place, Scan, seal_entry
from checkin.protocol.presentation import Presentation
from checkin.protocol.primitives import random_bytes, sha256

BATCH_LIMIT: Final = 1000
BATCH_STEP: Final = 50
OF_TIME: Final = (TokenExpired, TokenNotYetValid, WrongDay)
UNDECIDED: Final = "undecided"
"""The registry's answer to an entry with an issuer key that it does not know yet."""


def read_enrolment(code: str) -> EnrolmentCode:
    """An operator's code, JSON; other members are ignored. Raises `EnrolmentMalformed`."""
    try:
        return conform(EnrolmentCode, read_json(code), EnrolmentMalformed())
    except ServiceError:
        raise EnrolmentMalformed from None


class ScanResult(StrEnum):
    ACCEPTED = "accepted"
    QUEUED = "queued"
    REPEATED = "repeated"


class CheckInAnswer(BaseModel):
    """What POST /v1/check-ins answers to a code that it takes."""

    result: Literal["accepted", "repeated"]


class EntryAnswer(BaseModel):
    """What became of a queued entry; undecided: it cannot be judged yet, and is to be sent again."""

    result: Literal["accepted", "repeated", "conflict", "refused", "undecided"]
    code: str | None = None


class UploadAnswer(BaseModel):
    """What POST /v1/check-ins/batch answers: a result for each entry, in their order."""

    results: list[EntryAnswer]


class ScannerLine(BaseModel):
    """A scanner in its operator's list; `waiting`: visits in it when it last fetched its lists, if it said so."""

    scanner_id: str
    waiting: int | None = None


class OwnScanners(BaseModel):
    """What GET /v1/venues/{id}/scanners answers an operator."""

    scanners: list[ScannerLine]


@dataclass
class Scanner:
    """One scanner of one venue."""

    kind: ClassVar[str] = "a scanner file: it needs venue_id, scanner_id and scanner_token from enrolment"
    venue_id: str
    scanner_id: str
    token: Annotated[str, Field(alias="scanner_token")]
    trust: Trust = field(default_factory=Trust)
    queue: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    """Hash of a visit id → until when its code lives."""
    batch: int = BATCH_LIMIT
    """How many entries are sent at once: half as many after each time without an answer, for the line may be slow."""
    refused: list[dict[str, str]] = field(default_factory=list)
    """Entries that the registry refused, {sealed, code}: each visitor was let in, so a person has to look."""
    told: ToldTime = field(default_factory=ToldTime)
    lists: Lists = field(default_factory=dict)
    """Digest → what it stands for, of the newest answer."""

    @staticmethod
    def of(data: dict[str, Any]) -> Scanner:
        """From what `plain` wrote, or an enrolment's three members."""
        return _FORM.validate_python(data)

    def plain(self) -> dict[str, Any]:
        """What the scanner's file is to hold."""
        content: dict[str, Any] = _FORM.dump_python(self, by_alias=True)
        return content

    def refresh(self, now: float) -> Steps[dict[int, str]]:
        """Fetch the lists; what was passed over, and raises, as `Trust.update`, or what the registry answers."""
        answer, nonce, _ = yield from ask_lists(self.token, len(self.queue), lambda: now, self.lists)
        return (yield from self._take(answer, nonce, now))

    def tend(self, clock: Clock) -> Steps[tuple[dict[int, str], list[dict[str, str]]]]:
        """`refresh` by the registry's time, whatever this machine's is, then `upload`, and what both say. If lists are
        refused the queue is uploaded all the same before that is raised, but only to the registry that was pinned."""
        answer, nonce, asked = yield from ask_lists(self.token, len(self.queue), clock.now, self.lists)
        self.told.tell(self.trust.time_told(answer, nonce), asked, clock)
        try:
            passed = yield from self._take(answer, nonce, self.told.now(clock))
        except CheckinError:
            yield from self.upload()
            raise
        return passed, (yield from self.upload())

    def check(self, text: str, now: float) -> Presentation:
        """All checks of the door that need no network; raises the `TokenError`, or as `Trust.require_time`."""
        self.trust.require_time(now)
        calendar = Calendar(self.trust.zone)
        verified = presentation.verify(text, now, calendar, self.trust.keys_of, self.trust.rule)
        self.seen = {mark: until for mark, until in self.seen.items() if until >= now}
        if _mark(verified) in self.seen:
            raise AlreadyUsed("Already checked in here a moment ago.")
        return verified

    def scan(self, text: str, now: float) -> Steps[ScanResult]:
        """Check a code and record the visit: at the registry, or in the queue when there is no answer.

        Raises the refusal of the door or of the registry; a refused code is never queued.
        """
        verified = self.check(text, now)
        scan = Scan(int(now), random_bytes(16), verified.encoded)
        body = {"token": presentation.to_text(scan.token), "scan_id": b64url_encode(scan.scan_id)}
        try:
            result = ScanResult(conform(CheckInAnswer, (yield Ask("/v1/check-ins", self.token, body))).result)
        except CheckinError as error:
            if not waits(error):
                raise
            result, day = ScanResult.QUEUED, verified.credential.day
            place = Place(bytes.fromhex(self.venue_id), bytes.fromhex(self.scanner_id))
            self.queue.append(b64url_encode(seal_entry(scan, day, place, self.trust.intake_key(day))))
        self.seen[_mark(verified)] = presentation.window(verified, Calendar(self.trust.zone))[1]
        # What is recorded the registry knows, also of a second use.
        yield Keep(self.plain, needed=result is ScanResult.QUEUED)
        return result

    def judge(self, text: str, clock: Clock) -> Steps[ScanResult]:
        """`scan` by the registry's time. A refusal for the time of a code names this machine's clock where that may be
        to blame."""
        try:
            return (yield from self.scan(text, self.told.now(clock)))
        except OF_TIME as error:
            # SPEC scanner.md §5: "a refusal for time MUST name the clock, too"
            if doubt := self.clock_doubt(clock):
                raise type(error)(f"{error.detail} {doubt}") from None
            raise

    def clock_doubt(self, clock: Clock) -> str:
        """What is wrong with this machine's clock, or may be, in a sentence; empty when nothing is."""
        off = self.told.off(clock)
        if abs(off) > MAX_SKEW_SECONDS:
            return f"This machine's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}: set it."
        if not self.told.proved(clock):
            return "Or this machine's clock is wrong: it has not heard its registry since it was started."
        return ""

    def upload(self) -> Steps[list[dict[str, str]]]:
        """Send the queue in batches of up to 1,000. An entry leaves it by the registry's answer to it, a refused one
        for `refused`; an undecided one stays. After `Unreachable` the next call sends half as many at once."""
        results: list[EntryAnswer] = []
        undecided: list[str] = []
        while rest := self.queue[len(undecided) :]:
            batch = rest[: self.batch]
            try:
                answer = _answers((yield Ask("/v1/check-ins/batch", self.token, {"sealed": batch})), batch)
            except Unreachable:
                self.batch = max(1, len(batch) // 2)
                yield Keep(self.plain)
                raise
            results += answer
            for entry, told in zip(batch, answer, strict=True):
                if told.result == UNDECIDED:
                    undecided.append(entry)
                elif told.result == "refused":
                    self.refused.append({"sealed": entry, "code": told.code or "service_error"})
            self.queue = undecided + rest[len(batch) :]
            self.batch = min(BATCH_LIMIT, self.batch + BATCH_STEP)
            yield Keep(self.plain)
        return [told.model_dump(exclude_none=True) for told in results]

    def _take(self, answer: Any, nonce: str, now: float) -> Steps[dict[int, str]]:
        passed = self.trust.update(answer, nonce, now)
        yield Keep(self.plain)
        return passed


_FORM: Final = TypeAdapter(Scanner)


def _answers(content: Any, batch: list[str]) -> list[EntryAnswer]:
    answers = conform(UploadAnswer, content).results
    if len(answers) != len(batch):
        raise Unreachable("What answered did not answer for every entry: the queue is kept.")
    return answers


def waits(error: CheckinError) -> bool:
    """Whether a visit waits in the queue for it: everything but a refusal that the registry itself coded."""
    return error.status >= 500 or error.status == 429


def _mark(verified: Presentation) -> str:
    return b64url_encode(sha256(verified.credential.visit_id)[:12])
