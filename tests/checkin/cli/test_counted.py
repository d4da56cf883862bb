"""Numbers in sentences."""

from __future__ import annotations

import pytest

from checkin.cli.terminal import counted


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), ("1", "1 row"), ("no", "no rows")]
)
def test_one_is_told_in_the_singular(number: int | str, told: str) -> None:
    """Counts come as numbers, and from signed statements as text."""
    assert counted(number, "row") == told
