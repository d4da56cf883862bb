"""What all tests share: a way to say what a machine lacks, and Hypothesis' settings."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

Needs = Callable[[str, object, str], None]
_MISSING: dict[str, str] = {}

# On CI the same examples each time: a landing is judged by its change. New ones are looked for everywhere else.
settings.register_profile(
    "checkin", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("checkin")


@pytest.fixture
def needs() -> Needs:
    """`needs(feature, present, install)`: on CI a missing feature is a failure; elsewhere the test is left out,
    and the run ends with a table of what could not run and what to install for it."""

    def check(feature: str, present: object, install: str) -> None:
        if present:
            return
        if os.environ.get("CI"):
            pytest.fail(f"{feature} is missing: {install}")
        _MISSING[feature] = install
        pytest.skip(f"{feature} is missing")

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table at the end of a run."""
    terminalreporter.section("what could not run here", sep="-")
    if not _MISSING:
        terminalreporter.write_line("nothing: everything ran")
    width = max(map(len, _MISSING), default=0)
    for feature, install in sorted(_MISSING.items()):
        terminalreporter.write_line(f"{feature:{width}}  {install}")
