"""docs/reliability.md names commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", PAGE))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_row_has_a_figure_and_a_command() -> None:
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 14
    for what, goal, reached, command in rows:
        assert "`" in command and re.search(r"\d|see ", reached), what
        assert goal.strip(), what
