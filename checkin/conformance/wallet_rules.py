"""docs/spec/wallet.md as a conversation with a wallet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from checkin.conformance.counterpart import (
    CALENDAR,
    FALSE_TIMES,
    ISSUER,
    NO_ANSWERS,
    HarnessIssuer,
    HarnessLog,
    answering,
    new_key,
    told_time,
)
from checkin.conformance.judging import Rules, RuleStage, done, reading, refused, require
from checkin.conformance.peer import Answer, Answered, Asked, Program, Reply, always, as_json, problem
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode, Status, StatusOpening, new_opening
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.note import NoteSigner
from checkin.protocol.presentation import Presentation
from checkin.protocol.primitives import check_signing_key

WALLET_TOKEN: Final = "wallet-token-of-the-harness"  # noqa: S105 - good nowhere
REGISTRATION: Final = "registration-of-the-harness"
CONFIRM: Final = f"/v1/registrations/{REGISTRATION}/confirm"
BATCH: Final = 10
NOTICE: Final = {"number": "0a1b2c3d4e5f", "day": "2026-11-18", "authority": "health.example", "purpose": "contacts"}


class WalletStage(RuleStage):
    def __init__(self, peer: Program) -> None:
        super().__init__(peer)
        self.issuer, self.log = HarnessIssuer(), HarnessLog()

    @property
    def day(self) -> int:
        """Today, by the issuer's clock."""
        return CALENDAR.day(self.now)

    def keys(self, note: str | None = None, **proof: Any) -> dict[str, Any]:
        """What GET /v1/keys answers."""
        days = range(self.day, self.day + 15)
        listed = self.log.listed(note or self.issuer.listed(days), self.now, **proof)
        return {"issuer": ISSUER, "keys": [], "log": self.log.pins, **listed}

    def batch(self, asked: Asked) -> dict[str, Any]:
        """What POST /v1/credentials answers."""
        day, mode, keys = self.wish(asked)
        openings = [new_opening(Status.VACCINATED) for _ in keys]
        made = [self.issuer.issue(key, day, opening, mode) for key, opening in zip(keys, openings, strict=True)]
        return {
            "credentials": [b64url_encode(one) for one in made],
            "status_openings": [{"status": int(one.status), "salt": b64url_encode(one.salt)} for one in openings],
            "disclosures": [],
            "time_note": told_time(self.issuer.signer, asked.nonce, self.now),
        }

    def wish(self, asked: Asked) -> tuple[int, Mode, list[bytes]]:
        """Day, mode and holder keys of a request for a batch."""
        body = asked.body
        keys = reading("holder_keys", lambda: [b64url_decode(key, 32) for key in body["holder_keys"]])
        mode = reading("mode", lambda: Mode(body.get("mode", 0)))
        return int(reading("day", lambda: body["day"])), mode, keys

    def answers(self, keys: Answered | None = None, batch: Answer | None = None) -> Answer:
        """The issuer: its keys and its batches, or something else in their place."""
        recovery = "X6JDM-D37JB-8JHJ7-HQD14-WFMQ9"
        return answering(
            {
                "GET /v1/keys": lambda _: keys or as_json(self.keys()),
                "POST /v1/credentials": batch or (lambda asked: as_json(self.batch(asked))),
                "GET /v1/time": lambda asked: as_json({"note": told_time(self.issuer.signer, asked.nonce, self.now)}),
                "POST /v1/registrations": always(as_json({"registration_id": REGISTRATION, "expires_in": 300})),
                f"POST {CONFIRM}": always(as_json({"wallet_token": WALLET_TOKEN, "recovery_code": recovery}, 201)),
            }
        )

    def register(self) -> list[Asked]:
        """Registers an account; the program's requests for it."""
        told = self.peer.tell("pin", issuer=self.issuer.signer.verifier.vkey, log=self.log.pins)
        done(told, "the pinned keys")
        first = self.peer.tell("register", self.answers(), name="Kim Ha-na", phone="010-1234-5678")
        done(first, "a registration")
        second = self.peer.tell("confirm", self.answers(), code="03133742")
        done(second, "the code from the message")
        return [*first.asked, *second.asked]

    def begin(self) -> None:
        self.register()
        done(self.fetch(), "a true batch")

    def fetch(self, answer: Answer | None = None) -> Reply:
        return self.peer.tell("fetch", answer or self.answers())

    def opened(self, what: str = "open", **members: Any) -> Presentation:
        """The code that is shown, verified as a door verifies it; without a network, or the rule is broken."""
        outcome = self.peer.tell(what, **members)
        require(not outcome.asked, f"to {what} the code the network was asked")
        text = done(outcome, f"to {what} the code").get("token")
        keys = IssuerKeys(*(IssuerKey(ISSUER, self.issuer.keys[day].public) for day in (self.day, self.day + 1)))
        return reading("the code that is shown", presentation.verify, str(text), self.now, CALENDAR, lambda _: keys)


