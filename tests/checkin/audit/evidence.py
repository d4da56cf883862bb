"""A folder of evidence made by hand: two services, sixty days and more of statements, one log, an audit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from checkin.audit.audit_page import audit_html, audit_json
from checkin.audit.destroyed import Book
from checkin.audit.evidence import report_file
from checkin.audit.point import AUDIT
from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import CheckinError
from checkin.protocol.key_list import AuthorityKey, AuthorityList, CheckedList, DestroyedKey, DestroyedList
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, sha256
from checkin.protocol.statement import StatementType
from checkin.purge.statement_store import DAY_CLOSED, KEY_MADE, PURGE_REPORT
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.tiles import ENTRIES, WIDTH, new_tiles, write_bundle
from retention.log_audit import read_logged

CALENDAR = Calendar()
LAST = CALENDAR.parse_date("2026-12-20")
FIRST = LAST - 70
AUTHORITY = "health.example"
PUBLIC = OpeningKey(bytes(32)).public
SERVICES = ("issuer.example", "registry.example")


def signer(name: str) -> NoteSigner:
    """The same key for a name in every test."""
    return NoteSigner(name, SigningKey(sha256(name.encode())))


@dataclass
class Site:
    """What goes into the folder; tests change it before it is written, or the files afterwards."""

    folder: Path
    notes: list[str] = field(default_factory=list)
    audit: int | None = None

    @classmethod
    def make(cls, folder: Path) -> Site:
        """Seventy days, each with a key, a closing and, once it was due, a report."""
        site = cls(folder)
        for today in range(FIRST, LAST + 1):
            for service in SERVICES:
                site.say(service, KEY_MADE, None, **key(service, today), day=CALENDAR.date(today))
                if today - 4 >= FIRST:
                    site.say(service, DAY_CLOSED, day=CALENDAR.date(today - 4), digest="cd" * 32, count="1482")
                if today - RETENTION_DAYS >= FIRST:
                    site.report(service, today - RETENTION_DAYS)
        site.conclude()
        return site

    def say(self, service: str, kind: StatementType, by: NoteSigner | None = None, **values: str) -> str:
        """A statement at the log's end."""
        text = kind.write({"service": service, **{name.replace("_", "-"): value for name, value in values.items()}})
        self.notes.append(sign_note(text, by or signer(service)))
        return self.notes[-1]

    def report(self, service: str, day: int, by: NoteSigner | None = None, **changed: str) -> str:
        """A purge report at the log's end."""
        values = {
            "day": CALENDAR.date(day),
            "rows": "1482",
            "bytes": "999424",
            "root": "ef" * 32,
            "closing": "cd" * 32,
            **key(service, day),
            "due": CALENDAR.date(day + RETENTION_DAYS),
            "done": CALENDAR.date(day + RETENTION_DAYS),
            "oldest_day_held": CALENDAR.date(day + 1),
            "days_held": "28",
            "hold": "none",
        }
        return self.say(service, PURGE_REPORT, by, **(values | changed))

    def conclude(self, day: int = LAST, by: str = "retention.example") -> None:
        """An audit at the log's end."""
        size = len(self.notes)
        text = AUDIT.write(
            {
                "service": by,
                "day": CALENDAR.date(day),
                "result": "pass",
                "size": str(size),
                "root": self.root().hex(),
                "previous": "-",
                "self-audit": [f"issuer.example {size - 2}", f"registry.example {size - 1}"],
                "point": ["pass oldest-day issuer.example The oldest day held is the oldest that may be."],
            }
        )
        self.audit = size
        self.notes.append(sign_note(text, signer(by)))

    def say_officers(self, text: str, *officers: int, authority: str = AUTHORITY) -> int:
        """What the authority's officers of these numbers sign, at the log's end; its place there."""
        self.notes.append(sign_note(text, *(signer(f"{authority}/officer-{number}") for number in officers or (1, 2))))
        return len(self.notes) - 1

    def list_authority(self, *days: int, **changed: str) -> int:
        """A list of the authority's keys of these days; `changed`: another commitment for all."""
        keys = {day: AuthorityKey(PUBLIC, changed.get("commitment") or commitment(day)) for day in days}
        return self.say_officers(AuthorityList(AUTHORITY, keys).text())

    def check_authority(self, *days: int, done: int = LAST, **changed: str) -> int:
        """A statement that the keys of these days are the ring's own, as k officers saw on that day."""
        keys = {day: DestroyedKey(changed.get("commitment") or commitment(day), done) for day in days}
        return self.say_officers(CheckedList(AUTHORITY, keys).text())

    def destroy_authority(self, *days: int, late: int = 0, **changed: str) -> int:
        """A statement that the keys of these days are gone, since they were due and `late` days more."""
        gone = changed.get("commitment")
        keys = {day: DestroyedKey(gone or commitment(day), day + RETENTION_DAYS + late) for day in days}
        return self.say_officers(DestroyedList(AUTHORITY, keys).text())

    def root(self) -> bytes:
        """Of all notes so far."""
        return root(leaf_hash(note.encode()) for note in self.notes)

    def write(self, reports: list[str] | None = None) -> Path:
        """The folder; `reports`: which notes lie in purge-reports, by default all that the log has."""
        self.write_log()
        entries = []
        for index, note in enumerate(self.notes):
            with suppress(CheckinError):
                entries.append(read_logged(index, note))
        book = Book(entries)
        found = [note for note in self.notes if note.startswith(PURGE_REPORT.kind)] if reports is None else reports
        for note in found:
            lines = dict(line.split(" ", 1) for line in note.split("\n")[1:14])
            self.put(f"purge-reports/{report_file(lines['service'], lines['day'])}", note)
        if self.audit is not None:
            note = self.notes[self.audit]
            self.put(f"audits/{self.audit}.txt", note)
            self.put("audit.json", audit_json(self.audit, note, book))
            self.put("audit.html", audit_html(self.audit, note, book))
        officers = [f"{AUTHORITY}/officer-{number}" for number in (1, 2, 3)]
        names = (*SERVICES, "retention.example", "retention.example/log", *officers)
        witness = Cosigner("witness.example/w1", SigningKey(sha256(b"witness")))
        vkeys = [signer(name).verifier.vkey for name in names] + [witness.verifier.vkey]
        self.put("vkeys.txt", "".join(f"{vkey}\n" for vkey in vkeys))
        return self.folder

    def write_log(self) -> None:
        """checkpoint.txt and log/."""
        entries = [note.encode() for note in self.notes]
        levels = [[leaf_hash(entry) for entry in entries]]
        while len(levels[-1]) >= WIDTH:
            below = levels[-1]
            levels.append([root(below[at : at + WIDTH]) for at in range(0, len(below) - len(below) % WIDTH, WIDTH)])
        for tile in new_tiles(0, len(entries)):
            low, high = tile.number * WIDTH, tile.number * WIDTH + tile.width
            data = write_bundle(entries[low:high]) if tile.level == ENTRIES else b"".join(levels[tile.level][low:high])
            path = self.folder / "log" / tile.path()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        text = Checkpoint("retention.example/log", len(entries), self.root()).write()
        cosigner = Cosigner("witness.example/w1", SigningKey(sha256(b"witness")))
        cosigned = sign_note(text, signer("retention.example/log")) + cosigner.cosign(text, CALENDAR.start(LAST))
        self.put("checkpoint.txt", cosigned)

    def put(self, name: str, text: str) -> None:
        """A file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def key(service: str, day: int) -> dict[str, str]:
    """The fields of a statement about a day key."""
    return {"key": f"day-{day}", "commitment": sha256(f"{service} {day}".encode()).hex()}


def commitment(day: int) -> str:
    """Of the authority's key of a day."""
    return sha256(f"{AUTHORITY} {day}".encode()).hex()
