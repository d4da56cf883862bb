"""The recovery code: what shows, when a phone is registered again, that it is still the same person's.

A phone number is no identity: telephone companies give numbers to other people. The code is shown to the holder when
an account begins; the issuer keeps its hash, which 125 random bits hide.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from checkin.errors import RecoveryWrong
from checkin.protocol.primitives import Label, random_below, sha256

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LETTERS: Final = 25  # of 5 bits
_GROUP: Final = 5
_MISREAD: Final = str.maketrans("OIL", "011", "- \t\r\n")
MAX_TYPED: Final = 100  # characters


def new_code() -> str:
    """Five groups of five letters and digits, all equally likely."""
    return _grouped("".join(_ALPHABET[random_below(len(_ALPHABET))] for _ in range(_LETTERS)))


def read(typed: str) -> str:
    """The code as `new_code` writes it, from what a person typed: any case, with or without hyphens and blanks, O for
    0, I or L for 1, full-width letters. Raises `RecoveryWrong` for what no code can be."""
    letters = unicodedata.normalize("NFKC", typed).upper().translate(_MISREAD)
    if len(letters) != _LETTERS or not set(letters) <= set(_ALPHABET):
        raise RecoveryWrong
    return _grouped(letters)


def digest(code: str) -> bytes:
    """What the issuer keeps of a code that `new_code` or `read` wrote: 32 bytes."""
    return sha256(Label.RECOVERY, code.encode("ascii"))


def _grouped(letters: str) -> str:
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))
