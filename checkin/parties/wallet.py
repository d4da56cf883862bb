"""The holder's party: a wallet, as the command line and the tests use it.

It makes the holder keys itself (their private halves never leave its file), takes a batch of credentials a day,
uses each for one opening of the code, and checks what it is given: the issuer's signature under a listed key,
its own holder keys, and the openings of the commitments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, ClassVar, Final, Self

from checkin.clock import RETENTION_DAYS, Calendar, Clock
from checkin.errors import DayNotIssued, RequestInvalid, ServiceError, Unauthorized
from checkin.http.asking import Ask, Keep, Steps, conform
from checkin.parties.grants import BegunRegistration, WalletGrant
from checkin.parties.told_time import ToldTime
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode, Status, StatusOpening
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.key_list import IssuerList
from checkin.protocol.note import NoteVerifier, open_note, unverified_text
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.protocol.signed_time import read_time, stated_time
from checkin.shown import shown
from checkin.tlog.proof import PinnedLog

BATCH_SIZE: Final = 10
CODE_DIGITS: Final = 8  # of a one-time code
_GIVEN: Final = {
    "identified": "asked who was at a place you visited on {day}; your name and phone were given",
    "codes": "asked where your codes of {day} were used; they were given, sealed",
}
_OTHER_DAY: Final = "The issuer issues nothing for this machine's day: set this machine's clock."


@dataclass
class Held:
    """A credential with its holder key's seed and its opening."""

    credential: bytes
    seed: bytes
    opening: StatusOpening
    used: bool = False


