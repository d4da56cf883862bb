"""The page of an executed order, which an officer prints: in English and Korean."""

from __future__ import annotations

import re
from pathlib import Path

from checkin.cli.order import _summary
from checkin.orders.order import Order
from checkin.orders.part import BATCHES, STEPS
from checkin.tracing.trace_result import AskedStep, PatientVisit, TracedContact, TraceResult
from tests.support.orders import person_order, venue_order

PERSON = person_order(20777, 20777)
VENUE = venue_order("00" * 8, 1_795_000_000, 1_795_003_600)


def page(order: Order, *, found: bool) -> str:
    """With all that can be on it, or with nobody found."""
    people = [TracedContact("김지우", "+821087654321", "Café", "2026-11-20", "12:08", "8", "1", "230d7a19f394")] * found
    asked = [AskedStep("issuer.example", step.told, step.untold, 1, int(found)) for step in STEPS.values()]
    places = [PatientVisit("Café", "2026-11-20T12:00+09:00")] * found
    return TraceResult(order, people, places, asked, 1, 1, ["2026-11-19"]).html()


def test_every_sentence_stands_there_in_korean_too() -> None:
    """Also what each party was asked: a new step has to be given its words, or the page has an empty one."""
    for order in (PERSON, VENUE):
        for found in (True, False):
            text = page(order, found=found)
            assert all(words.strip() for words in re.findall(r'<span lang="ko">(.*?)</span>', text, re.DOTALL))
            sentences = re.findall(r'<(?:h[12]|dt|th scope="col"|p)\b[^>]*>(.*?)</(?:h[12]|dt|th|p)>', text, re.DOTALL)
            assert sentences and all('lang="ko"' in words for words in sentences)


def test_an_issuer_that_has_nothing_under_the_number_is_named() -> None:
    """Nobody found is another thing where nobody was asked about: the number may be wrong, or registered elsewhere."""
    assert "issuer.example has no batches under this number" in page(PERSON, found=False)
    assert "no batches" not in page(PERSON, found=True)
    asked = [AskedStep(f"{number}.example", STEPS[BATCHES].told, "", 0, number) for number in range(2)]
    assert "\n0.example has no batches under the number" in _summary(
        TraceResult(PERSON, [], [], asked, 0, 0, []), Path("result")
    )


def test_what_is_wider_than_a_phone_scrolls_without_the_sentence_above_it() -> None:
    """A sentence in a table's caption would be as wide as the table, and cut off."""
    text = page(PERSON, found=True)
    assert "<caption" not in text
    assert len(re.findall(r'<div class="screen"[^>]*><table>', text)) == text.count("<table") == 3
