"""An audit for programs (audit.json) and for people (audit.html): both follow from the signed note and the log alone.

So an auditor makes them anew and compares. The page is in English and Korean, has no script, and prints on A4; as a
file it carries its own style, a service links it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from checkin.audit.destroyed import Book
from checkin.audit.log_entry import DayState, EarlyEnd, by_service
from checkin.audit.point import AUDIT, Point, points_of
from checkin.audit.words import EARLY, LABELS, RESULTS, STATES, point_words
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import Values, one
from checkin.shown import shown
from checkin.templates import WEB, template

STYLE: Final = WEB / "static" / "audit.css"


def read_audit(note: str) -> tuple[Values, list[Point]]:
    """The statement's values and its lines; nothing is verified here. Raises `NoteMalformed`."""
    values = AUDIT.read(unverified_text(note))
    return values, points_of(values)


def audit_json(place: int, note: str, book: Book) -> str:
    """The audit number `place` of the log as JSON; `book`: the log's statements, those after the audit are left out."""
    values, points = read_audit(note)
    counts = Counter(point.result.value for point in points)
    audit: dict[str, Any] = {
        "place": place,
        **{name.replace("-", "_"): value for name, value in values.items() if name != "point"},
        "counts": {result: counts[result] for result in RESULTS},
        "points": [
            {"service": p.service, "point": p.name, "result": p.result.value, "evidence": p.evidence} for p in points
        ],
        "days": [_day(day) for day in _days(place, values, book)],
        "note": note,
    }
    return json.dumps(audit, ensure_ascii=False, indent=1) + "\n"


def audit_html(place: int, note: str, book: Book, *, linked: bool = False) -> str:
    """The audit as a page. `linked`: its style comes from the service that shows it, not from the page itself."""
    values, points = read_audit(note)
    counts = Counter(point.result.value for point in points)
    return template("audit.html").render(
        place=place,
        values=values,
        counts=[(result, counts[result]) for result in RESULTS if counts[result]],
        total=len(points),
        groups=by_service(points),
        strips=_strips(_days(place, values, book)),
        labels=LABELS,
        results=RESULTS,
        states=STATES,
        words=point_words,
        style=None if linked else STYLE.read_text(encoding="utf-8"),
    )


def _days(place: int, values: Values, book: Book) -> list[DayState]:
    return book.until(place).strip(one(values, "day"))


def _day(day: DayState) -> dict[str, Any]:
    """A day without a reason has no such member: audits that were kept before there were reasons stay as they are."""
    return {name: value for name, value in vars(day).items() if name != "reason" or value}


def _strips(days: list[DayState]) -> list[tuple[str, list[DayState], list[tuple[list[str], str]]]]:
    return [
        (service, mine, [([end.words(one) for one in EARLY], shown(end.reason)) for end in EarlyEnd.of(mine)])
        for service, mine in by_service(days).items()
    ]
