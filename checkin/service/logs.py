"""The log: one line an event. A line that cannot be written is lost, and nothing else: a full disk or a closed
pipe never stops the work that it was about."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Literal

import structlog


class _Lines:
    """structlog's logger: writes to a stream of this process, looked up anew for each line."""

    def __init__(self, stream: Literal["stdout", "stderr"]) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        with suppress(Exception):
            print(message, file=getattr(sys, self._stream), flush=True)

    debug = info = warning = error = critical = msg


def log_to_terminal() -> None:
    """For commands, which report themselves what they did: standard error gets what went wrong."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: _Lines("stderr"),
    )


def log_as_json() -> None:
    """For services: JSON on standard output."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Lines("stdout"),
    )
