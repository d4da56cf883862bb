"""A page believes lists and times only under the keys it pinned, lists only if they are in the log that it pinned, and
the first key of a day for ever."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from checkin.protocol.note import NoteSigner
from tests.vectors.trustanswers import (
    ISSUER,
    NOW,
    OTHER,
    OTHER_LOG,
    THIEF,
    TODAY,
    InLog,
    answer,
    issuer_list,
    logged,
    told,
)

# Updates in turn; the code of the first that is refused, or the days that are known at the end.
UPDATE = """async ([answers, now]) => {
    const { Trust } = await import("/checkin/web/static/js/trust.js");
    let stored;
    for (const { answer, nonce, late } of answers) {
        const trust = new Trust(stored);  // as after a restart
        try {
            stored = structuredClone(await trust.update(answer, nonce, now + late, now + late));
        } catch (error) {
            return error.code;
        }
    }
    return [...stored.issuers.get(1).keys()].sort();
}"""


def unproved(content: dict[str, Any]) -> dict[str, Any]:
    """The same answer without the issuers' proofs."""
    return content | {"issuers": [item | {"proof": None} for item in content["issuers"]]}


def book_of(content: dict[str, Any], **options: Any) -> InLog:
    """A log that took an answer's lists."""
    return InLog(content["intake"], *(item["list"] for item in content["issuers"]), **options)


FIRST = told(answer({TODAY: 0, TODAY + 1: 0}))
CASES: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "lists grow": ([FIRST, told(answer({TODAY + 1: 0, TODAY + 2: 1}))], [TODAY, TODAY + 1, TODAY + 2]),
    "another key for a day": ([FIRST, told(answer({TODAY: 1}))], "list_refused"),
    "another key after a list without the day": (
        [FIRST, told(answer({TODAY + 1: 0})), told(answer({TODAY: 1, TODAY + 1: 0}))],
        "list_refused",
    ),
    "years ahead are left out": ([told(answer({TODAY: 0, TODAY + 400: 0}))], [TODAY]),
    "another registry's key": ([FIRST, told(answer({TODAY: 0}, registry=THIEF))], "note_untrusted"),
    "another issuer's key": ([FIRST, told(answer({TODAY: 0}, issuer=THIEF))], "note_untrusted"),
    "the answer to another question": ([told(answer({TODAY: 0}), nonce="m" * 16)], "note_untrusted"),
    "ten seconds late": ([told(answer({TODAY: 0}), late=10)], [TODAY]),
    "eleven seconds late": ([told(answer({TODAY: 0}), late=11)], "clock_wrong"),
    "eleven seconds early": ([told(answer({TODAY: 0}), late=-11)], "clock_wrong"),
    "nothing": ([told({})], "service_error"),
    "no issuers": ([told(answer({TODAY: 0}) | {"issuers": None})], "service_error"),
    "no place on earth": ([told(answer({TODAY: 0}) | {"zone": "Nowhere"})], "service_error"),
    "no rule": ([told(answer({TODAY: 0}) | {"status_rule": None})], "service_error"),
}
PLAIN, NEXT = answer({TODAY: 0}), answer({TODAY: 0, TODAY + 1: 0})
PINNED = told(logged(PLAIN))
LOG_CASES: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "in the log": ([PINNED, told(logged(NEXT))], [TODAY, TODAY + 1]),
    "a log later on": ([told(PLAIN), told(logged(NEXT))], [TODAY, TODAY + 1]),
    "no log is told any more, and the proofs are there": ([PINNED, told(logged(NEXT, log=None))], [TODAY, TODAY + 1]),
    "no log is told any more, and no proof": ([PINNED, told(NEXT)], "proof_invalid"),
    "no proof at first sight": ([told(PLAIN | {"log": InLog().pins})], "proof_invalid"),
    "no proof of an issuer's list": ([told(unproved(logged(PLAIN)))], "proof_invalid"),
    "no proof of the intake keys": ([told(logged(PLAIN, intake_proof=None))], "proof_invalid"),
    "the proof of the intake keys for an issuer's list": (
        [PINNED, told(logged(NEXT, book_of(PLAIN), intake_proof=logged(NEXT)["intake_proof"]))],
        "proof_invalid",
    ),
    "a list that is not in it": ([PINNED, told(logged(NEXT, InLog(NEXT["intake"])))], "proof_invalid"),
    "the same statement, signed again with another line": (
        [PINNED, told(logged(NEXT | {"intake": NEXT["intake"] + THIEF.sign("x\n")}, book_of(NEXT)))],
        "proof_invalid",
    ),
    "a proof that is none": ([PINNED, told(logged(NEXT, intake_proof="in the log, honestly"))], "note_malformed"),
    "another log": ([PINNED, told(logged(NEXT, book_of(NEXT, log=OTHER_LOG)))], "note_untrusted"),
    "no witness saw it": ([PINNED, told(logged(NEXT, book_of(NEXT, seen=())))], "note_untrusted"),
    "nothing is said of how many witnesses should see it": (
        [told(logged(NEXT, book_of(NEXT, quorum=None)))],
        "note_malformed",
    ),
    "another witness saw it": ([PINNED, told(logged(NEXT, book_of(NEXT, seen=(OTHER,))))], "note_untrusted"),
    "no witness is needed any more": (
        [PINNED, told(logged(NEXT, book_of(NEXT, seen=(), quorum=0)))],
        "note_untrusted",
    ),
    "no witness was ever needed": ([told(logged(NEXT, book_of(NEXT, seen=(), quorum=0)))], [TODAY, TODAY + 1]),
    "more witnesses needed than there are": ([told(logged(NEXT, book_of(NEXT, quorum=2)))], "note_malformed"),
    "fewer than none": ([told(logged(NEXT, book_of(NEXT, quorum=-1)))], "note_malformed"),
    "a log without a key": ([told(logged(NEXT, log={"witnesses": []}))], "note_malformed"),
    "another key for a day, in the log": ([PINNED, told(logged(answer({TODAY: 1})))], "list_refused"),
}
# After a refusal everything is as it was: another update in turn, and what is known in the end.
UNCHANGED = """async ([first, second, now]) => {
    const { Trust } = await import("/checkin/web/static/js/trust.js");
    const trust = new Trust(first && structuredClone(await new Trust().update(first.answer, first.nonce, now, now)));
    const before = structuredClone(trust.stored);
    const code = await trust.update(second.answer, second.nonce, now, now).then(() => "taken", (error) => error.code);
    const spelled = (stored) => JSON.stringify(stored, (_, value) => value instanceof Map ? [...value] : value);
    return [code, spelled(before) === spelled(trust.stored)];
}"""
# A wallet's account that pins the issuer's key, and asks for batches in turn. "taken": the list was believed, and the
# batch was asked for.
BATCHES = """async ([answers, vkey, day]) => {
    const { fetchBatch } = await import("/checkin/web/static/js/wallet/batches.js");
    const kept = new Map([["vkey", vkey]]);
    const account = { get: async (name) => kept.get(name), set: async (name, value) => kept.set(name, value) };
    const codes = [];
    for (const answer of answers) {
        const asked = [];
        globalThis.fetch = async (path) => {
            asked.push(path);
            const ours = path === "/v1/keys";
            const headers = { "Content-Type": ours ? "application/json" : "application/problem+json" };
            const problem = { type: "urn:checkin:problem:quota_used", code: "quota_used", status: 429 };
            return new Response(JSON.stringify(ours ? answer : problem), { status: ours ? 200 : 429, headers });
        };
        const clock = { ask: () => 0, measure: () => undefined, plain: null };
        const code = await fetchBatch(account, clock, { day: () => day }, day).catch((error) => error.code);
        codes.push(asked.some((path) => path.startsWith("/v1/credentials")) ? "taken" : code);
    }
    return codes;
}"""


