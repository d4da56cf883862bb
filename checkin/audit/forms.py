"""The forms that the data map may declare for a column, each with what tells whether a value has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from checkin.errors import CheckinError
from checkin.protocol.note import split_note
from checkin.tlog.proof import LogProof


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_note(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(split_note(value))
    except CheckinError:
        return False


def _is_proof(value: object) -> bool:
    try:
        return isinstance(value, str) and (not value or bool(LogProof.read(value)))
    except CheckinError:
        return False


def _is_logged(value: object) -> bool:
    return isinstance(value, bytes) and _is_note(value.decode(errors="replace"))


def _between(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _sized(size: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, bytes) and len(value) == size


FORMS: Final[dict[str, Callable[[object], bool]]] = {
    "flag": _between(0, 1),
    "number": _between(0, 2**63 - 1),
    "day": _between(0, 0xFFFF),
    "bucket": _between(0, 24),
    "unix": _between(0, 2**40),
    "sealed": lambda value: isinstance(value, bytes) and (not value or len(value) >= 16),
    **{f"{size} bytes": _sized(size) for size in (4, 8, 12, 16, 32)},
    "id": _matches(r"[0-9a-f]{16}"),
    "sha256": _matches(r"([0-9a-f]{64})?"),
    "base64": _matches(r"[A-Za-z0-9+/_=-]*"),
    "date": _matches(r"(\d{4}-\d{2}-\d{2})?"),
    "key name": _matches(r"([a-z]+-\d{1,10})?"),
    "listed key": _matches(r"([0-9a-f]{8} )?[A-Za-z0-9+/]{43}=( [0-9a-f]{64})?"),
    "code": _matches(r"[a-z_]*"),
    "result": _matches(r"pass|fail|not-run"),
    "slug": _matches(r"[a-z0-9][a-z0-9./:@-]*"),
    "origin": _matches(r"[^\x00-\x1f]{1,1000}"),
    "statuses": _matches(r"\[([1-3](, [1-3])*)?\]"),
    "view": lambda _: True,
    "note": _is_note,
    "proof": _is_proof,
    "entry": _is_logged,
    "words": lambda value: isinstance(value, str),
}
"""What a column may hold. `words` is free text; the map says where there is any."""
