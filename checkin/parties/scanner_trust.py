"""What a scanner verifies with, kept over restarts: pinned verifier keys, the log, and the keys of the days around now.

The first key seen for a day is final: what is kept are the merged keys, not the newest lists, so that no older or
shorter list makes room for another key. Lists are named by digest (GET /v1/trust), and each is fetched once, without a
token, from any cache on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from checkin.clock import CLOSING_DAYS, Calendar
from checkin.errors import (
    CheckinError,
    ClockWrong,
    NoteUntrusted,
    ScannerStale,
    ServiceError,
    SettingsInvalid,
    Unreachable,
)
from checkin.http.asking import Ask, Steps, conform, read_json
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.key_list import HORIZON_DAYS, IntakeKey, IntakeList, IssuerList, ListedKey, merge
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.primitives import random_bytes, sha256
from checkin.protocol.signed_time import read_time
from checkin.tlog.proof import PinnedLog

STALE_SECONDS: Final = 24 * 3600
MAX_SKEW_SECONDS: Final = 10  # a scanner further from its registry's time refuses good codes and admits old ones
CUT_SECONDS: Final = 0.5  # which the registry's time, cut to the second, lacks on average
_OTHER_FORM: Final = "The registry's lists do not have the documented form."
_ROUNDS: Final = 3
_Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Lists = dict[str, Any]
"""Digest → what it stands for."""
Keys = dict[int, str]
"""Day → public key, base64url."""
Model = TypeVar("Model", bound=BaseModel)
Key = TypeVar("Key", ListedKey, IntakeKey)


class _Vkey(BaseModel):
    vkey: str


class _ToldIssuer(BaseModel):
    issuer: int
    vkey: str
    list: str
    proof: str | None = None


class _WithTime(BaseModel):
    """An answer to GET /v1/trust?nonce=… as far as its signed time goes; nothing of it is verified."""

    registry: _Vkey
    time_note: str


class _TrustAnswer(_WithTime):
    """The same, as far as a scanner reads it."""

    issuers: list[_ToldIssuer]
    intake: str
    intake_proof: str | None = None
    log: Any = None
    status_rule: list[int]
    zone: str


@dataclass
class Trust:
    """Days and issuers are numbers, keys base64url, `time` unix seconds by this scanner's clock."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")
    registry_vkey: str = ""
    issuer_vkeys: dict[int, str] = field(default_factory=dict)
    issuer_keys: dict[int, Keys] = field(default_factory=dict)
    intake_keys: Keys = field(default_factory=dict)
    log: dict[str, Any] | None = None
    """The log that lists must be in, as `PinnedLog.plain` writes it: given by hand, or the first one that the registry
    named."""
    rule: list[int] = field(default_factory=list)
    zone: str = "Asia/Seoul"
    time: float = 0.0

    def update(self, answer: Any, nonce: str, now: float) -> dict[int, str]:
        """Take over an answer of GET /v1/trust?nonce=…, whole or not at all, but for single issuers' lists.

        Issuer → code of the refusal, for each list that was passed over: it stops no other's, and what was known of it
        stays. If none could be taken the answer is refused with the first code.
        Raises `NoteUntrusted`, `NoteMalformed`, `ProofInvalid` for a list that the pinned log does not show,
        `ListRefused`, `ClockWrong`, or `ServiceError` for an answer of another form.
        """
        told = _read(_TrustAnswer, answer)
        # Keys once seen stay pinned: a registry that is taken over cannot put others in their place.
        registry = NoteVerifier.parse(self.registry_vkey or told.registry.vkey)
        # SPEC scanner.md §4: "The time note opens under the pinned registry key"
        if abs(read_time(told.time_note, registry, nonce) + CUT_SECONDS - now) > MAX_SKEW_SECONDS:
            raise ClockWrong
        today = _calendar(told.zone).day(now)
        log = PinnedLog.read(pins) if (pins := self.log or told.log) else None
        intake = IntakeList.read(open_note(_logged(told.intake, log, told.intake_proof), [registry]).text)
        known = {day: IntakeKey(b64url_decode(key, 32)) for day, key in self.intake_keys.items()}
        intake_keys = _merged(known, intake.keys, today)
        issuers = {item.issuer: item for item in told.issuers if item.list}
        vkeys = {issuer: item.vkey for issuer, item in issuers.items()} | self.issuer_vkeys
        taken: dict[int, Keys] = {}
        refused: dict[int, CheckinError] = {}
        for issuer, item in issuers.items():
            try:
                note, verifier = _logged(item.list, log, item.proof), NoteVerifier.parse(vkeys[issuer])
                taken[issuer] = _merged_issuer(self.issuer_keys.get(issuer, {}), note, issuer, verifier, today)
            except CheckinError as error:
                refused[issuer] = error
        if refused and not taken:
            raise next(iter(refused.values()))
        self.registry_vkey = registry.vkey
        self.issuer_vkeys = {issuer: vkeys[issuer] for issuer in self.issuer_vkeys | taken}
        self.issuer_keys, self.intake_keys = self.issuer_keys | taken, intake_keys
        self.log = log.plain() if log else None
        self.rule, self.zone, self.time = told.status_rule, told.zone, now
        return {issuer: error.code for issuer, error in refused.items()}

    def time_told(self, answer: Any, nonce: str) -> float:
        """The registry's time, unix seconds: its signer is the registry that is pinned, or will be. Raises
        `NoteMalformed`, `NoteUntrusted`, and `ServiceError` for an answer of another form."""
        told = _read(_WithTime, answer)
        return read_time(told.time_note, NoteVerifier.parse(self.registry_vkey or told.registry.vkey), nonce)

    def require_time(self, now: float) -> None:
        """Raises `ScannerStale` without the registry's time for 24 hours, `ClockWrong` before the last time told."""
        if now < self.time - MAX_SKEW_SECONDS:
            raise ClockWrong
        # SPEC scanner.md §5: "More than 24 hours since the registry's time was heard"
        if now - self.time > STALE_SECONDS:
            raise ScannerStale

    def keys_of(self, day: int) -> IssuerKeys:
        """All issuers' keys of a day."""
        listed = ((issuer, keys[day]) for issuer, keys in self.issuer_keys.items() if day in keys)
        return IssuerKeys(*(IssuerKey(issuer, b64url_decode(key, 32)) for issuer, key in listed))

    def intake_key(self, day: int) -> bytes:
        """What queued scans of a day are sealed to, 32 bytes; raises `ScannerStale` when none was heard of."""
        try:
            return b64url_decode(self.intake_keys[day], 32)
        except KeyError:
            raise ScannerStale("There is no intake key for this day: connect the scanner once.") from None


