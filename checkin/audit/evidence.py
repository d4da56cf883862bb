"""What an auditor is given: verifier keys, a checkpoint, a log's files, purge reports, audits; from a folder or online.

    vkeys.txt                    verifier keys, one a line: the only thing that is believed without proof
    checkpoint.txt               the log's checkpoint
    log/tile/…                   the log's files
    purge-reports/SERVICE-DAY.txt
    audits/NUMBER.txt            if there are any: audits by their place in the log
    audit.json, audit.html       the newest audit for programs and people, if they are there

Nothing is verified here (`auditor.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from checkin.audit.retention_answers import Reader
from checkin.errors import NoteMalformed, SettingsInvalid
from checkin.http.client import Client
from checkin.protocol.note import NoteVerifier
from checkin.shown import shown
from checkin.tlog.checkpoint import CosignatureVerifier
from checkin.tlog.reader import folder_fetch
from checkin.tlog.tiles import Fetch, new_tiles

VKEYS: Final = "vkeys.txt"
CHECKPOINT: Final = "checkpoint.txt"
LOG: Final = "log"
REPORTS: Final = "purge-reports"
AUDITS: Final = "audits"
SHOWN: Final = ("audit.json", "audit.html")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True)
class Pinned:
    """The verifier keys an auditor holds: of services and officers, of the log, of witnesses."""

    notes: tuple[NoteVerifier, ...]
    witnesses: tuple[CosignatureVerifier, ...]

    @classmethod
    def read(cls, text: str, name: str = VKEYS) -> Pinned:
        """One verifier key a line; raises `SettingsInvalid` that names the file and the line."""
        lines = text.split("\n")
        notes, witnesses = [], []
        if lines.pop():
            raise SettingsInvalid(f"{name} does not end in a newline.")
        for number, line in enumerate(lines, start=1):
            try:
                notes.append(NoteVerifier.parse(line))
            except NoteMalformed:
                try:
                    witnesses.append(CosignatureVerifier.parse(line))
                except NoteMalformed:
                    raise SettingsInvalid(f"Line {number} of {name} is no verifier key.") from None
        return cls(tuple(notes), tuple(witnesses))

    def all(self) -> list[NoteVerifier | CosignatureVerifier]:
        return [*self.notes, *self.witnesses]

    @cached_property
    def known(self) -> frozenset[tuple[str, bytes]]:
        """Name and key id of each."""
        return frozenset((verifier.name, verifier.key_id) for verifier in self.all())


@dataclass(frozen=True)
class Evidence:
    """Files by their names in the folder; `listed` are all files below log/ where that is known."""

    pinned: Pinned
    checkpoint: bytes
    fetch: Fetch
    listed: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    """Under which number in the log a service shows a report; from a folder nothing is known about that."""

    @classmethod
    def of_folder(cls, folder: Path, vkeys: Path | None = None) -> Evidence:
        """`vkeys`: by default the folder's own. Raises `SettingsInvalid` without readable verifier keys; what else is
        missing is found by verifying."""
        log = folder / LOG
        listed = sorted(path.relative_to(log).as_posix() for path in log.rglob("*") if path.is_file())
        kept = [path for name in (REPORTS, AUDITS) for path in sorted((folder / name).rglob("*"))]
        kept += [folder / name for name in SHOWN]
        checkpoint = folder / CHECKPOINT
        return cls(
            pinned=read_vkeys(vkeys or folder / VKEYS),
            checkpoint=checkpoint.read_bytes() if checkpoint.is_file() else b"",
            fetch=folder_fetch(log),
            listed=tuple(listed),
            files={path.relative_to(folder).as_posix(): path.read_bytes() for path in kept if path.is_file()},
        )

    @classmethod
    def online(cls, client: Client, pinned: Pinned) -> Evidence:
        """Reads that of a retention service; raises `Unreachable` and what the service answers."""
        reader = Reader(client)
        files, places = {}, {}
        for report in reader.reports():
            name = f"{REPORTS}/{report_file(report.service, report.day)}"
            files[name], places[name] = report.note.encode(), report.index
        for audit in reader.audits():
            files[f"{AUDITS}/{audit.place}.txt"] = audit.note.encode()
        fetch: Fetch = cache(lambda path: reader.bytes(f"/{path}"))
        # The checkpoint last: it covers what is shown before it.
        return cls(pinned, reader.bytes("/checkpoint"), fetch, files=files, places=places)

    def save(self, folder: Path, size: int, faulty: Collection[str]) -> None:
        """Writes a new folder that `of_folder` reads, without the files that are named in `faulty`; `size` of the
        verified checkpoint. Raises `SettingsInvalid` for a folder that holds something."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SettingsInvalid("The folder to save in is not empty: choose a new one.")
        named = self.contents(size)
        for name in named.keys() - set(faulty):
            _write_new(folder, name, named[name])

    def contents(self, size: int) -> dict[str, bytes]:
        """The files of the folder that `of_folder` reads, by their names in it; `size` of the verified checkpoint."""
        vkeys = "".join(f"{verifier.vkey}\n" for verifier in self.pinned.all())
        tiles = {f"{LOG}/{tile.path()}": self.fetch(tile.path()) for tile in new_tiles(0, size)}
        return {VKEYS: vkeys.encode(), CHECKPOINT: self.checkpoint, **self.files, **tiles}


def read_vkeys(path: Path) -> Pinned:
    """The pinned keys in a file; raises `SettingsInvalid`."""
    try:
        return Pinned.read(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"{path.name} is missing or is not text: it holds one verifier key a line.") from None


def report_file(service: str, day: str) -> str:
    """`registry.example-2026-11-22.txt`; what cannot be part of a file's name is a `_` in it."""
    return f"{_UNFIT.sub('_', service)}-{_UNFIT.sub('_', day)}.txt"


def _write_new(folder: Path, name: str, content: bytes) -> None:
    """A file that was not there, below `folder`; raises `SettingsInvalid` for a name that leads out of it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise SettingsInvalid(f"{shown(name)} leads out of the folder to save in.")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
