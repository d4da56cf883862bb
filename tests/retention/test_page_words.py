"""The public page's sentences: numbers that a lay person reads once."""

from __future__ import annotations

import pytest

from checkin.purge.statement_store import FEWER
from retention.overview import OrderNumbers
from retention.public_page import Words


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [("en", "1 day is held now", "28 days are held now"), ("ko", "지금 하루분을 보관", "지금 28일분을 보관")],
)
def test_one_day_is_no_days(language: str, one: str, many: str) -> None:
    assert one in Words(language).held(1)
    assert many in Words(language).held(28)


def test_who_asked_is_told_in_sentences_and_small_numbers_in_words() -> None:
    """Who may, how often it happened, how many people it was about."""
    few = OrderNumbers(made=FEWER, executed=FEWER, refused=FEWER, people=FEWER, small=FEWER)
    told = Words("en").orders(few)
    assert told.startswith("Only the health authority may ask, and only with an order that several of its officers")
    assert "It has made fewer than ten such orders so far." in told
    assert "No answer was about ten people or more. There were fewer than ten answers about fewer than ten" in told
    told = Words("en").orders(few.model_copy(update={"made": "1234", "people": "250"}))
    assert "It has made 1,234 such orders so far." in told
    assert "In answers about ten people or more, 250 people were named in all." in told
    told = Words("ko").orders(few.model_copy(update={"made": "12", "people": "250"}))
    assert "지금까지 내려진 명령은 12건입니다." in told
    assert "이름이 확인된 사람은 모두 250명입니다." in told
    assert "열 명 미만에 관한 답은 열 건 미만입니다." in told
