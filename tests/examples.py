"""How many examples Hypothesis tries, and whether their seeds are fixed: always, but in `pytest -m explore` and with
`--hypothesis-seed`."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

EXPLORE: Final = "explore"
USUAL: Final = 100  # Hypothesis' own number
TIMES: Final = 20  # so many more examples of everything while exploring


def choose_profile(config: pytest.Config) -> None:
    """Before any test is imported. A run is judged by its change alone, so it tries the same examples each time."""
    exploring = is_exploring(config)
    settings.register_profile(
        "checkin",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=not exploring and config.getoption("--hypothesis-seed", default=None) is None,
        max_examples=USUAL * TIMES if exploring else USUAL,
        print_blob=True,
    )
    settings.load_profile("checkin")


def is_exploring(config: pytest.Config) -> bool:
    """Whether the run was asked for with `-m explore`."""
    return bool(re.search(rf"(?<!not )\b{EXPLORE}\b", config.getoption("markexpr") or ""))


def mark(items: list[pytest.Item]) -> int:
    """Give every property and model the mark; how many there are."""
    found = [item for item in items if getattr(getattr(item, "obj", None), "is_hypothesis_test", False)]
    for item in found:
        item.add_marker(EXPLORE)
    return len(found)


def examples(count: int, **options: Any) -> settings:
    """Settings of a test that needs fewer or more examples than usual; while exploring, as many times as many."""
    return settings(max_examples=count * settings().max_examples // USUAL, **options)
