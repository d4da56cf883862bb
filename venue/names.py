"""Names that operators give: what may end in a spreadsheet must not run there."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

# Spreadsheets take a cell that begins with one of these for a formula, the full-width ones too (OWASP, CSV injection).
_FORMULA: Final = "=+-@＝＋－＠"
# Control, format (bidirectional overrides, zero-width), private, surrogate, unassigned; line and paragraph ends.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Letters and a symbol by their category, yet blank: fillers of Hangul (also the half-wide one), Khmer vowels, Braille.
_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def plain_name(text: str) -> str:
    """The name in normal form NFC; `ValueError` for what looks like a formula, or holds what nobody can see."""
    name = unicodedata.normalize("NFC", text)
    if not name or name != name.strip() or any(_unseen(char) for char in name):
        raise PydanticCustomError("unfit_name", "a name has no spaces at its ends and no invisible characters")
    if name[0] in _FORMULA:
        raise PydanticCustomError("formula_name", "a name does not begin with = + - or @")
    if unicodedata.category(name[0]).startswith("M"):  # a mark with nothing to stand on; some are not drawn at all
        raise PydanticCustomError("unfit_name", "a name does not begin with a mark")
    return name


def _unseen(char: str) -> bool:
    return char in _BLANK or unicodedata.category(char) in _INVISIBLE


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(plain_name)]
