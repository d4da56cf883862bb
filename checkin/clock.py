"""Time: the only file that reads it. Everything else takes `now` (unix seconds) or a `Clock`.

A *service day* is a calendar day in the deployment's zone, on the wire the number of days since 1970-01-01.
Rules: docs/spec/days.md. Nothing here is finer than a caller requests.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from checkin.errors import SettingsInvalid

RETENTION_DAYS: Final = 28
CLOSING_DAYS: Final = 4
CLOSING_MINUTES: Final = 5
_EPOCH: Final = date(1970, 1, 1)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Where a service gets its time from."""

    @property
    def simulated(self) -> bool:
        """Whether the time is made up; a service says so in /healthz and in everything it signs."""

    def now(self) -> float:
        """Unix time in seconds."""

    def boot(self) -> float:
        """Seconds since the machine started, suspended time included; no clock setting moves it."""

    def boot_id(self) -> str:
        """Distinguishes one start of the machine from another; empty where nothing does."""


class SystemClock:
    """The machine's own clocks."""

    simulated = False

    def now(self) -> float:
        return time.time()

    def boot(self) -> float:
        """CLOCK_BOOTTIME where there is one (Linux), else the monotonic clock."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def boot_id(self) -> str:
        """Linux's id of this start; empty elsewhere."""
        try:
            return _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return ""


STOPWATCH: Final = SystemClock()
"""Its `boot` measures how long something takes, also while a simulated clock stands still and the machine sleeps."""


class SimulatedClock:
    """A clock in a file, read at each use. Its first line is one of

    - an RFC 3339 instant, at which time stands still: `2026-11-20T12:00:00+09:00`
    - seconds ahead of the real clock, and time runs: `+2419200`

    A second line, if there is one, gives the boot clock in seconds; without it the boot clock follows the first.
    """

    simulated = True

    def __init__(self, path: Path) -> None:
        """`SettingsInvalid` when the file does not hold such a time."""
        self.path = path
        self._content = b""
        self._lines: tuple[bool, float, float | None] | None = None
        self._read()

    def now(self) -> float:
        return self._read()[0]

    def boot(self) -> float:
        return self._read()[1]

    def boot_id(self) -> str:
        """One start, for good: a simulated machine shows another one by its boot clock alone."""
        return "simulated"

    def set(self, first: str, boot: float | None = None) -> None:
        """Write a new time, at once for all readers; for the demonstration, the simulation and tests."""
        draft = self.path.with_name(f"{self.path.name}.new")
        draft.write_text(first + "\n" + ("" if boot is None else f"{boot}\n"), encoding="ascii")
        draft.replace(self.path)

    def _read(self) -> tuple[float, float]:
        """Now and the boot clock; read at every request and several times for some, so it is parsed when it changed."""
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - a third of what `Path` takes
                content = file.read().strip()
        except OSError:
            raise SettingsInvalid("The simulated clock's file cannot be read.") from None
        if self._lines is None or (content and content != self._content):  # empty: it is being rewritten
            self._lines, self._content = _lines(content), content
        runs, first, boot = self._lines
        now = time.time() + first if runs else first
        return now, now if boot is None else boot


def clock_of(path: Path | None) -> Clock:
    """The machine's, or a simulated one; raises as `SimulatedClock`."""
    return SimulatedClock(path) if path else SystemClock()


def _lines(content: bytes) -> tuple[bool, float, float | None]:
    """Whether time runs; the first line's seconds, ahead or since 1970; the boot clock's, if they are given."""
    try:
        first, *rest = content.decode("ascii").split()
        runs = bool(re.fullmatch(r"\+\d+", first))
        return runs, float(first) if runs else parse_rfc3339(first), float(rest[0]) if rest else None
    except ValueError:
        raise SettingsInvalid(
            "The simulated clock's file must hold an RFC 3339 time (2026-11-20T12:00:00+09:00) or +seconds."
        ) from None


def parse_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 instant with an offset; `ValueError` without one."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time needs an offset")
    return instant.timestamp()


class Calendar:
    """Service days of one time zone."""

    def __init__(self, zone: str = "Asia/Seoul") -> None:
        """`SettingsInvalid` for a zone that the time zone database does not have."""
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsInvalid(f"There is no time zone named {zone!r}.") from None
        self.zone = zone
        self._starts: dict[int, float] = {}

    def day(self, now: float) -> int:
        """The service day that `now` lies in."""
        return (datetime.fromtimestamp(now, self._zone).date() - _EPOCH).days

    def start(self, day: int) -> float:
        """Unix seconds at which the day begins locally."""
        start = self._starts.get(day)
        if start is None:  # needed several times for every check-in
            if len(self._starts) > 1000:
                self._starts.clear()
            start = self._starts[day] = self._local(day).timestamp()
        return start

    def hour(self, day: int, now: float) -> int:
        """Whole hours since the day's local start, 0 .. 24 (a day that sets clocks back has 25)."""
        return max(0, min(24, int((now - self.start(day)) // 3600)))

    def hour_labels(self, day: int) -> list[str]:
        """What clocks show when each of the day's 25 hours begins, by its place as `hour` gives it: `15`; `2A` and `2B`
        where they show 2 twice, `1:30` where they are moved by half an hour; from the day's end on `24`."""
        begin, end = self.start(day), self.start(day + 1)
        labels = [self._label(begin + 3600 * place, end) for place in range(25)]
        twice = {label for label in labels if labels.count(label) > 1}
        return [
            label + "AB"[labels[:place].count(label)] if label in twice else label for place, label in enumerate(labels)
        ]

    def closes(self, day: int) -> float:
        """D+4 00:05 local: from then on the day takes no uploads."""
        return (self._local(day + CLOSING_DAYS) + timedelta(minutes=CLOSING_MINUTES)).timestamp()

    def due(self, day: int) -> float:
        """When D+28 begins: from then on the day must be destroyed."""
        return self.start(day + RETENTION_DAYS)

    def oldest(self, now: float) -> int:
        """The oldest day that may still be held at `now`."""
        return self.day(now) - RETENTION_DAYS + 1

    def date(self, day: int) -> str:
        """`2026-11-20`."""
        return (_EPOCH + timedelta(days=day)).isoformat()

    def parse_date(self, text: str) -> int:
        """Inverse of `date`; `ValueError` for any other spelling."""
        day = (date.fromisoformat(text) - _EPOCH).days
        if self.date(day) != text:
            raise ValueError("a date is written YYYY-MM-DD")
        return day

    def rfc3339(self, now: float, grain: str = "seconds") -> str:
        """Local time with offset, cut to `minutes` or `seconds`."""
        return datetime.fromtimestamp(now, self._zone).isoformat(timespec=grain)

    def _label(self, instant: float, end: float) -> str:
        if instant >= end:
            return str(24 + int((instant - end) // 3600))
        shown = datetime.fromtimestamp(instant, self._zone)
        return f"{shown.hour}:{shown.minute:02}" if shown.minute else str(shown.hour)

    def _local(self, day: int) -> datetime:
        midnight = datetime.combine(_EPOCH + timedelta(days=day), datetime.min.time(), self._zone)
        # A zone may skip midnight when it sets clocks forward: the day begins at the first instant that exists.
        return midnight.astimezone(UTC).astimezone(self._zone)


DATES: Final = Calendar("UTC")
"""Only to spell service days and to read them: no zone enters a date."""
