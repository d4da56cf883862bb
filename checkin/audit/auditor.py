"""An auditor with nothing but verifier keys: every file of the log, every report, every audit, and how they fit.

Nothing is believed that a pinned key did not sign, and of what was signed, that it is in the one log. Each fault
names a file and what is wrong with it (docs/spec/audit.md §3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from checkin.audit.audit_page import audit_html, audit_json
from checkin.audit.destroyed import Book
from checkin.audit.evidence import AUDITS, CHECKPOINT, LOG, REPORTS, SHOWN, Evidence, report_file
from checkin.audit.list_audit import quarrels
from checkin.audit.log_entry import ALTERED, CONTRADICTS, MISSING, REORDERED, DayState, LogEntry, read_entry
from checkin.audit.point import AUDIT
from checkin.audit.retention_answers import MAX_NUMBER
from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted, ProofInvalid
from checkin.protocol.note import decode_note, open_note, signed_by, split_note, unverified_text
from checkin.purge.statement_store import PURGE_REPORT
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
from checkin.tlog.fsck import check_log
from checkin.tlog.reader import LogReader

FORGED: Final = "forged"
REWRITTEN: Final = "rewritten"
MAX_NAMED: Final = 3


@dataclass(frozen=True)
class AuditFault:
    """A file (as the folder names it), in one word what happened to it, and the sentence."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The result of an audit. `head` is None when not even the checkpoint could be verified; `whole`: whether the log
    is what was signed, so that the rest was held against it."""

    head: Checkpoint | None
    date: str
    faults: tuple[AuditFault, ...]
    days: tuple[DayState, ...] = ()
    reports: int = 0
    audits: int = 0
    entries: tuple[LogEntry, ...] = field(default=(), repr=False)
    whole: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def summary(self) -> dict[str, Any]:
        """The verdict as `--json` writes it."""
        head = self.head and {"origin": self.head.origin, "size": self.head.size, "root": self.head.root.hex()}
        counts = {"reports": self.reports, "audits": self.audits}
        faults, days = [vars(fault) for fault in self.faults], [vars(day) for day in self.days]
        return {"ok": self.ok, "date": self.date, "checkpoint": head, **counts, "faults": faults, "days": days}


def verify(evidence: Evidence, date: str = "", previous: bytes | None = None, today: str = "") -> Verdict:
    """Checks everything, as of `date` (ISO), or else of the newest day in the log, or of `today` unless the log is
    about simulated time. `previous`: an earlier checkpoint.txt, which this log must continue."""
    try:
        head = _open_head(evidence, evidence.checkpoint)
    except CheckinError as error:
        return Verdict(None, date, (_blame(CHECKPOINT, evidence.checkpoint, error, evidence),))
    if faults := list(_log_faults(evidence, head, previous)):
        return Verdict(head, date, tuple(faults))
    notes = [entry.decode(errors="replace") for entry in LogReader(evidence.fetch, head).entries()]
    entries: list[LogEntry] = []
    for index, note in enumerate(notes):
        try:
            entries.append(_read(evidence, head.origin, index, note))
        except CheckinError as error:
            faults.append(_blame(f"{LOG} entry {index}", note.encode(), error, evidence))
    book = Book(entries)
    simulated = any("clock" in entry.values for entry in entries)
    date = date or max(book.newest(), "" if simulated else today)
    faults += [*_file_faults(evidence, notes, book), *_book_faults(book, date)]
    faults += [AuditFault(f"{LOG} entry {place}", CONTRADICTS, reason) for place, reason in quarrels(notes)[1]]
    return Verdict(
        head=head,
        date=date,
        faults=tuple(faults),
        days=tuple(book.strip(date)) if date else (),
        reports=len(book.reports),
        audits=sum(entry.kind == AUDIT.kind for entry in entries),
        entries=tuple(entries),
        whole=True,
    )


def _open_head(evidence: Evidence, data: bytes, *, earlier: bool = False) -> Checkpoint:
    """An `earlier` one may be signed by any key that the log had; a stolen former key signs no newer one."""
    if not data:
        raise ProofInvalid("The checkpoint is not there.")
    note = decode_note(data)
    origin = Checkpoint.read(unverified_text(note)).origin
    keys = [key for key in reversed(evidence.pinned.notes) if key.name == origin]
    if not keys:
        raise NoteUntrusted("The log that it names has no key in vkeys.txt.")
    log, *former = keys
    if not earlier and not signed_by(note, log) and any(signed_by(note, key) for key in former):
        raise NoteUntrusted("A former key of the log signed it: of several in vkeys.txt the last one counts.")
    # SPEC signed-note: "Verifiers MUST ignore signatures from unknown keys": a log may have witnesses of its own.
    head = open_checkpoint(note, log, evidence.pinned.witnesses, former=former if earlier else ())
    if head.size > MAX_NUMBER:
        raise ProofInvalid(f"It names {head.size} entries, more than any log of this kind has.")
    return head


def _log_faults(evidence: Evidence, head: Checkpoint, previous: bytes | None) -> Iterator[AuditFault]:
    # A copy of the checkpoint may lie beside the tiles; it is held against the one that was verified.
    for path, reason in check_log(evidence.fetch, head, [path for path in evidence.listed if path != "checkpoint"]):
        yield AuditFault(f"{LOG}/{path}", ALTERED, reason)
    if "checkpoint" in evidence.listed and evidence.fetch("checkpoint") != evidence.checkpoint:
        yield AuditFault(f"{LOG}/checkpoint", ALTERED, "It is not the checkpoint beside this folder.")
    if previous is not None:
        try:
            LogReader(evidence.fetch, head).verify_continues(_open_head(evidence, previous, earlier=True))
        except CheckinError as error:
            yield AuditFault(CHECKPOINT, REWRITTEN, f"It does not continue the earlier checkpoint: {error.detail}")


def _read(evidence: Evidence, origin: str, index: int, note: str) -> LogEntry:
    """A statement of the log, signed by the service that it names, or by officers of the authority that it names; an
    audit by the service that runs the log."""
    opened = open_note(note, evidence.pinned.all())
    entry = read_entry(index, opened.text, opened.names, note)
    if entry.kind == AUDIT.kind and f"{entry['service']}/log" != origin:
        raise NoteUntrusted("It is an audit by another service than the one whose log this is.")
    return entry


def _file_faults(evidence: Evidence, notes: list[str], book: Book) -> Iterator[AuditFault]:
    places = {note: index for index, note in enumerate(notes)}
    for name, data in evidence.files.items():
        folder = name.partition("/")[0]
        if folder == REPORTS:
            yield from _report_faults(name, data, evidence, places, book)
        elif folder == AUDITS:
            yield from _audit_faults(name, data, places)
    for entry in book.reports:
        name = f"{REPORTS}/{report_file(entry['service'], entry['day'])}"
        if name not in evidence.files:
            yield AuditFault(name, MISSING, f"The log has this report as entry {entry.index}, and the folder has not.")
    yield from _shown_faults(evidence, notes, book)


def _report_faults(
    name: str, data: bytes, evidence: Evidence, places: dict[str, int], book: Book
) -> Iterator[AuditFault]:
    try:
        note = decode_note(data)
        values = PURGE_REPORT.read(open_note(note, evidence.pinned.all()).text)
        service, day = str(values["service"]), str(values["day"])
        if name != f"{REPORTS}/{report_file(service, day)}":
            yield AuditFault(name, REORDERED, f"It holds the report of {service} about {day}.")
        elif note not in places:
            standing = book.report(service, day)
            also = f"; entry {standing.index} is another one about this day" if standing else ""
            yield AuditFault(name, CONTRADICTS if standing else MISSING, f"It is signed and is not in the log{also}.")
        elif evidence.places.get(name, places[note]) != places[note]:
            yield AuditFault(
                name, REORDERED, f"It is shown as entry {evidence.places[name]} and is entry {places[note]}."
            )
    except CheckinError as error:
        yield _blame(name, data, error, evidence)


def _audit_faults(name: str, data: bytes, places: dict[str, int]) -> Iterator[AuditFault]:
    index = places.get(data.decode(errors="replace"))
    if index is None:
        yield AuditFault(name, ALTERED, "The log has no such audit: it was altered, forged, or never logged.")
    elif name != f"{AUDITS}/{index}.txt":
        yield AuditFault(name, REORDERED, f"It is entry {index} of the log.")


def _shown_faults(evidence: Evidence, notes: list[str], book: Book) -> Iterator[AuditFault]:
    """audit.json and audit.html must be, byte for byte, what an audit of the log makes them."""
    audits = [entry.index for entry in reversed(book.entries) if entry.kind == AUDIT.kind]
    for name, make in zip(SHOWN, (audit_json, audit_html), strict=True):
        data = evidence.files.get(name)
        if data is not None and not any(make(index, notes[index], book).encode() == data for index in audits):
            yield AuditFault(name, ALTERED, "It is not what this version of the program makes of any audit in the log.")


def _book_faults(book: Book, date: str) -> Iterator[AuditFault]:
    for entry, kind, reason in (*book.quarrels(), *book.authority.quarrels(max(date, book.newest()))):
        yield AuditFault(f"{LOG} entry {entry.index}", kind, reason)
    for first, later in book.contradictions():
        yield AuditFault(
            f"{LOG} entry {later.index}", CONTRADICTS, f"Entry {first.index} is another report about the same day."
        )
    for service, day in book.missing(date):
        yield AuditFault(
            f"{REPORTS}/{report_file(service, day)}", MISSING, f"{service} made a key for {day} and never reported."
        )
    for name, day, index in book.authority.unchecked(date):
        reason = f"Since {day} no officers of {name} stated that its listed keys are the ring's own."
        yield AuditFault(f"{LOG} entry {index}", MISSING, reason)
    for name, day, index in book.authority.missing(date):
        reason = f"{name} listed its key for {day}, and its officers never stated that it was destroyed."
        yield AuditFault(f"{LOG} entry {index}", MISSING, reason)


def _blame(path: str, data: bytes, error: CheckinError, evidence: Evidence) -> AuditFault:
    """In one word: missing; forged, where only keys that are not pinned signed; altered otherwise."""
    if not data:
        return AuditFault(path, MISSING, error.detail)
    try:
        signatures = split_note(decode_note(data))[1]
    except NoteMalformed:
        signatures = []
    if not signatures or any((item.name, item.key_id) in evidence.pinned.known for item in signatures):
        return AuditFault(path, ALTERED, error.detail)
    names = ", ".join(sorted({item.name for item in signatures})[:MAX_NAMED])
    return AuditFault(path, FORGED, f"No pinned key signed it. It names {names}: if you know them, add their keys.")
