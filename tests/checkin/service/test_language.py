"""A page comes in the reader's language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.service.pwa import LANGUAGES, choose_language


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        (None, "ko", "ko"),
        (None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, "en;q=0.5,ko", "ko"),
        (None, "ko;q=0", "en"),
        (None, "fr, de", "en"),
        (None, "", "en"),
        ("ko", "en", "ko"),
        ("en", "ko", "en"),
        ("xx", "ko", "ko"),
    ],
)
def test_the_link_goes_before_the_browser_and_english_comes_last(
    wanted: str | None, header: str, language: str
) -> None:
    """The rules in order."""
    assert choose_language(wanted, header) == language


@given(st.text(max_size=200))
def test_no_header_breaks_a_page(header: str) -> None:
    """Whatever a browser sends."""
    assert choose_language(None, header) in LANGUAGES
