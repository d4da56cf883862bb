"""Destroying keys before they are due, because enough officers of the authority order it (docs/spec/retention.md §7).

    keys/early/NAME.txt    what they signed, as it came

It lies beside the keys, so that carrying it out needs no other volume, and counts only if it verifies.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, Protocol

import structlog

from checkin.clock import DATES, RETENTION_DAYS, Calendar, Clock
from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted, NotReady
from checkin.files.durable import private_folder, replace_file
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.key_list import FEWEST_OFFICERS
from checkin.protocol.note import Opened
from checkin.protocol.primitives import sha256
from checkin.protocol.statement import CLOCK, one
from checkin.purge.statement_store import EARLY, EARLY_DESTRUCTION, LAST_DAY

MAX_REASON: Final = 200  # characters
_OPENING: Final = (Purpose.DAY, Purpose.INTAKE)
"""The purposes of keys that open what is kept, or waits, of a day."""
log = structlog.get_logger()


def end_of_day(due: str, done: str, *, ordered: bool) -> Literal["destroyed", "early", "late"]:
    """How a key or day ended that was due and destroyed on these ISO dates; `ordered`: officers signed it before."""
    if done > due:
        return "late"
    return "early" if done < due and ordered else "destroyed"


class PinnedOfficers(Protocol):
    """The pinned authority (`checkin.service.settings.AuthoritySettings`)."""

    name: str

    def open(self, note: str, fewest: int) -> Opened:
        """What enough officers signed, at least `fewest`; raises `NoteMalformed`, `NoteUntrusted`."""

    def open_kept(self, note: str, fewest: int) -> Opened:
        """As `open`, also by former officers."""


@dataclass(frozen=True)
class EarlyDestruction:
    """The keys of the service days `first` to `last` of one service; signed on `day`."""

    authority: str
    service: str
    first: int
    last: int
    day: int
    reason: str
    simulated: bool
    name: str
    """Of the statement, by its text alone: the same for any signers."""

    @classmethod
    def read(cls, text: str) -> EarlyDestruction:
        """From the text of a note; raises `NoteMalformed`, also for days that had not come when it was signed."""
        values = EARLY_DESTRUCTION.read(text)
        try:
            first, last, day = (DATES.parse_date(one(values, field)) for field in ("first", "last", "day"))
        except ValueError:
            raise NoteMalformed("A day is written YYYY-MM-DD.") from None
        if not 0 <= first <= last <= LAST_DAY:
            raise NoteMalformed("The last day is before the first, or a day is out of range.")
        if not last <= day <= LAST_DAY:
            raise NoteMalformed("The last day had not come when it was signed: today at the latest.")
        if last - first >= RETENTION_DAYS:
            raise NoteMalformed(f"It names more than {RETENTION_DAYS} days.")
        if len(one(values, "reason")) > MAX_REASON:
            raise NoteMalformed(f"A reason has at most {MAX_REASON} characters.")
        name = f"{EARLY}{one(values, 'first')}-{one(values, 'last')}-{sha256(text.encode())[:4].hex()}"
        named = (one(values, "authority"), one(values, "service"))
        return cls(*named, first, last, day, one(values, "reason"), CLOCK.name in values, name)

    def covers(self, key: KeyName) -> bool:
        """Whether that key is to be destroyed."""
        return key.purpose in _OPENING and self.first <= key.day <= self.last

    def told(self) -> str:
        """What an officer reads before signing."""
        days = f"{DATES.date(self.first)} to {DATES.date(self.last)}, both included"
        return (
            f"{self.service} destroys its keys of the days {days}, as soon as it is handed this. All that it holds of "
            "these days can be read no more, in no copy and by no order, and nobody can undo that. If today is among "
            f"them, it takes nothing more until tomorrow. Everybody will read the reason: {self.reason}"
        )


class EarlyDestructions:
    """Those that were handed in to one service, or to a node of its ring."""

    def __init__(
        self, keys: Path, service: str, officers: PinnedOfficers | None, clock: Clock, calendar: Calendar
    ) -> None:
        """`keys`: the folder of the key ring."""
        self._folder = keys / "early"
        self._service, self._officers = service, officers
        self._clock, self._calendar = clock, calendar
        self._refused: set[str] = set()
        self._opened: dict[str, EarlyDestruction] = {}
        """By note, those that verified: under pinned keys they do so each time."""
        self._unkept: dict[str, str] = {}

    def take(self, note: str) -> EarlyDestruction:
        """Keeps it, on disk when this returns; where that fails in this process, and `keep` raises. Raises
        `NoteMalformed`; `NoteUntrusted` unless enough officers of the pinned authority signed it, about this service
        and no day that has not come; `NotReady` where none is pinned."""
        if self._officers is not None:
            self._officers.open(note, FEWEST_OFFICERS)  # former ones order nothing new
        return self._take(note)

    def _take(self, note: str) -> EarlyDestruction:
        found = self._verified(note)
        self._unkept[found.name] = note
        with suppress(OSError):
            self.keep()
        return found

    def keep(self) -> None:
        """Puts on disk what there was no room for. Raises `OSError` while there is none."""
        for name, note in list(self._unkept.items()):
            if not self._stands(name):
                private_folder(self._folder)
                replace_file(self._file(name), note.encode())
            self._unkept.pop(name, None)

    def learn(self, name: str, note: str) -> None:
        """As `take`, of one that stands in the service's statements, and passes over what cannot be read."""
        if not self._stands(name):
            try:
                self._take(note)
            except CheckinError as error:
                self._refuse(name, error)

    def all(self) -> dict[EarlyDestruction, str]:
        """Each with its note. A file that is none is passed over: it keeps no due key alive."""
        files = sorted(self._folder.glob("*.txt"))
        notes = {path.stem: partial(path.read_text, encoding="utf-8") for path in files}
        notes |= {name: partial(str, note) for name, note in [*self._unkept.items()]}  # the file may be torn
        found = {}
        for name, read in notes.items():
            try:
                note = read()
                found[self._verified(note)] = note
            except (CheckinError, OSError, UnicodeDecodeError) as error:
                self._refuse(name, error)
        return found

    def covers(self, key: KeyName) -> bool:
        """Whether officers had that key destroyed."""
        return key.purpose in _OPENING and any(order.covers(key) for order in self.all())

    def _stands(self, name: str) -> bool:
        """Whether its file is there and undamaged."""
        try:
            return self._verified(self._file(name).read_text(encoding="utf-8")).name == name
        except (CheckinError, OSError, UnicodeDecodeError):
            return False

    def _verified(self, note: str) -> EarlyDestruction:
        found = self._opened.get(note) or self._open(note)
        if found.day > self._calendar.day(self._clock.now()):
            raise NoteUntrusted("It was signed on a day that has not come.")
        # Any reader can add signature lines to a public note: one note of each statement is remembered.
        self._opened = {known: order for known, order in self._opened.items() if order != found} | {note: found}
        return found

    def _open(self, note: str) -> EarlyDestruction:
        if self._officers is None:
            raise NotReady("The settings pin no authority whose officers could order that.")
        signed = self._officers.open_kept(note, FEWEST_OFFICERS)
        found = EarlyDestruction.read(signed.text)
        if (found.authority, found.service) != (self._officers.name, self._service):
            raise NoteUntrusted("It is another authority's, or about another service.")
        if found.simulated != self._clock.simulated:
            raise NoteUntrusted("Real and simulated time do not mix: the note was made under the other one.")
        return found

    def _refuse(self, name: str, error: Exception) -> None:
        """Logs a refusal once in each process: officers' keys may have changed since."""
        if name not in self._refused:
            self._refused.add(name)
            log.error("early_destruction_refused", statement=name, why=type(error).__name__)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.txt"
