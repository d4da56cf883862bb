"""One issuer of several: its bad list is passed over, at a scanner page and at the command line, and no other's."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from checkin.errors import CheckinError
from checkin.parties.scanner_trust import Trust
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from tests.vectors.trustanswers import NOW, THIEF, TODAY, InLog, answer, logged, told

# What is known of each issuer in the end, and whose list was passed over in the last answer.
ISSUERS = """async ([answers, now]) => {
    const { Trust } = await import("/checkin/web/static/js/trust.js");
    const trust = new Trust();
    for (const { answer, nonce } of answers) {
        const code = await trust.update(answer, nonce, now, now).then(() => null, (error) => error.code);
        if (code) return [code, trust.met];
    }
    const known = [...trust.stored.issuers].map(([issuer, keys]) => [issuer, [...keys.keys()].sort()]);
    return [known.sort(), [...trust.stored.issuerVkeys.keys()].sort(), trust.passed, trust.met];
}"""
SECOND = NoteSigner("b.test", SigningKey(b"\x09" * 32))


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
    return content | {"issuers": [*others, last | {"proof": last["proof"] + THIEF.sign("x\n") * 200}]}


TWO, THREE = both({TODAY: 0}, second({TODAY: 0})), both({TODAY: 0, TODAY + 1: 0}, second({TODAY: 0, TODAY + 1: 0}))
GROWN, STAYED = [[1, [TODAY, TODAY + 1]], [2, [TODAY]]], [[1, [TODAY]], [2, [TODAY]]]
ALONE = [[[1, [TODAY]]], [1], [2], True]
ISSUER_CASES: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "all is well": ([told(TWO)], [STAYED, [1, 2], [], True]),
    "another key for a day": (
        [told(TWO), told(both({TODAY: 0, TODAY + 1: 0}, second({TODAY: 1, TODAY + 1: 0})))],
        [GROWN, [1, 2], [2], True],
    ),
    "signed by somebody else": (
        [told(TWO), told(both({TODAY: 0, TODAY + 1: 0}, second({TODAY + 1: 0}, THIEF)))],
        [GROWN, [1, 2], [2], True],
    ),
    "at first sight, and its key is not pinned": ([told(both({TODAY: 0}, second({TODAY: 0}, THIEF)))], ALONE),
    "a list that is another issuer's": (
        [told(both({TODAY: 0}, answer({TODAY: 0})["issuers"][0] | {"issuer": 2}))],
        ALONE,
    ),
    "no proof": ([told(logged(TWO)), told(logged(THREE, InLog(THREE["intake"], THREE["issuers"][0]["list"])))],
                 [GROWN, [1, 2], [2], True]),
    "a proof that is too long": ([told(logged(TWO)), told(padded(logged(THREE)))], [GROWN, [1, 2], [2], True]),
    "it is better the next time": (
        [told(both({TODAY: 0}, second({TODAY: 0}, THIEF))), told(TWO)],
        [STAYED, [1, 2], [], True],
    ),
    "both": ([told(TWO), told(answer({TODAY: 1}) | {"issuers": [second({TODAY: 1})]})], ["list_refused", True]),
    "the intake keys": ([told(logged(TWO)), told(logged(THREE, intake_proof=None))], ["proof_invalid", True]),
    "the time": ([told(TWO), told(TWO, nonce="m" * 16)], ["note_untrusted", False]),
}  # fmt: skip


def test_one_issuers_bad_list_stops_no_other_issuers(page: Page) -> None:
    """One of several cannot close every door of a country; what the registry itself says is whole or nothing."""
    for name, (answers, expected) in ISSUER_CASES.items():
        assert page.evaluate(ISSUERS, [answers, NOW]) == expected, name


@pytest.mark.parametrize("name", ISSUER_CASES)
def test_the_command_line_scanner_judges_issuers_lists_as_a_page_does(name: str) -> None:
    """By the same cases."""
    answers, expected = ISSUER_CASES[name]
    trust = Trust()
    try:
        for content in answers:
            passed = trust.update(content["answer"], content["nonce"], NOW)
    except CheckinError as error:
        assert error.code == expected[0]
    else:
        known = sorted([issuer, sorted(keys)] for issuer, keys in trust.issuer_keys.items())
        assert [known, sorted(trust.issuer_vkeys), list(passed)] == expected[:3]
