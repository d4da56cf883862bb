"""An access notice in words: which authority queried a person's record, and what was given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from checkin.shown import shown

_GIVEN: Final = {
    "identified": "asked who was at a place you visited on {day}; your name and phone were given",
    "codes": "asked where your codes of {day} were used; they were given, sealed",
}


def in_words(notice: Mapping[str, Any]) -> str:
    """A sentence or two; what a newer issuer says that we do not know is quoted as it is."""
    given = _GIVEN.get(str(notice.get("what")), "asked about your record of {day}")
    what = given.format(day=shown(_day(str(notice.get("day", "?")))))
    return (
        f"The health authority {shown(notice.get('authority', '?'))} {what}. "
        f"Purpose: {shown(notice.get('purpose', '?'))}. If you have questions, "
        f"name case {shown(notice.get('case', '?'))}."
    )


def _day(text: str) -> str:
    """`20 November 2026`, or the text itself if it is no date."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%B} {day.year}"
