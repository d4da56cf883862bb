"""docs/spec/scanner.md as a conversation with a scanner."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from checkin.conformance.counterpart import (
    CALENDAR,
    FALSE_TIMES,
    NO_ANSWERS,
    NOON,
    SECOND_ISSUER,
    HarnessIssuer,
    HarnessLog,
    HarnessRegistry,
    Visitor,
    answering,
    new_key,
    visitor,
)
from checkin.conformance.judging import Rules, RuleStage, done, reading, refused, require
from checkin.conformance.peer import Answer, Answered, Asked, Program, Reply, always, as_json, problem
from checkin.protocol import presentation
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.note import NoteSigner

AHEAD: Final = 14  # days that lists reach ahead
Change = Callable[[dict[str, Any]], dict[str, Any]]
TRUST: Final = "GET /v1/trust"
CHECK_IN: Final = "POST /v1/check-ins"
ACCEPTED: Final = as_json({"result": "accepted"}, 201)


class ScannerStage(RuleStage):
    def __init__(self, peer: Program) -> None:
        super().__init__(peer)
        self.issuer, self.other = HarnessIssuer(), HarnessIssuer(SECOND_ISSUER, "other.example")
        self.registry = HarnessRegistry([self.issuer, self.other])
        self.day = CALENDAR.day(NOON)
        self.days = range(self.day - 1, self.day + AHEAD + 1)
        self.entries: list[str] = []

    def visitor(self, mode: Mode = Mode.SCREEN) -> Visitor:
        return visitor(self.issuer, self.day, mode)

    def enrol(self) -> Reply:
        return self.peer.tell("enrol", code=json.dumps(self.registry.enrolment))

    def answers(
        self, change: Change | None = None, check_in: Answered = ACCEPTED, batch: Answer | None = None
    ) -> Answer:
        """The registry: its lists as they are or changed, what it says of a check-in, and of a batch."""

        def trust(asked: Asked) -> Answered:
            content = self.registry.trust(asked, self.now, self.days)
            return as_json(change(content) if change else content)

        return answering(
            {
                TRUST: trust,
                CHECK_IN: always(check_in),
                "POST /v1/check-ins/batch": batch or (lambda asked: self.batch(asked, "accepted")),
            }
        )

    def batch(self, asked: Asked, *results: str) -> Answered:
        """The same results again and again; the entries are kept to be looked at."""
        sealed = reading("the body of a batch", lambda: list(asked.body["sealed"]))
        self.entries += sealed
        told = [results[number % len(results)] for number in range(len(sealed))]
        coded = {"refused": {"code": "day_closed"}}
        return as_json({"results": [{"result": one} | coded.get(one, {}) for one in told]})

    def tend(self, answer: Answer | None = None) -> Reply:
        """Fetches the lists, then uploads what waits; by default all is well."""
        return self.peer.tell("tend", answer or self.answers())

    def begin(self) -> None:
        done(self.enrol(), "the operator's code")
        done(self.tend(), "true lists")

    def scan(self, text: str, answer: Answer | None = None) -> Reply:
        """A code at the door; by default the registry takes it."""
        return self.peer.tell("scan", answer or self.answers(), text=text)

    def unanswered(self, text: str) -> Reply:
        return self.peer.tell("scan", text=text)

    def queue(self, count: int) -> None:
        for _ in range(count):
            told = done(self.unanswered(self.visitor().show(self.now)), "a good code without an answer")
            require(told.get("result") == "queued", "a good code without an answer is not `queued`")


RULES: Final = Rules("scanner.md", ScannerStage)
rule = RULES


@rule("3.1", "An operator's code of another form is `enrolment_malformed`; other members are ignored")
def _(stage: ScannerStage) -> None:
    good = stage.registry.enrolment
    bad: dict[str, Any] = {
        "no JSON": "CK1:",
        "no token": json.dumps({key: value for key, value in good.items() if key != "scanner_token"}),
        "an id in capitals": json.dumps(good | {"venue_id": "ABCDEF0123456789"}),
        "a shorter id": json.dumps(good | {"scanner_id": good["scanner_id"][2:]}),
        "a token with a space": json.dumps(good | {"scanner_token": "a " * 20}),
        "a short token": json.dumps(good | {"scanner_token": "a" * 15}),
        "a number for an id": json.dumps(good | {"venue_id": 1}),
        "a list": "[]",
    }
    for what, code in bad.items():
        refused(stage.peer.tell("enrol", code=code), what, "enrolment_malformed")
    done(stage.peer.tell("enrol", code=json.dumps(good | {"later": 1})), "a code with one member more")


@rule("4", "The lists are asked for with the scanner's token and a fresh nonce of 16 bytes")
def _(stage: ScannerStage) -> None:
    done(stage.enrol(), "the operator's code")
    nonces = set()
    for _ in range(3):
        outcome = stage.tend()
        done(outcome, "true lists")
        lists = [asked for asked in outcome.asked if asked.route == TRUST]
        require(len(lists) == 1, "the lists are not asked for once")
        require(lists[0].token == stage.registry.enrolment["scanner_token"], "they are asked for without the token")
        size = len(reading("the nonce", b64url_decode, lists[0].nonce))
        require(size == 16, "the nonce has not 16 bytes")
        nonces.add(lists[0].nonce)
    require(len(nonces) == 3, "a nonce came twice")


def _refuses(stage: ScannerStage, change: Change, what: str, code: str) -> None:
    """The answer is refused, and what was known stays."""
    refused(stage.tend(stage.answers(change)), what, code)
    told = done(stage.scan(stage.visitor().show(stage.now)), f"a good code after {what}")
    require(told.get("result") == "accepted", f"a good code after {what} is not accepted")


@rule("4.1", "A time note for another nonce, of another service or under another key is `note_untrusted`")
def _(stage: ScannerStage) -> None:
    stage.begin()
    for what, false_time in FALSE_TIMES.items():

        def lied(asked: Asked, false_time: Callable[[NoteSigner, str, float], str] = false_time) -> Answered:
            told = stage.registry.trust(asked, stage.now, stage.days)
            return as_json(told | {"time_note": false_time(stage.registry.signer, asked.nonce, stage.now)})

        refused(stage.tend(answering({TRUST: lied})), what, "note_untrusted")
    done(stage.tend(), "true lists after all that")


@rule("4.2", "A registry whose key is not the one that was pinned is `note_untrusted`, also with a true form")
def _(stage: ScannerStage) -> None:
    stage.begin()
    false = HarnessRegistry(stage.registry.issuers)

    answer = answering({TRUST: lambda asked: as_json(false.trust(asked, stage.now, stage.days))})
    refused(stage.tend(answer), "another registry's answer", "note_untrusted")
    stage.peer.restart()
    refused(stage.tend(answer), "another registry's answer after a restart", "note_untrusted")


@rule("4.2", "The first key of a day is final: a list with another one is `list_refused`")
def _(stage: ScannerStage) -> None:
    stage.begin()
    changed = {stage.day: new_key()}

    def other(told: dict[str, Any]) -> dict[str, Any]:
        item = stage.registry.log.listed(stage.issuer.listed(stage.days, keys=changed), stage.now)
        return told | {"issuers": [told["issuers"][0] | item]}

    _refuses(stage, other, "another key for today", "list_refused")
    forged = visitor(stage.issuer, stage.day, key=changed[stage.day])
    refused(stage.scan(forged.show(stage.now)), "a code under the other key", "unknown_issuer_key")
    stage.peer.restart()
    refused(stage.tend(stage.answers(other)), "another key for today after a restart", "list_refused")


@rule("4.2", "A list without a proof that the pinned log has it, seen by its witness, is refused")
def _(stage: ScannerStage) -> None:
    stage.begin()
    log, false = stage.registry.log, HarnessLog()

    def proof(told: dict[str, Any], **how: Any) -> dict[str, Any]:
        return told | {"intake_proof": log.proof(told["intake"], stage.now, **how)}

    def of_another_log(told: dict[str, Any]) -> dict[str, Any]:
        issuers = [item | false.listed(item["list"], stage.now) for item in told["issuers"]]
        return told | {"log": false.pins, "issuers": issuers, "intake_proof": false.proof(told["intake"], stage.now)}

    lies: dict[str, tuple[str, Change]] = {
        "no proof of the intake keys": ("proof_invalid", lambda told: told | {"intake_proof": None}),
        "no log and no proof": ("proof_invalid", lambda told: told | {"log": None, "intake_proof": None}),
        "a proof of another entry": ("proof_invalid", lambda told: proof(told, of="another list")),
        "a head that no witness saw": ("note_untrusted", lambda told: proof(told, witnessed=False)),
        "another log": ("note_untrusted", of_another_log),
    }
    for what, (code, change) in lies.items():
        _refuses(stage, change, what, code)


@rule("4.3", "Days more than 15 ahead are ignored: a key for one is not the first of its day")
def _(stage: ScannerStage) -> None:
    done(stage.enrol(), "the operator's code")
    far, keys = stage.day + 16, new_key()

    def early(told: dict[str, Any]) -> dict[str, Any]:
        item = stage.registry.log.listed(stage.issuer.listed([*stage.days, far], keys={far: keys}), stage.now)
        return told | {"issuers": [told["issuers"][0] | item, *told["issuers"][1:]]}

    done(stage.tend(stage.answers(early)), "a list that reaches 16 days ahead")
    stage.peer.time.pass_(16 * 86400)
    stage.day = far
    stage.days = range(stage.day - 1, stage.day + AHEAD + 1)
    done(stage.tend(), "the true key for that day, once it has come")
    done(stage.scan(stage.visitor().show(stage.now)), "a code under the true key")


@rule("4.4", "An issuer whose list is refused stops no other's; with none left the answer is refused")
def _(stage: ScannerStage) -> None:
    done(stage.enrol(), "the operator's code")

    def one_lies(told: dict[str, Any]) -> dict[str, Any]:
        return told | {"issuers": [told["issuers"][0], told["issuers"][1] | {"proof": None}]}

    def both_lie(told: dict[str, Any]) -> dict[str, Any]:
        return told | {"issuers": [item | {"proof": None} for item in told["issuers"]]}

    done(stage.tend(stage.answers(one_lies)), "one issuer's list without its proof")
    done(stage.scan(stage.visitor().show(stage.now)), "the other's code")
    theirs = visitor(stage.other, stage.day)
    refused(stage.scan(theirs.show(stage.now)), "a code of the one that was refused", "unknown_issuer_key")
    refused(stage.tend(stage.answers(both_lie)), "no list left", "proof_invalid")


@rule("5.1", "24 hours after the registry's time was heard the scanner admits nobody: `scanner_stale`")
def _(stage: ScannerStage) -> None:
    stage.days = range(stage.day - 1, stage.day + 3)
    stage.begin()
    stage.peer.time.pass_(24 * 3600 - 60)
    stage.day += 1
    done(stage.unanswered(stage.visitor().show(stage.now)), "a code a minute before")
    stage.peer.time.pass_(61)
    refused(stage.unanswered(stage.visitor().show(stage.now)), "a code a second after", "scanner_stale")
    stage.peer.restart()
    refused(stage.unanswered(stage.visitor().show(stage.now)), "a code after a restart", "scanner_stale")


@rule("5.2", "A scanner whose clock is off judges by the registry's time, and a refusal for time names the clock")
def _(stage: ScannerStage) -> None:
    stage.set_ahead(600)
    stage.begin()
    done(stage.scan(stage.visitor().show(stage.now)), "a good code, ten minutes ahead")
    old = stage.scan(stage.visitor().show(stage.now - 30))
    refused(old, "a code that has expired", "token_expired")
    require(old.told.get("clock") is True, "the refusal does not name the clock (`clock`: true)")
    stage.set_ahead(-600)  # set right, and nothing was heard since
    done(stage.scan(stage.visitor().show(stage.now)), "a good code after the clock was set right")


@rule("5.3", "A code is judged by the checks of presentation.md §3 in their order: each bad one has its code")
def _(stage: ScannerStage) -> None:
    stage.begin()
    now, one = stage.now, stage.visitor()
    good = one.show(now)
    unknown = visitor(stage.issuer, stage.day, key=new_key())
    tomorrow = visitor(stage.issuer, stage.day + 1)
    stranger = Visitor(one.credential, new_key(), one.opening)
    salted = Visitor(one.credential, one.holder, stage.visitor().opening)
    paper = stage.visitor(Mode.PAPER)
    flipped = bytearray(presentation.from_text(good))
    flipped[200] ^= 1  # inside the issuer's signature
    cases = {
        "another prefix": ("HC1:" + good[4:], "token_malformed"),
        "lower case": (good[:4] + good[4:].lower(), "token_malformed"),
        "cut off": (good[:-3], "token_malformed"),
        "a byte more": (presentation.to_text(presentation.from_text(good) + b"\x00"), "token_malformed"),
        "six seconds early": (one.show(now + 6), "token_not_yet_valid"),
        "twenty-one seconds old": (one.show(now - 21), "token_expired"),
        "tomorrow's credential": (tomorrow.show(now), "wrong_day"),
        "a key that is not listed": (unknown.show(now), "unknown_issuer_key"),
        "expired, of a key that is not listed": (unknown.show(now - 60), "token_expired"),
        "an altered credential": (presentation.to_text(bytes(flipped)), "bad_signature"),
        "another holder's signature": (stranger.show(now), "bad_signature"),
        "a status that does not open": (salted.show(now, status=True), "bad_status"),
        "paper with another iat": (paper.show(now), "wrong_day"),
    }
    for what, (text, code) in cases.items():
        refused(stage.scan(text), what, code)
    done(stage.scan(good), "a good code")
    done(stage.scan(stage.visitor().show(now + 5)), "five seconds early")
    done(stage.scan(stage.visitor().show(now - 20)), "twenty seconds old")
    done(stage.scan(paper.show(CALENDAR.start(stage.day))), "today's paper")
    require(stage.state("waiting") == 0, "a refused code waits in the queue")


@rule("5.3", "A venue's rule: a status that is not accepted, or not shown, is `status_required`")
def _(stage: ScannerStage) -> None:
    stage.registry.rule = [2, 3]
    stage.begin()
    refused(stage.scan(stage.visitor().show(stage.now)), "no status", "status_required")
    refused(stage.scan(stage.visitor().show(stage.now, status=True)), "another status", "status_required")
    stage.registry.rule = [1]
    done(stage.tend(), "another rule")
    done(stage.scan(stage.visitor().show(stage.now, status=True)), "an accepted status")


@rule("5.4", "A code is let in once within its window, also after a restart: `already_used`")
def _(stage: ScannerStage) -> None:
    stage.begin()
    one, other, paper = stage.visitor(), stage.visitor(), stage.visitor(Mode.PAPER)
    done(stage.scan(one.show(stage.now)), "a good code")
    done(stage.unanswered(other.show(stage.now)), "a good code without an answer")
    done(stage.scan(paper.show(CALENDAR.start(stage.day))), "today's paper")
    refused(stage.scan(one.show(stage.now)), "the same code again", "already_used")
    refused(stage.scan(one.show(stage.now + 1)), "the same visit, signed again", "already_used")
    stage.peer.restart()
    refused(stage.unanswered(other.show(stage.now)), "the same code after a restart", "already_used")
    stage.peer.time.pass_(3600)
    refused(stage.scan(paper.show(CALENDAR.start(stage.day))), "the same paper an hour later", "already_used")


@rule("5.5", "A status that was shown goes no further than the door")
def _(stage: ScannerStage) -> None:
    stage.begin()
    one, other = stage.visitor(), stage.visitor()
    outcome = stage.scan(one.show(stage.now, status=True))
    done(outcome, "a code with its status")
    token = reading("what was sent", lambda: presentation.from_text(_sent(outcome)["token"]))
    require(token == presentation.from_text(one.show(stage.now)), "what was sent is not the code without its status")
    done(stage.unanswered(other.show(stage.now, status=True)), "a code with its status, unanswered")
    done(stage.tend(), "the upload")
    scan = reading("the entry", lambda: stage.registry.opened(stage.entries[0]))
    require(scan.token == presentation.from_text(other.show(stage.now)), "the entry is not the code without its status")


def _sent(outcome: Reply) -> dict[str, Any]:
    bodies = [asked.body for asked in outcome.asked if asked.route == CHECK_IN]
    require(len(bodies) == 1 and isinstance(bodies[0], dict), "a check-in is not sent once, as JSON")
    return dict(bodies[0])


@rule("6.1", "A check-in has `token` and `scan_id`, 16 fresh bytes, and the scanner's token")
def _(stage: ScannerStage) -> None:
    stage.begin()
    ids = set()
    for _ in range(3):
        outcome = stage.scan(stage.visitor().show(stage.now))
        require(done(outcome, "a good code").get("result") == "accepted", "a code that was taken is not `accepted`")
        body = _sent(outcome)
        require(set(body) == {"token", "scan_id"}, "a check-in has other members")
        require(len(reading("scan_id", b64url_decode, body["scan_id"])) == 16, "scan_id: 16 bytes")
        tokens = {asked.token for asked in outcome.asked if asked.route == CHECK_IN}
        require(tokens == {stage.registry.enrolment["scanner_token"]}, "a check-in has not the scanner's token")
        ids.add(body["scan_id"])
    require(len(ids) == 3, "a scan_id came twice")


@rule("6.2", "Without an answer the scan is sealed to its day's intake key and queued, with its scan_id and its time")
def _(stage: ScannerStage) -> None:
    stage.set_ahead(120)
    stage.begin()
    one = stage.visitor()
    outcome = stage.unanswered(one.show(stage.now))
    require(done(outcome, "a good code").get("result") == "queued", "it is not `queued`")
    stage.peer.restart()
    require(stage.state("waiting") == 1, "after a restart it waits no more")
    when = stage.now
    stage.peer.time.pass_(300)
    done(stage.tend(), "the upload")
    scan = reading("the entry", lambda: stage.registry.opened(stage.entries[0]))
    require(scan.token == presentation.from_text(one.show(when)), "the entry is another code")
    require(abs(scan.scanned_at - when) <= 2, "its time is not that of the scan by the registry's clock")
    for asked in outcome.asked:
        if asked.route == CHECK_IN:
            sent = reading("scan_id", lambda body: b64url_decode(body["scan_id"]), asked.body)
            require(sent == scan.scan_id, "the entry has another scan_id than the check-in that got no answer")


@rule("6.3", "What is no answer of the registry never says that a visit was recorded")
def _(stage: ScannerStage) -> None:
    stage.begin()
    for number, (what, answer) in enumerate(NO_ANSWERS.items(), 1):
        told = done(stage.scan(stage.visitor().show(stage.now), stage.answers(check_in=answer)), what)
        require(told.get("result") == "queued", f"{what}: is not `queued`")
        require(stage.state("waiting") == number, f"{what}: does not wait in the queue")


@rule("6.4", "A refusal that the registry coded is final; after 429 and 5xx the scan waits in the queue")
def _(stage: ScannerStage) -> None:
    stage.begin()
    for code, status in (("already_used", 409), ("unknown_issuer_key", 422), ("day_closed", 409)):
        answer = stage.answers(check_in=problem(code, status, same_venue=False))
        refused(stage.scan(stage.visitor().show(stage.now), answer), f"the registry's {code}", code)
    require(stage.state("waiting") == 0, "a refused code waits in the queue")
    for code, status in (("not_ready", 503), ("too_many_requests", 429), ("internal_error", 500)):
        answer = stage.answers(check_in=problem(code, status))
        told = done(stage.scan(stage.visitor().show(stage.now), answer), f"the registry's {code}")
        require(told.get("result") == "queued", f"{code}: is not `queued`")


@rule("7.1", "Without an answer to a batch, half as many are sent the next time")
def _(stage: ScannerStage) -> None:
    stage.begin()
    stage.queue(8)
    sizes: list[int] = []

    def count(asked: Asked) -> Answered | None:
        sizes.append(len(reading("the body of a batch", lambda: asked.body["sealed"])))
        return None if len(sizes) < 3 else stage.batch(asked, "accepted")

    for _ in range(2):
        require(stage.tend(stage.answers(batch=count)).refused is not None, "a batch without an answer is no failure")
        require(stage.state("waiting") == 8, "an entry left the queue without an answer")
    done(stage.tend(stage.answers(batch=count)), "a batch with an answer")
    require(sizes[:3] == [8, 4, 2], f"the batches had {sizes[:3]} entries in place of 8, 4, 2")
    require(stage.state("waiting") == 0, "after all were answered some wait")


@rule("7.2", "An entry leaves the queue by the registry's answer to it: `undecided` stays, `refused` is kept aside")
def _(stage: ScannerStage) -> None:
    stage.begin()
    stage.queue(5)
    results = ("accepted", "repeated", "conflict", "undecided", "refused")
    done(stage.tend(stage.answers(batch=lambda asked: stage.batch(asked, *results))), "five answers")
    require(stage.state("waiting") == 1, "of five answers only `undecided` keeps its entry")
    require(stage.state("refused") == 1, "a refused entry is not kept aside")
    stage.peer.restart()
    require((stage.state("waiting"), stage.state("refused")) == (1, 1), "after a restart they are not there")


@rule("7.2", "Answers that are not one an entry, or of another form, take nothing out of the queue")
def _(stage: ScannerStage) -> None:
    stage.begin()
    stage.queue(2)
    lies = {
        "fewer results than entries": as_json({"results": [{"result": "accepted"}]}),
        "a result that there is not": as_json({"results": [{"result": "fine"}, {"result": "fine"}]}),
        **NO_ANSWERS,
    }
    for what, answer in lies.items():
        stage.tend(stage.answers(batch=always(answer)))
        require(stage.state("waiting") == 2, f"{what}: took an entry out of the queue")


@rule("7.4", "After lists that are refused, and after no answer, the next round comes and uploads")
def _(stage: ScannerStage) -> None:
    stage.begin()
    stage.queue(1)
    require(stage.peer.tell("tend").refused is not None, "no answer is no failure")
    refused(stage.tend(stage.answers(lambda told: told | {"intake_proof": None})), "no proof", "proof_invalid")
    done(stage.tend(), "the next round")
    require(stage.state("waiting") == 0, "the next round uploaded nothing")


@rule("2", "No token, visit id or status is kept on the disk")
def _(stage: ScannerStage) -> None:
    stage.begin()
    one, other = stage.visitor(), stage.visitor()
    done(stage.scan(one.show(stage.now, status=True)), "a good code")
    done(stage.unanswered(other.show(stage.now, status=True)), "a good code without an answer")
    stage.peer.restart()
    kept = b"".join(path.read_bytes() for path in stage.peer.folder.rglob("*") if path.is_file())
    secrets = [secret for item in (one, other) for secret in (item.visit_id, item.opening.salt, item.credential)]
    for secret in secrets:
        for spelled in _spellings(secret):
            require(spelled not in kept, "something of a code is on the disk")


def _spellings(secret: bytes) -> list[bytes]:
    """As it is, in hexadecimal, and the part of its base64 that does not depend on what is before it."""
    inner = [base64.b64encode(bytes(shift) + secret)[4 * (shift > 0) :].rstrip(b"=")[:-1] for shift in range(3)]
    urls = [text.replace(b"+", b"-").replace(b"/", b"_") for text in inner]
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *inner, *urls]
