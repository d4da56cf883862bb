"""Waiting for the state that a test's next step needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import httpx

PATIENCE: Final = 300.0
"""Seconds; on a machine with nothing else to do no state takes a tenth of them."""
T = TypeVar("T")


def until(condition: Callable[[], T | None]) -> T:
    """What the condition says once it holds."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


def answers(url: str) -> bool:
    """Whether somebody does there, with 200."""
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=PATIENCE, trust_env=False).status_code == 200
    return False
