"""The day-28 audit's look at the log: its files, read as an outsider reads them, not from the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from checkin.audit.destroyed import Book
from checkin.audit.list_audit import AGREE, quarrels
from checkin.audit.log_entry import LogEntry, read_entry
from checkin.audit.point import Point, PointResult, not_run, plain, seen
from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted
from checkin.protocol.note import NoteVerifier, split_note
from checkin.purge.statement_store import ORDER_EXECUTED, ORDER_REFUSED, published_count
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.fsck import LogFault, check_log
from checkin.tlog.reader import LogReader
from checkin.tlog.tiles import WIDTH, parse_path
from retention.audits import Audit

FILES: Final = "log-files"
CONTINUES: Final = "log-continues"
LOGGED: Final = "reports-logged"
STATED: Final = "statements-logged"
MATCH: Final = "closings-match"
ORDERS: Final = "orders"
AUTHORITY: Final = "authority-keys"


class LogAudit:
    """One look at the log as it is published at this moment."""

    def __init__(self, name: str, folder: Path, fetch: Callable[[str], bytes], note: str, key: NoteVerifier) -> None:
        """`note`: the checkpoint; raises `NoteMalformed`, `NoteUntrusted` when `key` did not sign it."""
        self._name = name
        self._folder = folder
        self._fetch = fetch
        self.head: Checkpoint = open_checkpoint(note, key)

    def points(self, previous: Audit | None, date: str, stated: dict[str, list[str]]) -> Iterator[Point]:
        """The lines about the log. `previous`: the last audit; `stated`: the notes that each service shows now."""
        yield self._files()
        yield self._continues(previous)
        try:
            logged = set(self.entries)
            book = self.book()
        except CheckinError as error:
            yield Point(LOGGED, self._name, PointResult.FAIL, plain(f"The log cannot be read: {error.detail}"))
            return
        yield self._reports(book, date)
        yield from (self._stated(service, notes, logged) for service, notes in stated.items())
        faults = [f"entry {entry.index} of {entry['service']}: {reason}" for entry, _, reason in book.quarrels()]
        good = f"{len(book.reports)} reports name the keys and closings that were stated before."
        yield seen(MATCH, self._name, faults, good)
        yield self._lists()
        yield self._authority(book, date)
        kinds = [entry.kind for entry in book.entries]
        executed, refused = (published_count(kinds.count(kind.kind)) for kind in (ORDER_EXECUTED, ORDER_REFUSED))
        text = f"In the log, parts of orders executed: {executed}, refused: {refused}."
        yield Point(ORDERS, self._name, PointResult.PASS, text)

    @cached_property
    def entries(self) -> list[bytes]:
        """All entries, each proved to be under the checkpoint; raises `ProofInvalid`, `NotFound`."""
        return list(LogReader(self._fetch, self.head).entries())

    def book(self) -> Book:
        """The statements among them."""
        found = []
        for index, entry in enumerate(self.entries):
            with suppress(NoteMalformed, NoteUntrusted):
                found.append(read_logged(index, entry.decode(errors="replace")))
        return Book(found)

    def _files(self) -> Point:
        listed, faults = self._check_files()
        if faults:  # a second look: while a bundle fills up, its partial forms go
            listed, faults = self._check_files()
        good = f"{len(listed)} files of {self.head.size} entries lead to the signed root."
        return seen(FILES, self._name, [f"{fault.path}: {fault.reason}" for fault in faults], good)

    def _check_files(self) -> tuple[list[str], list[LogFault]]:
        paths = [path for path in (self._folder / "tile").rglob("*") if path.is_file()]
        names = [path.relative_to(self._folder).as_posix() for path in paths]
        listed = [name for name in names if not self._is_later(name)]
        return listed, check_log(self._fetch, self.head, listed)

    def _is_later(self, path: str) -> bool:
        """Whether a tile is of a log longer than this checkpoint: it was written since."""
        try:
            tile = parse_path(path)
        except NoteMalformed:
            return False
        return tile.number * WIDTH + tile.width > self.head.size >> 8 * max(tile.level, 0)

    def _continues(self, previous: Audit | None) -> Point:
        if previous is None:
            return Point(CONTINUES, self._name, PointResult.PASS, "This is the first audit: the log begins with it.")
        old = Checkpoint(self.head.origin, previous.size, bytes.fromhex(previous.root))
        faults = []
        try:
            LogReader(self._fetch, self.head).verify_continues(old)
        except CheckinError as error:
            faults = [f"The log does not continue that of the audit of {previous.day}: {error.detail}"]
        good = f"The log of {self.head.size} entries continues that of {old.size} entries of {previous.day}."
        return seen(CONTINUES, self._name, faults, good)

    def _reports(self, book: Book, date: str) -> Point:
        faults = [f"no report of {service} about {day}" for service, day in book.missing(date)]
        faults += [f"two reports of {one['service']} about {one['day']}" for one, _ in book.contradictions()]
        good = f"{len(book.reports)} reports are in the log, and none is missing of a day that was due before {date}."
        return seen(LOGGED, self._name, faults, good)

    def _authority(self, book: Book, date: str) -> Point:
        days = book.authority
        if not days.names:
            return not_run(AUTHORITY, self._name, "No health authority has a list of its day keys in the log.")
        faults = [f"entry {entry.index}: {reason}" for entry, _, reason in days.quarrels(date)]
        faults += [f"no statement of {name} about its key for {day}" for name, day, _ in days.missing(date)]
        faults += [f"no check of the keys of {name} since {day}" for name, day, _ in days.unchecked(date)]
        due, gone = days.counts(date)
        good = f"{gone} of {due} listed keys that were due by {date} are stated to be destroyed, none is overdue."
        return seen(AUTHORITY, self._name, faults, good)

    def _lists(self) -> Point:
        count, found = quarrels(entry.decode(errors="replace") for entry in self.entries)
        faults = [f"entry {place}: {reason}" for place, reason in found]
        good = f"Lists of issuer and intake keys in the log: {count}; they name one key for each day."
        return seen(AGREE, self._name, faults, good)

    @staticmethod
    def _stated(service: str, notes: list[str], logged: set[bytes]) -> Point:
        missing = (note for note in notes if note.encode() not in logged)
        faults = [f"{_about(note)} is stated and is not in the log" for note in missing]
        return seen(STATED, service, faults, f"All of its {len(notes)} statements are in the log.")


def read_logged(index: int, note: str) -> LogEntry:
    """A statement of the log; its lines were verified when it came. Raises `NoteMalformed`, `NoteUntrusted`."""
    text, lines = split_note(note)
    return read_entry(index, text, [*dict.fromkeys(line.name for line in lines)], note)


def _about(note: str) -> str:
    """`purge-report 2026-11-22`: nothing of a person, whatever the note says."""
    try:
        entry = read_logged(0, note)
        return f"{entry.kind.split('/')[1]} {entry.values.get('day', entry.values.get('key', ''))}"
    except (NoteMalformed, NoteUntrusted, IndexError):
        return "a note"