def test_a_scanner_pages_trust_only_grows(page: Page) -> None:
    """A registry that was taken over cannot put keys of its own in the place of others."""
    for name, (answers, expected) in CASES.items():
        assert page.evaluate(UPDATE, [answers, NOW]) == expected, name


def test_a_scanner_page_that_pinned_a_log_takes_no_list_that_witnesses_did_not_see_in_it(page: Page) -> None:
    """Whoever has the registry's and an issuer's keys cannot give one scanner a key of its own."""
    for name, (answers, expected) in LOG_CASES.items():
        assert page.evaluate(UPDATE, [answers, NOW]) == expected, name


def test_nothing_of_a_refused_answer_is_taken(page: Page) -> None:
    """Neither keys nor pins: not even a log that somebody names together with lists that are not in it."""
    assert page.evaluate(UNCHANGED, [PINNED, told(logged(NEXT)), NOW]) == ["taken", False]
    for name, (answers, expected) in LOG_CASES.items():
        if isinstance(expected, str):
            first = answers[0] if len(answers) > 1 else None
            assert page.evaluate(UNCHANGED, [first, answers[-1], NOW]) == [expected, True], name


def keys_answer(days: dict[int, int], book: InLog | None = None, signer: NoteSigner = ISSUER) -> dict[str, Any]:
    """What GET /v1/keys of the issuer says, its list proved out of `book` (of one with this very list)."""
    note = issuer_list(days, signer)
    book = book or InLog(note)
    return {"issuer": 1, "keys": [], "list": note, "proof": book.proof(note), "log": book.pins}


GOOD = keys_answer({TODAY: 0})
NO_LOG = GOOD | {"proof": None, "log": None}
UNSEEN, ELSEWHERE = InLog(GOOD["list"], seen=()), InLog(GOOD["list"], log=OTHER_LOG)
WALLET_CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "no log": ([NO_LOG, NO_LOG], ["taken", "taken"]),
    "in the log": ([GOOD, GOOD], ["taken", "taken"]),
    "a log later on": ([NO_LOG, GOOD, NO_LOG], ["taken", "taken", "proof_invalid"]),
    "no proof": ([GOOD | {"proof": None}, NO_LOG], ["proof_invalid", "taken"]),
    "no log is told any more": ([GOOD, GOOD | {"log": None}], ["taken", "taken"]),
    "a list that is not in it": ([GOOD, keys_answer({TODAY: 1}, InLog(GOOD["list"]))], ["taken", "proof_invalid"]),
    "another log": ([GOOD, keys_answer({TODAY: 0}, ELSEWHERE)], ["taken", "note_untrusted"]),
    "no witness saw it": ([GOOD, keys_answer({TODAY: 0}, UNSEEN)], ["taken", "note_untrusted"]),
    "a proof that is none": ([GOOD, GOOD | {"proof": "trust me"}], ["taken", "note_malformed"]),
    "a list in the log that somebody else signed": (
        [GOOD, keys_answer({TODAY: 1}, signer=THIEF)],
        ["taken", "note_untrusted"],
    ),
}


def test_a_wallet_page_that_pinned_a_log_asks_for_no_batch_under_a_list_that_is_not_in_it(page: Page) -> None:
    """An issuer cannot give one visitor a key of its own, to know that visitor by at every door."""
    for name, (answers, expected) in WALLET_CASES.items():
        assert page.evaluate(BATCHES, [answers, ISSUER.verifier.vkey, TODAY]) == expected, name
