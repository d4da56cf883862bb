"""What the pages say in Korean is not only there but says what the button does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import checkin

FILES = sorted((Path(checkin.__file__).parent / "web" / "static" / "messages").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_button_that_does_something_is_called_by_the_word_for_thinking_better_of_it(file: Path) -> None:
    """취소 revokes, and cancels: beside "keep it" an operator would take it for the way out."""
    assert "취소" not in json.loads(file.read_text(encoding="utf-8"))["ko"].values()
