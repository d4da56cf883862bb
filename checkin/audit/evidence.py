"""What an auditor is given: verifier keys, a checkpoint, a log's files, purge reports, audits; from a folder or online.

    vkeys.txt                    verifier keys, one a line: the only thing that is believed without proof
    checkpoint.txt               the log's signed head
    log/tile/…                   the log's files
    purge-reports/SERVICE-DAY.txt
    audits/NUMBER.txt            if there are any: audits by their place in the log
    audit.json, audit.html       the newest audit for programs and people, if they are there

Nothing is verified here (`auditor.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from checkin.errors import NoteMalformed, SettingsInvalid
from checkin.http.client import Client
from checkin.protocol.note import NoteVerifier, Verifier
from checkin.tlog.cosignature import CosignatureVerifier
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
    def read(cls, text: str) -> Pinned:
        """One verifier key a line; raises `SettingsInvalid` that names the line."""
        lines = text.split("\n")
        notes, witnesses = [], []
        if lines.pop():
            raise SettingsInvalid(f"{VKEYS} does not end in a newline.")
        for number, line in enumerate(lines, start=1):
            try:
                notes.append(NoteVerifier.parse(line))
            except NoteMalformed:
                try:
                    witnesses.append(CosignatureVerifier.parse(line))
                except NoteMalformed:
                    raise SettingsInvalid(f"Line {number} of {VKEYS} is no verifier key.") from None
        return cls(tuple(notes), tuple(witnesses))

    def all(self) -> list[Verifier]:
        """All of them."""
        return [*self.notes, *self.witnesses]

    @cached_property
    def known(self) -> frozenset[tuple[str, bytes]]:
        """Name and key id of each."""
        return frozenset((verifier.name, verifier.key_id) for verifier in self.all())

    def note(self, name: str) -> NoteVerifier | None:
        """The key of that name."""
        return next((verifier for verifier in self.notes if verifier.name == name), None)


@dataclass(frozen=True)
class Evidence:
    """Files by their names in the folder; `listed` are all files below log/ where that is known."""

    pinned: Pinned
    checkpoint: bytes
    fetch: Fetch
    listed: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of_folder(cls, folder: Path, vkeys: Path | None = None) -> Evidence:
        """`vkeys`: by default the folder's own. Raises `SettingsInvalid` without readable verifier keys; what else is
        missing is found by verifying."""
        log = folder / LOG
        listed = sorted(path.relative_to(log).as_posix() for path in log.rglob("*") if path.is_file())
        files: dict[str, bytes] = {}
        for name in (REPORTS, AUDITS):
            found = sorted(path for path in (folder / name).rglob("*") if path.is_file())
            files |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
        files |= {name: (folder / name).read_bytes() for name in SHOWN if (folder / name).is_file()}
        checkpoint = folder / CHECKPOINT
        return cls(
            pinned=read_vkeys(vkeys or folder / VKEYS),
            checkpoint=checkpoint.read_bytes() if checkpoint.is_file() else b"",
            fetch=folder_fetch(log),
            listed=tuple(listed),
            files=files,
        )

    @classmethod
    def online(cls, client: Client, pinned: Pinned) -> Evidence:
        """Of a retention service; raises `Unreachable` and what the service answers."""
        files = {}
        for report in _all(client, "/v1/purge-reports", "reports", "index"):
            files[f"{REPORTS}/{report_file(report['service'], report['day'])}"] = str(report["note"]).encode()
        for audit in _all(client, "/v1/audits", "audits", "place"):
            files[f"{AUDITS}/{audit['place']}.txt"] = str(audit["note"]).encode()
        kept: dict[str, bytes] = {}

        def fetch(path: str) -> bytes:
            if path not in kept:
                kept[path] = client.get_bytes(f"/{path}")
            return kept[path]

        # The head last: what is shown before it is covered by it.
        return cls(pinned, client.get_bytes("/checkpoint"), fetch, files=files)

    def save(self, folder: Path, size: int) -> None:
        """Writes the folder that `of_folder` reads; `size` of the verified head."""
        keys = [verifier.vkey for verifier in self.pinned.notes] + [witness.vkey for witness in self.pinned.witnesses]
        vkeys = "".join(f"{vkey}\n" for vkey in keys)
        tiles = {f"{LOG}/{tile.path()}": self.fetch(tile.path()) for tile in new_tiles(0, size)}
        named = {VKEYS: vkeys.encode(), CHECKPOINT: self.checkpoint, **self.files, **tiles}
        for name, content in named.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def read_vkeys(path: Path) -> Pinned:
    """The pinned keys in a file; raises `SettingsInvalid`."""
    try:
        return Pinned.read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"{path.name} is missing or is not text: it holds one verifier key a line.") from None


def report_file(service: str, day: str) -> str:
    """`registry.example-2026-11-22.txt`; what cannot be part of a file's name is a `_` in it."""
    return f"{_UNFIT.sub('_', service)}-{_UNFIT.sub('_', day)}.txt"


def _all(client: Client, path: str, member: str, number: str) -> list[dict[str, Any]]:
    """All pages of a list that is shown newest first."""
    found: list[dict[str, Any]] = []
    page = client.get(path)[member]
    while page:
        found += page
        page = client.get(path, before=str(min(item[number] for item in page)))[member]
    return found
