"""A wallet page takes no list that is not in the log that it pinned, and no batch that cannot be read; a scanner page
judges nothing by a wrong clock."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from checkin.errors import CheckinError
from checkin.parties.wallet import _read_batch
from checkin.protocol import credential as credentials
from checkin.protocol.note import NoteSigner
from tests.vectors.trustanswers import ISSUER, NOW, OTHER_LOG, THIEF, TODAY, InLog, answer, issuer_list

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


# What comes of one batch of an issuer that answers with this.
BATCH = """async ([keys, batch, vkey, day]) => {
    const { fetchBatch } = await import("/checkin/web/static/js/wallet/batches.js");
    const kept = new Map([["vkey", vkey]]);
    const account = { get: async (name) => kept.get(name), set: async (name, value) => kept.set(name, value) };
    const headers = { "Content-Type": "application/json" };
    globalThis.fetch = async (path) => new Response(JSON.stringify(path === "/v1/keys" ? keys : batch), { headers });
    const clock = { ask: () => 0, measure: () => undefined, plain: null };
    return fetchBatch(account, clock, { day: () => day }, day).then(() => "taken", (error) => error.code);
}"""


def test_a_batch_that_cannot_be_read_is_refused_with_the_command_lines_code(page: Page) -> None:
    """Texts that are no base64url, and statuses that there are not: 257 is 1 where only its last byte is looked at."""
    salt, read = "A" * 22, "A" * 303
    bad = [("not base64url", 0, salt), (read, 0, "A A"), (read, 0, "A" * 21), (read, 4, salt), (read, 257, salt)]
    for credential, status, salts in [*bad, (read, 1.5, salt), (read, -1, salt), ("AAAA", 0, salt)]:
        openings = [{"status": status, "salt": salts}] * 10
        answer = {"credentials": [credential] * 10, "status_openings": openings, "disclosures": []}
        code = page.evaluate(BATCH, [NO_LOG, answer, ISSUER.verifier.vkey, TODAY])
        wanted = "token_malformed" if credential == "AAAA" else "service_error"
        assert code == wanted, (credential, status, salts)
        with pytest.raises(CheckinError) as caught:
            for item in _read_batch(answer, [bytes(32)] * 10):
                credentials.read(item.credential)
        assert caught.value.code == wanted, (credential, status, salts)


# A good answer, then one that shows that the clock is off: what a code is judged by until the next one.
SET_WRONG = """async ([answer, nonce, now, off]) => {
    const { Trust } = await import("/checkin/web/static/js/trust.js");
    const trust = new Trust();
    await trust.update(answer, nonce, now);
    const judged = (at) => { try { trust.requireTime(at); } catch (error) { return error.code; } };
    const before = [judged(now), judged(now + off)];
    const refused = await trust.update(answer, nonce, now + off).catch((error) => error.code);
    return [...before, refused, judged(now + off)];
}"""


def test_a_scanner_page_judges_no_code_by_a_clock_that_was_found_wrong(page: Page) -> None:
    """It names the clock, and says of no good code that it has expired (docs/spec/scanner.md §5)."""
    seen = page.evaluate(SET_WRONG, [answer({TODAY: 0}), "n" * 16, NOW, 3600])
    assert seen == [None, None, "clock_wrong", "clock_wrong"]
