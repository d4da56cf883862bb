"""Service days of zones, for `make.py`. All lie in the past: what a zone's clocks will do may still be decided."""

from __future__ import annotations

from typing import Any, Final

from checkin.clock import DATES, Calendar

PLACES: Final = {
    "Asia/Seoul": [20045],
    "America/Sao_Paulo": [17838, 17839, 17943, 17944],  # skipped midnight in November 2018, twice in February 2019
    "Asia/Beirut": [19812, 19813],  # skipped midnight on 31 March 2024
    "Europe/Berlin": [19812, 20022, 20023],  # 31 March 2024 had 23 hours, 27 October 25
    "Australia/Lord_Howe": [19819, 20001],  # moves by half an hour
    "Pacific/Apia": [15337, 15338, 20045],  # had no 30 December 2011
    "America/St_Johns": [20045],
    "Asia/Kathmandu": [20045],
    "Pacific/Kiritimati": [20045],
}
NO_DATES: Final = (
    *("", "2026-11-31", "2025-02-29", "2026-00-10", "2026-2-01", "26-11-20", "2026-11-20 ", "2026/11/20"),
    *("20261120", "2026-W47-5", "+002026-11-20", "+010000-01", "2026", "2026-11-20T00:00:00Z", "\u0662026-11-20"),
)


def calendar_file() -> dict[str, Any]:
    """`calendar.json`."""
    cases = [case(Calendar(zone), day) for zone, days in PLACES.items() for day in days]
    good = [{"text": DATES.date(day), "day": day} for day in (0, 59, 11016, 19782, 20777, 65535)]
    return {"spec": "docs/spec/days.md", "cases": cases, "dates": {"good": good, "bad": NO_DATES}}


def case(calendar: Calendar, day: int) -> dict[str, Any]:
    """A day of a zone, and moments at both of its ends."""
    start = int(calendar.start(day))
    instants = [start + after for after in (-1, 0, 3599, 3600, 86399, 86400, 90000)]
    return {
        "zone": calendar.zone,
        "day": day,
        "start": start,
        "labels": calendar.hour_labels(day),
        "instants": [{"at": instant, "day": calendar.day(instant)} for instant in instants],
    }
