"""Text of other parties on its way to a terminal or a log: nothing in it acts, hides, or begins a line of its own.

Escape sequences, C0 and C1 controls, bidirectional overrides, invisible and unassigned characters are spelled out
(`\\x1b`, `\\u202e`). ZWNJ and ZWJ stay: Persian and Indic names need them, and no terminal obeys them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

MOST: Final = 400  # characters of one foreign text
_ACTING: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters and a symbol by their category, yet blank: fillers of Hangul (also the half-wide one), Khmer vowels, Braille.
_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
FORMULA: Final = frozenset("=+-@＝＋－＠")
"""Spreadsheets take a cell that begins with one of these for a formula, wide ones too (OWASP, CSV injection)."""
_HARMLESS: Final = frozenset("\u200c\u200d")
_BREAKS: Final = re.compile(r"[\t\n\r]+")


def shown(text: object, most: int = MOST) -> str:
    """One line of at most `most` characters, whatever `text` is."""
    line = str(text)[: most + 1]
    spelled = lines(_BREAKS.sub(" ", line))
    return spelled if len(line) <= most and len(spelled) <= 4 * most else spelled[: most - 1] + "…"


def is_unseen(char: str) -> bool:
    """Whether it cannot be seen: for names, in which what is shown must be what is there."""
    return char in _BLANK or unicodedata.category(char) in _ACTING


def lines(text: str) -> str:
    """The text with all its lines, and nothing else in it that acts: for text of ours that quotes others."""
    return "".join(char if char == "\n" or _is_harmless(char) else _spelled(char) for char in text)


def as_json(values: Any, indent: int | None = None) -> str:
    """JSON in UTF-8 in which every acting character is escaped; a reader gets the same values."""
    text = json.dumps(values, ensure_ascii=False, indent=indent)
    return "".join(char if char == "\n" or _is_harmless(char) else _escaped(char) for char in text)


def _is_harmless(char: str) -> bool:
    return " " <= char <= "~" or char in _HARMLESS or unicodedata.category(char) not in _ACTING


def _spelled(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
