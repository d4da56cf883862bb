"""What an officer reads before signing claims no more than was looked at."""

from __future__ import annotations

import re
from pathlib import Path

from checkin.orders.letter import letter
from checkin.orders.order import Order
from checkin.protocol.primitives import sha256

PAGE = (Path(__file__).parents[3] / "docs/spec/order.md").read_text(encoding="utf-8")
TEXT = re.findall(r"```order\n(.*?)```", PAGE, re.S)[0].rpartition("\n\n")[0] + "\n"


def test_a_letter_says_who_can_open_the_answers_only_when_the_keys_were_compared() -> None:
    """Its fingerprint is there either way, to be compared by hand."""
    order = Order.read(TEXT)
    for checked in (True, False):
        words = letter(order, checked=checked)
        assert sha256(order.answer_key).hex()[:16] in words
        assert ("enough officers join their shares" in words) is checked
        assert ("was not compared" in words) is not checked
