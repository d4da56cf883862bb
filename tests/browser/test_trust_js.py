"""A scanner page believes lists and times only under the keys it pinned, and the first key of a day for ever."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Page

from checkin.clock import Calendar
from checkin.keylist import IntakeKey, IntakeList, IssuerKey, IssuerList, issuer_kid
from checkin.note import NoteSigner, sign_note
from checkin.primitives import OpeningKey, SigningKey
from checkin.signedtime import TIME_STATEMENT
from tests.browser.conftest import Launch

CALENDAR = Calendar()
NOW = float(int(time.time()))
TODAY = CALENDAR.day(NOW)
REGISTRY, ISSUER = NoteSigner("registry.test", SigningKey(b"\x01" * 32)), NoteSigner("a.test", SigningKey(b"\x02" * 32))
THIEF = NoteSigner("registry.test", SigningKey(b"\x03" * 32))
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


def issuer_list(days: dict[int, int], signer: NoteSigner = ISSUER) -> str:
    """A signed list: day → which of several keys."""
    keys = {day: SigningKey(bytes([100 + number]) * 32).public for day, number in days.items()}
    listed = IssuerList(1, {day: IssuerKey(issuer_kid(1, key), key) for day, key in keys.items()})
    return sign_note(listed.text(), signer)


def answer(
    days: dict[int, int], registry: NoteSigner = REGISTRY, issuer: NoteSigner = ISSUER, nonce: str = "n" * 16
) -> dict[str, Any]:
    """What GET /v1/trust says."""
    intake = IntakeList("registry.test", {TODAY: IntakeKey(OpeningKey(b"\x04" * 32).public)}).text()
    stamp = CALENDAR.rfc3339(NOW)
    told = TIME_STATEMENT.write({"service": "registry.test", "nonce": nonce, "time": stamp})
    return {
        "registry": {"vkey": registry.verifier.vkey},
        "issuers": [{"issuer": 1, "vkey": issuer.verifier.vkey, "list": issuer_list(days, issuer)}],
        "intake": sign_note(intake, registry),
        "status_rule": [],
        "venue": {"id": "00" * 8, "name": "Café"},
        "zone": "Asia/Seoul",
        "time": stamp,
        "time_note": sign_note(told, registry),
    }


def told(content: dict[str, Any], nonce: str = "n" * 16, late: float = 0) -> dict[str, Any]:
    """An answer, the question it came for, and how far this device's clock is off."""
    return {"answer": content, "nonce": nonce, "late": late}


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
}


@pytest.fixture
def page(launch: Launch, files: str) -> Page:
    """A page with nothing on it."""
    made = launch().new_page()
    made.goto(f"{files}/tests/js/blank.html")
    return made


def test_a_scanner_pages_trust_only_grows(page: Page) -> None:
    """A registry that was taken over cannot put keys of its own in the place of others."""
    for name, (answers, expected) in CASES.items():
        assert page.evaluate(UPDATE, [answers, NOW]) == expected, name