@dataclass
class Wallet:
    """One account at one issuer."""

    kind: ClassVar[str] = "a wallet file"
    issuer_url: str
    token: str
    held: dict[int, list[Held]] = field(default_factory=dict)
    disclosures: list[dict[str, Any]] = field(default_factory=list)
    log: dict[str, Any] | None = None
    """The log that the issuer's list must be in, as `PinnedLog.plain` writes it: given, or the first that it named."""
    recovery_code: str | None = None
    """Shows, when the phone is registered again without this file, that the account is the same person's."""
    time: ToldTime = field(default_factory=ToldTime)
    """The issuer's time of the last batch that was requested with a clock."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From what `plain` wrote."""
        held = {int(day): [_held(item) for item in items] for day, items in data["held"].items()}
        notices, log, recovery = data["disclosures"], data.get("log"), data.get("recovery_code")
        time = ToldTime(**(data.get("time") or {}))
        return cls(data["issuer_url"], data["token"], held, notices, log, recovery, time)

    def plain(self) -> dict[str, Any]:
        """What the wallet's file is to hold."""
        return {
            "issuer_url": self.issuer_url,
            "token": self.token,
            "recovery_code": self.recovery_code,
            "held": {str(day): [_plain(item) for item in items] for day, items in self.held.items()},
            "disclosures": self.disclosures,
            "log": self.log,
            "time": asdict(self.time) if self.time.boot_id else None,
        }

    def fetch(
        self,
        day: int,
        calendar: Calendar,
        mode: Mode = Mode.SCREEN,
        pinned: NoteVerifier | None = None,
        clock: Clock | None = None,
    ) -> Steps[None]:
        """One more batch for a day. Raises what the issuer answers, or the error of the first bad credential.

        `pinned` is the issuer's statement key; without one the list is taken as it is. The log that the issuer names
        first is pinned for good: from then on a list without its proof is refused (`NoteUntrusted`, `ProofInvalid`).
        With `clock` the machine's time is measured by the signed time in the answer.
        """
        seeds = [random_bytes(32) for _ in range(BATCH_SIZE)]
        holder_keys = [SigningKey(seed).public for seed in seeds]
        nonce = b64url_encode(random_bytes(16))
        listed = self._listed_keys((yield Ask("/v1/keys", self.token)), day, pinned)
        asked = clock.now() if clock else 0.0
        body = {"day": day, "holder_keys": [b64url_encode(key) for key in holder_keys], "mode": int(mode)}
        try:
            answer = yield Ask(f"/v1/credentials?nonce={nonce}", self.token, body)
        except Unauthorized:
            raise Unauthorized("The account of this wallet has ended: register again, in a new file.") from None
        time = _signed_time(answer, "time_note", nonce, pinned)
        if clock and time is not None:
            self.time.tell(time, asked, clock)
        batch = _read_batch(answer, seeds)
        for item, holder_key in zip(batch, holder_keys, strict=True):
            _check(item, holder_key, day, mode, listed)
        self.held.setdefault(day, []).extend(batch)
        # The issuer repeats them with each batch, because an answer may be lost.
        self.disclosures += [one for one in _notices(answer) if one not in self.disclosures]
        if time is not None:  # this machine's may be wrong for a moment, and a deletion is final
            gone = calendar.date(calendar.day(time) - RETENTION_DAYS)
            self.disclosures = [notice for notice in self.disclosures if str(notice.get("day")) > gone]
            self.held = {kept: items for kept, items in self.held.items() if kept >= calendar.day(time)}
        yield Keep(self.plain)

    def _listed_keys(self, answer: Any, day: int, pinned: NoteVerifier | None) -> IssuerKeys:
        try:
            note, proof, told = str(answer["list"]), answer.get("proof"), self.log or answer.get("log")
            log = PinnedLog.read(told) if told else None
        except (KeyError, TypeError, AttributeError):
            raise ServiceError("The issuer's keys do not have the documented form.") from None
        listed = IssuerList.read(open_note(note, [pinned]).text if pinned else unverified_text(note))
        if log:
            # SPEC keys.md §5.2: "Who has pinned a log MUST refuse a list without a valid proof as a whole"
            log.require(note, proof)
            self.log = log.plain()
        return IssuerKeys(*(IssuerKey(listed.owner, key.public) for of, key in listed.keys.items() if of == day))

    def now(self, clock: Clock) -> float:
        """Unix seconds by the issuer's time, as far as it was measured."""
        return self.time.now(clock)

    def open_today(self, calendar: Calendar, clock: Clock) -> Steps[Held]:
        """A credential of today by the issuer's time, of a new batch if none is left. Raises as `fetch_today`."""
        for _ in range(2):  # what the issuer answers may show that today is another day
            if opened := (yield from self.open_code(calendar.day(self.now(clock)))):
                return opened
            yield from self.fetch_today(calendar, clock)
        if opened := (yield from self.open_code(calendar.day(self.now(clock)))):
            return opened
        raise DayNotIssued(_OTHER_DAY)

    def fetch_today(self, calendar: Calendar, clock: Clock, pinned: NoteVerifier | None = None) -> Steps[None]:
        """One more batch for today by the issuer's time. Raises as `fetch`; `DayNotIssued` that names the clock when it
        is wrong and the right time could not be learnt."""
        day = calendar.day(self.now(clock))
        try:
            yield from self.fetch(day, calendar, pinned=pinned, clock=clock)
        except DayNotIssued:
            # The time is fetched on its own in this case alone.
            nonce, asked = b64url_encode(random_bytes(16)), clock.now()
            time = _signed_time((yield Ask(f"/v1/time?nonce={nonce}")), "note", nonce, pinned)
            if time is not None:
                self.time.tell(time, asked, clock)
            today = calendar.day(self.now(clock))
            if today == day:
                raise DayNotIssued(_OTHER_DAY) from None
            yield from self.fetch(today, calendar, pinned=pinned, clock=clock)

    def open_code(self, day: int) -> Steps[Held | None]:
        """A fresh credential for one opening, kept as used before it is given out; None when a batch is needed."""
        for item in self.held.get(day, []):
            if not item.used:
                item.used = True
                yield Keep(self.plain)
                return item
        return None

    def left(self, day: int) -> int:
        """How many unused credentials a day has."""
        return sum(not item.used for item in self.held.get(day, []))


def present(item: Held, now: float, calendar: Calendar, *, show_status: bool = False) -> str:
    """The QR text of an opened code at this moment; on paper the same text all day."""
    credential = credentials.read(item.credential)
    iat = calendar.start(credential.day) if credential.mode is Mode.PAPER else now
    opening = item.opening if show_status else None
    return presentation.to_text(presentation.present(item.credential, SigningKey(item.seed), int(iat), opening))


