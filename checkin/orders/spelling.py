"""Reading the lines of orders' lists and answers: what was read must be spelled as it would be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from checkin.errors import NoteMalformed

U32: Final = 2**32 - 1


class Line(Protocol):
    """What is one line of a note."""

    def line(self) -> str:
        """As it is written."""


L = TypeVar("L", bound=Line)


def reread(line: str, words: int, what: str, build: Callable[..., L]) -> L:
    """What `build` makes of the line's words, the last of which may have spaces; raises `NoteMalformed`, also for
    another spelling than its own `line()`. `what` begins the error's sentence."""
    try:
        read = build(*line.split(" ", words - 1))
    except (ValueError, TypeError, OverflowError):
        raise NoteMalformed(f"{what} is not written as it should be.") from None
    if read.line() != line:
        raise NoteMalformed(f"{what} has another spelling.")
    return read


def from_hex(text: str, size: int) -> bytes:
    """`size` bytes; `ValueError` for another size."""
    raw = bytes.fromhex(text)
    if len(raw) != size:
        raise ValueError("another size")
    return raw