RULES: Final = Rules("wallet.md", WalletStage)
rule = RULES


@rule("3.2", "A registration has `name` and `phone`, its confirmation the `code`, and nothing else")
def _(stage: WalletStage) -> None:
    first, second = stage.register()
    require(first.route == "POST /v1/registrations", "a registration is asked for elsewhere")
    require(first.body == {"name": "Kim Ha-na", "phone": "010-1234-5678"}, "a registration has another body")
    require(second.route == f"POST {CONFIRM}", "it is confirmed elsewhere")
    require(second.body == {"code": "03133742"}, "a confirmation has another body")


@rule("4.1", "A batch is asked for with the wallet's token, a fresh nonce, and ten fresh holder keys of prime order")
def _(stage: WalletStage) -> None:
    stage.register()
    seen: set[bytes] = set()
    nonces = set()
    for _ in range(2):
        outcome = stage.fetch()
        done(outcome, "a true batch")
        asked = [one for one in outcome.asked if one.route == "POST /v1/credentials"]
        require(len(asked) == 1, "a batch is not asked for once")
        require(asked[0].token == WALLET_TOKEN, "it is asked for without the wallet's token")
        nonces.add(asked[0].nonce)
        size = len(reading("the nonce", b64url_decode, asked[0].nonce))
        require(size >= 12, "the nonce is too short")
        day, mode, keys = stage.wish(asked[0])
        require((day, mode, len(keys)) == (stage.day, Mode.SCREEN, BATCH), "it is not ten of today")
        for key in keys:
            reading("a holder key", check_signing_key, key)
        require(len(seen | set(keys)) == len(seen) + BATCH, "a holder key came twice")
        seen |= set(keys)
    require(len(nonces) == 2, "a nonce came twice")
    require(stage.state("left") == 2 * BATCH, "two batches are not twenty credentials")