def _read(model: type[Model], answer: Any) -> Model:
    return conform(model, answer, ServiceError(_OTHER_FORM))


def _calendar(zone: str) -> Calendar:
    try:
        return Calendar(zone)
    except SettingsInvalid:
        raise ServiceError(_OTHER_FORM) from None


def _logged(note: str, log: PinnedLog | None, proof: Any) -> str:
    """The note; where a log is pinned, only if it is in it."""
    if log:
        # SPEC keys.md §5.2: "Who has pinned a log MUST refuse a list without a valid proof as a whole"
        log.require(note, proof)
    return note


def _merged_issuer(known: Keys, note: str, issuer: int, verifier: NoteVerifier, today: int) -> Keys:
    listed = IssuerList.read(open_note(note, [verifier]).text)
    if listed.owner != issuer:
        raise NoteUntrusted("A list names another issuer than the one it was given for.")
    before = {day: ListedKey.of(issuer, b64url_decode(key, 32)) for day, key in known.items()}
    return _merged(before, listed.keys, today)


def _merged(known: dict[int, Key], listed: Mapping[int, Key], today: int) -> Keys:
    """Days that can still be uploaded, and those to come, as far as they are near."""
    near = {day: key for day, key in listed.items() if day <= today + HORIZON_DAYS}
    keys = known | merge(known, near)
    return {day: b64url_encode(key.public) for day, key in keys.items() if day >= today - CLOSING_DAYS}


class _Digests(BaseModel):
    own: _Digest
    issuers: list[_Digest]


def ask_lists(token: str, waiting: int, now: Callable[[], float], lists: Lists) -> Steps[tuple[Any, str, float]]:
    """The registry's answer, with nonce and time of its request; so many visits wait here. `lists`, what is known,
    becomes what the answer needs.

    Where some had to be fetched it is queried once more, so that fetching does not count as the time that the answer
    took. Where a cache on the way has not what the registry named, or the registry knows no digests, the lists are
    requested themselves.
    """
    cached = True
    for left in reversed(range(_ROUNDS)):
        nonce, asked = b64url_encode(random_bytes(16)), now()
        query = {"digests": "true"} if cached and left else {}
        answer = yield Ask(f"/v1/trust?{urlencode({**query, 'nonce': nonce, 'waiting': waiting})}", token)
        try:
            digests = _Digests.model_validate(answer, strict=True)
        except ValidationError:
            return answer, nonce, asked
        wanted = [digests.own, *digests.issuers]
        for digest in lists.keys() - set(wanted):
            del lists[digest]
        missing = [digest for digest in wanted if digest not in lists]
        if missing:
            cached = yield from _fetch(missing, lists)
        else:
            issuers = [lists[digest] for digest in digests.issuers]
            return {**answer, **lists[digests.own], "issuers": issuers}, nonce, asked
    raise Unreachable("The registry answered with digests where it was asked for lists.")


def _fetch(missing: list[str], lists: Lists) -> Steps[bool]:
    """Whether all that was missing is known now."""
    try:
        for digest in missing:
            # SPEC registry.md §4: "it needs no token, and MUST be asked for without one"
            lists[digest] = _content((yield Ask(f"/v1/lists/{digest}", raw=True)), digest)
    except CheckinError:
        return False
    return True


def _content(data: bytes, digest: str) -> Any:
    # SPEC registry.md §4: "who gets other content MUST refuse it"
    content = read_json(data) if b64url_encode(sha256(data)) == digest else None
    if not isinstance(content, dict):
        raise Unreachable("What answered has not the list that was asked for.")
    return content
