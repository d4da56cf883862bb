"""Names and phones as they may be entered."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from checkin.errors import CheckinError, NameInvalid, PhoneCountry, PhoneInvalid, PhoneNotMobile
from issuer.contact import read_contact, read_name, read_phone


@pytest.mark.parametrize(
    "name", ["김하나", "José Ñandú", "O'Brien-Smith", "李小龍", "Nguyễn Thị Minh", "عبد الله", "x", "Müller, Jr."]
)
def test_people_may_be_called_what_they_are_called(name: str) -> None:
    assert read_name(name) == name


@pytest.mark.parametrize("name", ["=1+1", "+82", "-cmd", "@SUM(A1)", "\tx", "＝A", " =x", "＠x"])
def test_no_name_is_a_spreadsheet_formula(name: str) -> None:
    """Names with formulas reached health offices elsewhere."""
    with pytest.raises(NameInvalid):
        read_name(name)


@pytest.mark.parametrize("name", ["", " ", "12345", "a\nb", "a\0b", "\u202eabc", "a\u200bb", "\ud800x", "x" * 61, "."])
def test_a_name_shows_what_it_is(name: str) -> None:
    """Nothing invisible, no line ends, no overrides of direction, a letter at least."""
    with pytest.raises(NameInvalid):
        read_name(name)


@pytest.mark.parametrize(
    "name", ["\u3164", "\u115f", "\uffa0", "\u1160x", "\u3164=cmd", "x\u2800", "\ufe0f=cmd", "\u0301x"]
)
def test_nobody_is_called_by_letters_that_cannot_be_seen(name: str) -> None:
    """Fillers of Hangul are letters to Unicode, and blank: alone they name nobody, in front they hide a formula."""
    with pytest.raises(NameInvalid):
        read_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "علی\u200cرضا",
        "محمد\u200d",
        "র\u200d্যাচেল",
        "श्रीमान्\u200cजी",
        "ક્\u200dષ",
        "ਪ੍\u200dਯਾਰ",
        "ರಾಜ್\u200cಕುಮಾರ್",
        "អ្ន\u200cក",
        "അവന്\u200d",
        "മനോജ് അവന്\u200d കെ",
        "မြ\u200cန်",
        "ପ୍\u200cର",
        "ශ්\u200dරී",
        "க்\u200cஷ",
        "రామ్\u200cగోపాల్",
        "ཀྱ\u200cི",
    ],
)
def test_a_name_is_spelt_with_the_joiners_that_its_script_needs(name: str) -> None:
    """Persian, Indic and other names change their shape, and some their meaning, without them."""
    if name == "محمد\u200d":  # nothing follows that it could join to
        with pytest.raises(NameInvalid):
            read_name(name)
    else:
        assert read_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "Ki\u200dm",
        "김\u200c하나",
        "李\u200d小",
        "\u200cعلی",
        "علی\u200c",
        "علی\u200c\u200cرضا",
        "علی\u200cx",
    ],
)
def test_a_joiner_that_joins_nothing_is_invisible(name: str) -> None:
    """Two names that look alike are one name."""
    with pytest.raises(NameInvalid):
        read_name(name)


def test_whoever_writes_a_foreign_number_reads_where_codes_go() -> None:
    """The number is right as it is; to write it otherwise would not help."""
    for regions, told in (([], "+82 only"), (["JP", "US"], "+1, +81, +82 only")):
        with pytest.raises(PhoneCountry, match=re.escape(told)):
            read_phone("+44 7400 123456", "KR", regions)


@pytest.mark.parametrize("phone", ["010-123-4567", "0101234567", "+82 10 123 4567", "+82 0 10 123 4567"])
def test_a_korean_number_with_a_digit_missing_is_refused_with_the_rule(phone: str) -> None:
    """libphonenumber takes it; the code would go nowhere."""
    with pytest.raises(PhoneInvalid, match="eight digits after 010"):
        read_phone(phone, "KR")


@pytest.mark.parametrize("phone", ["02-123-4567", "050-1234-5678", "0505-1234-5678", "070-1234-5678", "1588-1234"])
def test_whoever_gives_a_landline_or_a_virtual_number_is_asked_for_a_mobile_number(phone: str) -> None:
    with pytest.raises(PhoneNotMobile, match="mobile number"):
        read_phone(phone, "KR")


@pytest.mark.parametrize("phone", ["+82 0 10 1234 5678", "+82 10-1234-5678", "０１０－１２３４－５６７８"])
def test_a_whole_korean_number_is_taken_however_it_is_written(phone: str) -> None:
    assert read_phone(phone, "KR") == "+821012345678"


def test_a_character_may_have_the_form_that_its_bearer_writes() -> None:
    """Variation selectors choose between forms of one ideograph; registers of names use them."""
    assert read_name("葛\U000e0100城") == "葛\U000e0100城"


def test_one_name_has_one_spelling() -> None:
    """Composed and decomposed Hangul are the same name."""
    assert read_name("  \u1112\u1161\u11ab ") == "한"


@pytest.mark.parametrize("phone", ["010-1234-5678", "01012345678", "+82 10 1234 5678", "+82 (0)10-1234-5678"])
def test_one_phone_has_one_spelling(phone: str) -> None:
    assert read_phone(phone, "KR") == "+821012345678"


@pytest.mark.parametrize("phone", ["", "abc", "010", "+999 1 234", "010-1234-5678 ext. 9", "0" * 33, "112"])
def test_what_cannot_be_reached_is_refused(phone: str) -> None:
    with pytest.raises(PhoneInvalid):
        read_phone(phone, "KR")


@pytest.mark.parametrize(
    "phone", ["+1 900 555 0123", "02-1234-5678", "070-1234-5678", "050-1234-5678", "1588-1234", "+49 30 12345678"]
)
def test_nobody_earns_from_the_codes_that_are_sent(phone: str) -> None:
    """Premium, shared-cost and personal numbers pay whoever owns them, and a landline reads no message."""
    with pytest.raises(PhoneInvalid):
        read_phone(phone, "KR", ["US", "DE"])


@pytest.mark.parametrize("phone", ["+881 612345678", "+870 772001234", "+1 201 555 0123", "+1 876 210 1234"])
def test_no_code_goes_to_a_country_that_the_issuer_did_not_choose(phone: str) -> None:
    """A satellite phone is a mobile phone of no country; the Caribbean shares its prefix with America."""
    with pytest.raises(PhoneInvalid):
        read_phone(phone, "KR")
    if phone.startswith("+1"):
        assert read_phone(phone, "KR", ["US", "JM"]) == phone.replace(" ", "")


def test_two_phones_with_the_same_first_fifteen_digits_are_not_one_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    """E.164 ends at fifteen; Germany has numbers of seventeen, and the sealed form would cut them."""
    monkeypatch.setattr("issuer.contact._MOBILE", {PhoneNumberType.FIXED_LINE})
    assert read_phone("+49 30 12345678901", "DE")
    with pytest.raises(PhoneInvalid):
        read_phone("+49 30 1234567890123", "DE")


def test_a_refusal_does_not_quote_what_was_entered() -> None:
    for name, phone in [("=CANARY", "010-1234-5678"), ("x", "CANARY")]:
        with pytest.raises(CheckinError) as caught:
            read_contact(name, phone, "KR")
        assert "CANARY" not in str(caught.value)


@given(name=st.text(max_size=80), phone=st.text(max_size=40))
def test_whatever_is_entered_is_refused_or_fits_the_sealed_form(name: str, phone: str) -> None:
    try:
        contact = read_contact(name, phone, "KR", ["US"])
    except (NameInvalid, PhoneInvalid):
        return
    assert read_contact(contact.name, contact.phone, "US", ["KR"]) == contact
    assert len(contact.name.encode()) <= 240
    assert len(contact.phone) <= 16
