"""The page of an executed order, which an officer prints: in English and Korean."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from checkin.cli.order import _summary
from checkin.orders.order import Order
from checkin.orders.part import BATCHES, STEPS
from checkin.tracing.trace_result import AskedStep, PatientVisit, TracedContact, TraceResult

COMMON = {
    "authority": "health.example", "order": "00" * 8, "case": "2026-17", "purpose": "measles", "basis": "Act",
    "made": "2026-11-20T12:00+09:00", "expires": "2026-11-23T12:00+09:00", "clock": "simulated",
}  # fmt: skip
PERSON = COMMON | {"kind": "person", "phone": "+821012345678", "days": "2026-11-20 2026-11-20"}
VENUE = COMMON | {"kind": "venue", "venue": "00" * 8, "from": "2026-11-20T11:00+09:00", "to": "2026-11-20T12:00+09:00"}


def page(values: dict[str, str], *, found: bool) -> str:
    """With all that can be on it, or with nobody found."""
    people = [TracedContact("김지우", "+821087654321", "Café", "2026-11-20", "12:08", "8", "1", "230d7a19f394")] * found
    asked = [AskedStep("issuer.example", step.told, step.untold, 1, int(found)) for step in STEPS.values()]
    places = [PatientVisit("Café", "2026-11-20T12:00+09:00")] * found
    order = cast(Order, SimpleNamespace(values=values))
    return TraceResult(order, people, places, asked, 1, 1, ["2026-11-19"]).html()


def test_every_sentence_stands_there_in_korean_too() -> None:
    """Also what each party was asked: a new step has to be given its words, or the page has an empty one."""
    for values in (PERSON, VENUE):
        for found in (True, False):
            text = page(values, found=found)
            assert all(words.strip() for words in re.findall(r'<span lang="ko">(.*?)</span>', text, re.DOTALL))
            sentences = re.findall(r'<(?:h[12]|dt|th scope="col"|p)\b[^>]*>(.*?)</(?:h[12]|dt|th|p)>', text, re.DOTALL)
            assert sentences and all('lang="ko"' in words for words in sentences)


def test_an_issuer_that_has_nothing_under_the_number_is_named() -> None:
    """Nobody found is another thing where nobody was asked about: the number may be wrong, or registered elsewhere."""
    assert "issuer.example has no batches under this number" in page(PERSON, found=False)
    assert "no batches" not in page(PERSON, found=True)
    asked = [AskedStep(f"{number}.example", STEPS[BATCHES].told, "", 0, number) for number in range(2)]
    order = cast(Order, SimpleNamespace(values=PERSON, kind="person"))
    assert "\n0.example has no batches under the number" in _summary(
        TraceResult(order, [], [], asked, 0, 0, []), Path("result")
    )


def test_what_is_wider_than_a_phone_scrolls_without_the_sentence_above_it() -> None:
    """A sentence in a table's caption would be as wide as the table, and cut off."""
    text = page(PERSON, found=True)
    assert "<caption" not in text
    assert len(re.findall(r'<div class="screen"[^>]*><table>', text)) == text.count("<table") == 3