@rule("4.3", "One bad credential refuses the batch: nothing of it is kept")
def _(stage: WalletStage) -> None:
    stage.register()

    def with_last(stage: WalletStage, make: Callable[[bytes, StatusOpening], bytes]) -> Answer:
        def batch(asked: Asked) -> Answered:
            content = stage.batch(asked)
            _, _, keys = stage.wish(asked)
            told = content["status_openings"][-1]
            opening = StatusOpening(Status(told["status"]), b64url_decode(told["salt"]))
            content["credentials"][-1] = b64url_encode(make(keys[-1], opening))
            return as_json(content)

        return stage.answers(batch=batch)

    issuer, day, thief = stage.issuer, stage.day, new_key()
    listed = issuer.keys[day]

    def forged(key: bytes, opening: StatusOpening) -> bytes:
        good = issuer.issue(key, day, opening)
        return good[:-1] + bytes([good[-1] ^ 1])

    cases: dict[str, tuple[Callable[[bytes, StatusOpening], bytes], tuple[str, ...]]] = {
        "an altered signature": (forged, ("bad_signature",)),
        "a key that is not listed": (lambda key, o: issuer.issue(key, day, o, key=thief), ("unknown_issuer_key",)),
        "another opening": (
            lambda key, o: issuer.issue(key, day, StatusOpening(Status.NONE, o.salt)), ("bad_status",)),
        "another holder's key": (lambda _, o: issuer.issue(thief.public, day, o), ("service_error",)),
        "another day": (lambda key, o: issuer.issue(key, day + 1, o, key=listed), ("service_error",)),
        "printed on paper": (lambda key, o: issuer.issue(key, day, o, Mode.PAPER), ("service_error",)),
        "a byte less": (lambda key, o: issuer.issue(key, day, o)[:-1], ("token_malformed", "service_error")),
    }  # fmt: skip
    for what, (make, codes) in cases.items():
        refused(stage.fetch(with_last(stage, make)), what, *codes)
        require(stage.state("left") == 0, f"{what}: something of the batch is kept")

    def nine(asked: Asked) -> Answered:
        content = stage.batch(asked)
        return as_json(content | {"credentials": content["credentials"][:9]})

    refused(stage.fetch(stage.answers(batch=nine)), "nine for ten keys", "service_error", "unreachable")
    require(stage.state("left") == 0, "nine for ten keys: something of the batch is kept")
    done(stage.fetch(), "a true batch after all that")


@rule("4.4", "No answer, 429 and `key_missing` are for later: what is held stays, and the next batch is taken")
def _(stage: WalletStage) -> None:
    stage.begin()
    coded = {code: problem(code, status) for code, status in (("key_missing", 503), ("quota_used", 429))}
    for what, answer in {**coded, **NO_ANSWERS}.items():
        outcome = stage.fetch(stage.answers(batch=always(answer)))
        refused(outcome, what, *((what,) if what in coded else ("unreachable", "service_error")))
        require(stage.state("left") == BATCH, f"{what}: what was held is not there")
    refused(stage.peer.tell("fetch"), "no answer at all", "unreachable")
    done(stage.fetch(), "the next batch")
    require(stage.state("left") == 2 * BATCH, "the next batch is not kept")


@rule("4.5", "An access notice is kept once, however often it comes, until the day it is about is destroyed")
def _(stage: WalletStage) -> None:
    stage.register()
    answer = stage.answers(batch=lambda asked: as_json(stage.batch(asked) | {"disclosures": [NOTICE]}))
    for _ in range(2):
        done(stage.fetch(answer), "a batch with a notice")
    require(stage.state("notices") == 1, "it is not kept once")
    stage.peer.restart()
    require(stage.state("notices") == 1, "a restart forgot it")


@rule("5.1", "Each opening takes a credential that was never shown, also after a restart between the two")
def _(stage: WalletStage) -> None:
    stage.begin()
    visits = [stage.opened().credential.visit_id]
    for _ in range(3):
        stage.peer.restart()
        visits.append(stage.opened().credential.visit_id)
    require(len(set(visits)) == len(visits), "a credential was shown at two openings")
    require(stage.state("left") == BATCH - len(visits), "the credentials that are left are counted wrong")


@rule("5.2", "While open the code is signed anew with the present time, by the same credential, and needs no network")
def _(stage: WalletStage) -> None:
    stage.begin()
    first = stage.opened()
    for _ in range(3):
        stage.peer.time.pass_(15)
        again = stage.opened("renew")
        require(again.credential.visit_id == first.credential.visit_id, "another credential is shown")
        require(abs(again.iat - stage.now) <= 1, "`iat` is not the present time")


@rule("5.3", "A wallet whose clock is off signs by the issuer's time")
def _(stage: WalletStage) -> None:
    for off in (600.0, -1200.0):
        stage.set_ahead(off)
        stage.begin()
        for _ in range(2):
            right = abs(stage.opened().iat - stage.now) <= 2
            require(right, f"with a clock {stage.ahead:.0f} s ahead `iat` is not the issuer's time")
            stage.peer.time.pass_(1800)


