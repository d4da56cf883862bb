"""What a scanner makes of answers to GET /v1/trust, for `make.py`: each judged by Python."""

from __future__ import annotations

import json
from typing import Any

from checkin.errors import CheckinError
from checkin.parties.scanner_trust import Trust
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from tests.vectors.material import code_of
from tests.vectors.trustanswers import NOW, OTHER, OTHER_LOG, THIEF, TODAY, InLog, answer, logged, told

SECOND = NoteSigner("b.test", SigningKey(b"\x09" * 32))
Answers = list[dict[str, Any]]
LATER = (-86400, -11, -10, 0, 86400, 86401, 10**8)  # seconds after the registry was heard


def trust_file() -> dict[str, Any]:
    """`trust.json`: `answers` are named once each; a case takes some of them in turn, and is judged by its last."""
    known: dict[str, int] = {}
    cases = []
    for name, told_in_turn in all_cases().items():
        places = [known.setdefault(json.dumps(item["answer"]), len(known)) for item in told_in_turn]
        asked = [
            {"answer": place, "nonce": item["nonce"], "late": item["late"]}
            for place, item in zip(places, told_in_turn, strict=True)
        ]
        cases.append({"name": name, "told": asked, **verdict(told_in_turn)})
    answers = [json.loads(text) for text in known]
    after = [{"late": late, "expected": code_of(heard().require_time, NOW + late)} for late in LATER]
    return {"spec": "docs/spec/scanner.md", "now": int(NOW), "cases": cases, "answers": answers, "after": after}


def heard() -> Trust:
    """What a scanner knows that heard its registry now."""
    trust = Trust()
    trust.update(answer({TODAY: 0}), "n" * 16, NOW)
    return trust


def verdict(told_in_turn: Answers) -> dict[str, Any]:
    """The code of the last answer, whether its time is the registry's, whose lists in it were passed over, and the days
    known in the end."""
    trust = Trust()
    for number, item in enumerate(told_in_turn):
        passed: dict[int, str] = {}
        expected = "ok"
        ours = code_of(trust.time_told, item["answer"], item["nonce"]) == "ok"
        try:
            passed = trust.update(item["answer"], item["nonce"], NOW + item["late"])
        except CheckinError as error:
            if number < len(told_in_turn) - 1:
                raise
            expected = error.code
    return {
        "expected": expected,
        "ours": ours,
        "passed": sorted(passed),
        "issuers": {str(issuer): sorted(keys) for issuer, keys in sorted(trust.issuer_keys.items())},
        "pinned": sorted(trust.issuer_vkeys),
        "intake": sorted(trust.intake_keys),
        "log": trust.log and trust.log["vkey"],
    }


def unproved(content: dict[str, Any]) -> dict[str, Any]:
    """The same answer without the issuers' proofs."""
    return content | {"issuers": [item | {"proof": None} for item in content["issuers"]]}


def book_of(content: dict[str, Any], **options: Any) -> InLog:
    """A log that took an answer's lists."""
    return InLog(content["intake"], *(item["list"] for item in content["issuers"]), **options)


def second(days: dict[int, int], signer: NoteSigner = SECOND) -> dict[str, Any]:
    """Another issuer's part of an answer."""
    keys = {day: SigningKey(bytes([150 + number]) * 32).public for day, number in days.items()}
    listed = IssuerList(2, {day: ListedKey(issuer_kid(2, key), key) for day, key in keys.items()})
    return {"issuer": 2, "vkey": SECOND.verifier.vkey, "list": sign_note(listed.text(), signer)}


def both(days: dict[int, int], other: dict[str, Any]) -> dict[str, Any]:
    """An answer with two issuers."""
    content = answer(days)
    return content | {"issuers": [*content["issuers"], other]}


def padded(content: dict[str, Any]) -> dict[str, Any]:
    """The last issuer's proof is too long to be read."""
    *others, last = content["issuers"]
    return content | {"issuers": [*others, last | {"proof": last["proof"] + THIEF.sign("x\n") * 2500}]}


def all_cases() -> dict[str, Answers]:
    """Name → what is told in turn."""
    return own_cases() | log_cases() | issuer_cases()