def register(name: str, phone: str) -> Steps[str]:
    """Request a one-time code by message; the id of the registration."""
    answer = yield Ask("/v1/registrations", body={"name": name, "phone": phone})
    return conform(BegunRegistration, answer).registration_id


def confirm(issuer_url: str, registration: str, code: str, recovery_code: str | None = None) -> Steps[Wallet]:
    """Answer with the code; the new wallet, kept. `RequestInvalid`, which costs no try, for what cannot be a code.

    With the recovery code of an earlier wallet its account goes on; without it, it is closed and another one begins.
    Raises `RecoveryWrong` when it is not this phone's; the one-time code is still good then.
    """
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise RequestInvalid(f"A one-time code has {CODE_DIGITS} digits.")
    body = {"code": code} | ({"recovery_code": recovery_code} if recovery_code else {})
    answer = conform(WalletGrant, (yield Ask(f"/v1/registrations/{registration}/confirm", body=body)))
    wallet = Wallet(issuer_url, answer.wallet_token, recovery_code=answer.recovery_code)
    yield Keep(wallet.plain)
    return wallet


def notice_in_words(notice: Mapping[str, Any]) -> str:
    """Which authority queried a person's record, and what was given, in a sentence or two; what a newer issuer says
    that we do not know is quoted as it is."""
    given = _GIVEN.get(str(notice.get("what")), "asked about your record of {day}")
    what = given.format(day=shown(_said(str(notice.get("day", "?")))))
    return (
        f"The health authority {shown(notice.get('authority', '?'))} {what}. "
        f"Purpose: {shown(notice.get('purpose', '?'))}. If you have questions, "
        f"name case {shown(notice.get('case', '?'))}."
    )


def _said(text: str) -> str:
    """`20 November 2026`, or the text itself if it is no date."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%B} {day.year}"


def _read_batch(answer: Any, seeds: list[bytes]) -> list[Held]:
    try:
        pairs = zip(answer["credentials"], answer["status_openings"], seeds, strict=True)
        return [Held(b64url_decode(credential), seed, _opening(opening)) for credential, opening, seed in pairs]
    except (KeyError, TypeError, ValueError):
        raise ServiceError("The issuer's batch does not have the documented form.") from None


def _notices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    notices = answer.get("disclosures", [])
    if not isinstance(notices, list) or not all(isinstance(notice, dict) for notice in notices):
        raise ServiceError("The issuer's notices do not have the documented form.")
    return notices


def _signed_time(answer: Any, member: str, nonce: str, pinned: NoteVerifier | None) -> float | None:
    """Unix seconds; None where the issuer signs no time. Raises `NoteMalformed`, `NoteUntrusted`."""
    note = answer.get(member) if isinstance(answer, dict) else None
    if note is None:
        return None
    return read_time(str(note), pinned, nonce) if pinned else stated_time(unverified_text(str(note)), nonce)


def _check(item: Held, holder_key: bytes, day: int, mode: Mode, keys: IssuerKeys) -> None:
    credential = credentials.read(item.credential)
    credentials.verify_signature(item.credential, keys)
    credentials.verify_opening(credential, item.opening)
    if (credential.day, credential.mode, credential.holder_key) != (day, mode, holder_key):
        raise ServiceError("The issuer's batch is not the one that was asked for.")


def _plain(item: Held) -> dict[str, Any]:
    return {
        "credential": b64url_encode(item.credential),
        "seed": b64url_encode(item.seed),
        "status": int(item.opening.status),
        "salt": b64url_encode(item.opening.salt),
        "used": item.used,
    }


def _held(data: dict[str, Any]) -> Held:
    credential, seed = b64url_decode(data["credential"]), b64url_decode(data["seed"], 32)
    return Held(credential, seed, _opening(data), bool(data["used"]))


def _opening(data: dict[str, Any]) -> StatusOpening:
    return StatusOpening(Status(data["status"]), b64url_decode(data["salt"], 16))
