"""A person as they register: name and phone, restricted on entry.

Names with spreadsheet formulas reached health offices elsewhere, so a name that could be one is refused here, not
only neutralised on export.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from checkin.errors import NameInvalid, PhoneCountry, PhoneInvalid, PhoneNotMobile
from checkin.shown import FORMULA, is_unseen

MAX_NAME: Final = 60  # characters
MAX_PHONE: Final = 32  # characters as typed
MAX_E164: Final = 16  # a plus sign and fifteen digits (ITU-T E.164 §6); some countries have longer numbers
_VIRAMA: Final = 9  # the combining class of what joins consonants
# Zero width non-joiner and joiner: invisible themselves, they choose the shape of the letters around them in these
# scripts (Unicode Standard Annex 31, table 5, of those with letters that join or stack), so names are spelt with them.
_JOINERS: Final = frozenset("\u200c\u200d")
_JOINING: Final = frozenset({"ARABIC", "BENGALI", "DEVANAGARI", "GUJARATI", "GURMUKHI", "KANNADA", "KHMER"}) | {
    "MALAYALAM",
    "MYANMAR",
    "ORIYA",
    "SINHALA",
    "TAMIL",
    "TELUGU",
    "TIBETAN",
}
# What reads messages and earns nothing from them; in North America mobiles and landlines have the same numbers.
_MOBILE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


@dataclass(frozen=True, slots=True)
class Contact:
    """A checked name (NFC, 1 to 60 characters) and a phone in E.164 (`+821012345678`, up to 16 characters)."""

    name: str
    phone: str


def read_contact(name: str, phone: str, region: str, abroad: Collection[str] = ()) -> Contact:
    """The checked contact. Raises `NameInvalid`, then as `read_phone`, which takes the regions."""
    return Contact(read_name(name), read_phone(phone, region, abroad))


def read_name(text: str) -> str:
    """The name in Unicode's composed form, without spaces around it; raises `NameInvalid`."""
    hidden = (not _joins(text, at) if char in _JOINERS else is_unseen(char) for at, char in enumerate(text))
    if len(text) > 4 * MAX_NAME or any(hidden):
        raise NameInvalid
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_NAME or name[0] in FORMULA or not any(char.isalpha() for char in name):
        raise NameInvalid
    if unicodedata.category(name[0]).startswith("M"):  # a mark with nothing to stand on; some are not drawn at all
        raise NameInvalid
    return name


def _joins(text: str, at: int) -> bool:
    """Whether a joiner stands between two letters or marks of one script that has joining forms.

    A zero width joiner after a mark may also end a word: so does a Malayalam chillu.
    """
    before, after = _script(text[at - 1 : at]), _script(text[at + 1 : at + 2])
    if not before:
        return False
    ends = (
        text[at] == "\u200d" and unicodedata.combining(text[at - 1]) == _VIRAMA and text[at + 1 : at + 2] in ("", " ")
    )
    return ends or before == after


def _script(char: str) -> str:
    """The joining script of a letter or mark, "" for anything else: a character's name begins with its script."""
    if not char or unicodedata.category(char)[0] not in "LM":
        return ""
    script = unicodedata.name(char, "").partition(" ")[0]
    return script if script in _JOINING else ""


def calling_codes(region: str, abroad: Collection[str] = ()) -> list[str]:
    """The beginnings of the numbers that codes are sent to: `+82`."""
    return sorted({f"+{phonenumbers.country_code_for_region(one)}" for one in (region, *abroad)})


def read_phone(text: str, region: str, abroad: Collection[str] = ()) -> str:
    """The phone in E.164, up to 16 characters; raises `PhoneInvalid`, `PhoneCountry` or `PhoneNotMobile` unless it may
    be a mobile phone of a country that codes are sent to: `region` (KR), also that of a phone written without one, or
    those in `abroad`.

    Satellite phones have no country. Each code costs the issuer, and on some numbers pays their owner.
    """
    if len(text) > MAX_PHONE:
        raise PhoneInvalid
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise PhoneInvalid from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise PhoneInvalid
    if phonenumbers.region_code_for_number(number) not in (region, *abroad):
        codes = ", ".join(calling_codes(region, abroad))
        raise PhoneCountry(f"This issuer sends codes to mobile numbers of {codes} only: register another number.")
    if phonenumbers.number_type(number) not in _MOBILE:
        raise PhoneNotMobile
    # libphonenumber takes seven digits after a Korean 010, Korea gives eight.
    if number.country_code == 82 and re.fullmatch(r"10\d{1,7}", str(number.national_number)):
        raise PhoneInvalid("A Korean mobile number has eight digits after 010: write all of them.")
    phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if len(phone) > MAX_E164:
        raise PhoneInvalid
    return phone
