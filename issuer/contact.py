"""A person as they register: name and phone, restricted on entry.

Names with spreadsheet formulas reached health offices elsewhere, so a name that could be one is refused here, not
only neutralised on export.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

import phonenumbers

from checkin.errors import NameInvalid, PhoneInvalid

MAX_NAME: Final = 60  # characters
MAX_PHONE: Final = 32  # characters as typed
_FORMULA: Final = frozenset("=+-@\t\r＝＋－＠")  # also the wide forms, which East Asian spreadsheets accept
# Control, format, surrogate, private, unassigned, line and paragraph separator: what is shown must be what is there.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Contact:
    """A checked name (NFC, 1 to 60 characters) and a phone in E.164 (`+821012345678`, up to 16 characters)."""

    name: str
    phone: str


def read_contact(name: str, phone: str, region: str) -> Contact:
    """Raises `NameInvalid`, then `PhoneInvalid`; `region` (KR) is the country of a phone written without one."""
    return Contact(read_name(name), read_phone(phone, region))


def read_name(text: str) -> str:
    """The name in Unicode's composed form, without spaces at its ends; raises `NameInvalid`."""
    if len(text) > 4 * MAX_NAME or any(unicodedata.category(char) in _HIDDEN for char in text):
        raise NameInvalid
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_NAME or name[0] in _FORMULA or not any(char.isalpha() for char in name):
        raise NameInvalid
    return name


def read_phone(text: str, region: str) -> str:
    """The phone in E.164; raises `PhoneInvalid` unless it is a possible number of an existing range."""
    if len(text) > MAX_PHONE:
        raise PhoneInvalid
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise PhoneInvalid from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise PhoneInvalid
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