def own_cases() -> dict[str, Answers]:
    """Keys that stay, keys that change, and answers of another form."""
    first = told(answer({TODAY: 0, TODAY + 1: 0}))
    return {
        "lists grow": [first, told(answer({TODAY + 1: 0, TODAY + 2: 1}))],
        "another key for a day": [first, told(answer({TODAY: 1}))],
        "another key after a list without the day": [
            first, told(answer({TODAY + 1: 0})), told(answer({TODAY: 1, TODAY + 1: 0})),
        ],
        "years ahead are left out": [told(answer({TODAY: 0, TODAY + 400: 0}))],
        "fifteen days ahead, and sixteen": [told(answer({TODAY: 0, TODAY + 15: 0, TODAY + 16: 0}))],
        "days that take no uploads are left out": [told(answer({TODAY - 5: 0, TODAY - 4: 0, TODAY: 0}))],
        "another registry's key": [first, told(answer({TODAY: 0}, registry=THIEF))],
        "another issuer's key": [first, told(answer({TODAY: 0}, issuer=THIEF))],
        "the answer to another question": [told(answer({TODAY: 0}), nonce="m" * 16)],
        "a clock that is ten seconds ahead, the cut second counted": [told(answer({TODAY: 0}), late=10)],
        "a clock that is further ahead": [first, told(answer({TODAY: 0}), late=11)],
        "a clock that is nine seconds behind": [told(answer({TODAY: 0}), late=-9)],
        "a clock that is further behind": [told(answer({TODAY: 0}), late=-10)],
        "no time": [told(answer({TODAY: 0}) | {"time_note": None})],
        "nothing": [told({})],
        "no issuers": [told(answer({TODAY: 0}) | {"issuers": None})],
        "no intake keys": [told(answer({TODAY: 0}) | {"intake": None})],
        "no place on earth": [told(answer({TODAY: 0}) | {"zone": "Nowhere"})],
        "no rule": [told(answer({TODAY: 0}) | {"status_rule": None})],
    }  # fmt: skip


def log_cases() -> dict[str, Answers]:
    """A log that is pinned, and lists that are or are not in it."""
    plain, later = answer({TODAY: 0}), answer({TODAY: 0, TODAY + 1: 0})
    pinned = told(logged(plain))
    again = later | {"intake": later["intake"] + THIEF.sign("x\n")}
    return {
        "in the log": [pinned, told(logged(later))],
        "a log later on": [told(plain), told(logged(later))],
        "no log is told any more, and the proofs are there": [pinned, told(logged(later, log=None))],
        "no log is told any more, and no proof": [pinned, told(later)],
        "no proof at first sight": [told(plain | {"log": InLog().pins})],
        "no proof of an issuer's list": [told(unproved(logged(plain)))],
        "no proof of the intake keys": [told(logged(plain, intake_proof=None))],
        "the proof of the intake keys for an issuer's list": [
            pinned, told(logged(later, book_of(plain), intake_proof=logged(later)["intake_proof"])),
        ],
        "a list that is not in it": [pinned, told(logged(later, InLog(later["intake"])))],
        "the same statement, signed again with another line": [pinned, told(logged(again, book_of(later)))],
        "a proof that is none": [pinned, told(logged(later, intake_proof="in the log, honestly"))],
        "another log": [pinned, told(logged(later, book_of(later, log=OTHER_LOG)))],
        "no witness saw it": [pinned, told(logged(later, book_of(later, seen=())))],
        "nothing is said of how many witnesses should see it": [told(logged(later, book_of(later, quorum=None)))],
        "another witness saw it": [pinned, told(logged(later, book_of(later, seen=(OTHER,))))],
        "no witness is needed any more": [pinned, told(logged(later, book_of(later, seen=(), quorum=0)))],
        "no witness was ever needed": [told(logged(later, book_of(later, seen=(), quorum=0)))],
        "more witnesses needed than there are": [told(logged(later, book_of(later, quorum=2)))],
        "fewer than none": [told(logged(later, book_of(later, quorum=-1)))],
        "a log without a key": [told(logged(later, log={"witnesses": []}))],
        "another key for a day, in the log": [pinned, told(logged(answer({TODAY: 1})))],
    }  # fmt: skip


def issuer_cases() -> dict[str, Answers]:
    """Two issuers: what is wrong with one stops not the other."""
    two, three = both({TODAY: 0}, second({TODAY: 0})), both({TODAY: 0, TODAY + 1: 0}, second({TODAY: 0, TODAY + 1: 0}))
    changed = both({TODAY: 0, TODAY + 1: 0}, second({TODAY: 1, TODAY + 1: 0}))
    forged = both({TODAY: 0}, second({TODAY: 0}, THIEF))
    listed = three["issuers"][0]["list"]
    return {
        "two issuers": [told(two)],
        "two issuers: another key for a day of one": [told(two), told(changed)],
        "two issuers: one signed by somebody else": [
            told(two), told(both({TODAY: 0, TODAY + 1: 0}, second({TODAY + 1: 0}, THIEF))),
        ],
        "two issuers: a forged one at first sight is not pinned": [told(forged)],
        "two issuers: a forged one at first sight, the true one later": [told(forged), told(two)],
        "two issuers: a list that is the other's": [
            told(both({TODAY: 0}, answer({TODAY: 0})["issuers"][0] | {"issuer": 2})),
        ],
        "two issuers: no proof of one": [told(logged(two)), told(logged(three, InLog(three["intake"], listed)))],
        "two issuers: a proof that is too long": [told(logged(two)), told(padded(logged(three)))],
        "two issuers: both are refused": [told(two), told(answer({TODAY: 1}) | {"issuers": [second({TODAY: 1})]})],
        "two issuers: the intake keys are refused": [told(logged(two)), told(logged(three, intake_proof=None))],
        "two issuers: the answer to another question": [told(two), told(two, nonce="m" * 16)],
    }  # fmt: skip