@rule("5.5", "The status is shown only where the holder asks for it, for this opening")
def _(stage: WalletStage) -> None:
    stage.begin()
    require(stage.opened().opening is None, "a status is shown that nobody asked for")
    shown = stage.opened(show_status=True).opening
    require(shown is not None and shown.status is Status.VACCINATED, "the status is not shown")
    require(stage.opened().opening is None, "a status is shown at the opening after it")


@rule("6", "A wrong date for a moment deletes nothing; no code of another day is shown")
def _(stage: WalletStage) -> None:
    stage.begin()
    day = 86400.0
    for off in (3 * day, -3 * day):
        stage.peer.time.now += off
        stage.peer.tell("state")
        stage.peer.time.now -= off
        require(stage.state("left") == BATCH, "today's credentials are not there any more")
    stage.opened()


@rule("6", "A list that the pinned log does not have, or another key signed, is refused before a batch is asked for")
def _(stage: WalletStage) -> None:
    stage.begin()
    false, thief = HarnessLog(), NoteSigner(stage.issuer.signer.name, new_key())
    note = stage.issuer.listed(range(stage.day, stage.day + 15), thief)
    good = stage.keys()
    lies: list[tuple[str, str, dict[str, Any]]] = [
        ("no proof", "proof_invalid", good | {"proof": None}),
        ("no log and no proof", "proof_invalid", good | {"proof": None, "log": None}),
        ("a proof of another list", "proof_invalid", stage.keys(of="another list")),
        ("a head that no witness saw", "note_untrusted", stage.keys(witnessed=False)),
        ("another log", "note_untrusted", good | {"log": false.pins, "proof": false.proof(good["list"], stage.now)}),
        ("a list that another key signed", "note_untrusted", stage.keys(note)),
    ]
    for what, code, keys in lies:
        outcome = stage.fetch(stage.answers(keys=as_json(keys)))
        refused(outcome, what, code)
        asked = [one for one in outcome.asked if one.route == "POST /v1/credentials"]
        require(not asked, f"{what}: a batch was asked for all the same")
    require(stage.state("left") == BATCH, "what was held is not there")


@rule("2", "A batch whose signed time is for another nonce, by another key, or of another service is refused whole")
def _(stage: WalletStage) -> None:
    stage.register()
    for what, false_time in FALSE_TIMES.items():

        def batch(asked: Asked, false_time: Callable[[NoteSigner, str, float], str] = false_time) -> Answered:
            note = false_time(stage.issuer.signer, asked.nonce, stage.now)
            return as_json(stage.batch(asked) | {"time_note": note})

        refused(stage.fetch(stage.answers(batch=batch)), what, "note_untrusted")
        require(stage.state("left") == 0, f"{what}: the batch is kept")


@rule("2", "The time is asked for on its own only after `day_not_issued`; then the batch comes for the right day")
def _(stage: WalletStage) -> None:
    stage.register()
    outcome = stage.fetch()
    require(all(asked.route != "GET /v1/time" for asked in outcome.asked), "the time is asked for with no need")
    stage.peer.restart()
    stage.set_ahead(-5 * 86400.0)
    stage.peer.time.steady = 5.0  # the device was started anew, with its clock reset
    days: list[int] = []

    def batch(asked: Asked) -> Answered:
        days.append(stage.wish(asked)[0])
        return as_json(stage.batch(asked)) if days[-1] == stage.day else problem("day_not_issued", 422)

    done(stage.fetch(stage.answers(batch=batch)), "a batch with a clock that is five days behind")
    require(days[-1] == stage.day, "the batch is not for the right day")
    require(abs(stage.opened().iat - stage.now) <= 2, "`iat` is not the issuer's time")
