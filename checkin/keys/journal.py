"""What ended for good, beside the key ring: a data folder that is put back from a backup revives none of it.

    journal/day-20779.log   a line an ending, all of one length
    journal/gone.json       the number of the newest line whose day is destroyed

line = number, 16 hex digits ‖ " " ‖ base64(nonce 12 ‖ AES-256-GCM(record, 224 bytes)) ‖ newline, sealed under the
day's key, aad = "ck1/ending" ‖ day u32be ‖ number u64be. Once that key is destroyed the line is noise, and the purge
removes its file (docs/spec/keys.md §7).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from checkin.errors import KeyDestroyed, KeyMissing, NotReady
from checkin.files.durable import locked, open_private, private_folder, replace_file, sync_folder
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.encoding import b64_decode, b64_encode, u32be, u64be
from checkin.protocol.primitives import Label, aead_open, aead_seal, random_bytes

_NONCE: Final = 12
_RECORD: Final = 224
_SEALED: Final = _NONCE + _RECORD + 16
_DIGITS: Final = 16
_LINE: Final = _DIGITS + 1 + -(-_SEALED // 3) * 4 + 1
_GONE: Final = "gone.json"
_NAME: Final = re.compile(r"day-(0|[1-9][0-9]{0,9})\.log")


@dataclass(frozen=True)
class Ending:
    """What kind of thing ended, its number or id, and what has taken its place ('' for nothing)."""

    kind: str
    name: str
    value: str = ""


class Journal:
    """The endings of one service; any number of processes."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        private_folder(folder)
        self._folder, self._ring = folder, ring

    def append(self, day: int, endings: Sequence[Ending]) -> int:
        """Writes them down, on the disk when this returns; the number of the last. Raises `NotReady` without a key."""
        with self._locked():
            number, key_day = self.last(), self._key_day(day)
            lines = [self._line(key_day, number + at, ending) for at, ending in enumerate(endings, start=1)]
            self._write(key_day, b"".join(lines))
        return number + len(lines)

    def last(self) -> int:
        """The number of the newest ending, 0 before the first."""
        return max([self._gone(), *self._ends().values()])

    def since(self, number: int) -> tuple[list[Ending], bool]:
        """What ended after `number`, in order, and whether that is all: the rest's day is destroyed. Days with nothing
        newer are not read."""
        found: dict[int, Ending] = {}
        with self._locked():
            last, days = self.last(), [day for day, end in self._ends().items() if end > number]
            contents = {day: self._content(day) for day in days}
        for day, content in contents.items():
            for at, line in zip(_numbers(content), _lines(content), strict=True):
                if at > number and (ending := self._open(day, at, line)):
                    found[at] = ending
        whole = len(found) == max(0, last - number)
        return [found[at] for at in sorted(found)], whole

    def forget(self, oldest: int) -> None:
        """Removes the days before `oldest`, whose keys are destroyed."""
        with self._locked():
            for day, content in self._contents().items():
                if day < oldest:
                    gone = max([self._gone(), *_numbers(content)])
                    replace_file(self._folder / _GONE, json.dumps({"number": gone}).encode())
                    (self._folder / _file(day)).unlink()
                    sync_folder(self._folder)

    def _contents(self) -> dict[int, bytes]:
        return {day: self._content(day) for day in self._days()}

    def _content(self, day: int) -> bytes:
        """Whole lines; what a crash cut off was not acknowledged."""
        content = (self._folder / _file(day)).read_bytes()
        return content[: len(content) // _LINE * _LINE]

    def _ends(self) -> dict[int, int]:
        """The number of each day's last whole line."""
        found = {}
        for day in self._days():
            with (self._folder / _file(day)).open("rb") as file:
                if whole := file.seek(0, os.SEEK_END) // _LINE:
                    file.seek((whole - 1) * _LINE)
                    found[day] = int(file.read(_DIGITS), 16)
        return found

    def _days(self) -> list[int]:
        return sorted(int(match[1]) for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name)))

    def _gone(self) -> int:
        try:
            return int(json.loads((self._folder / _GONE).read_bytes())["number"])
        except FileNotFoundError:
            return 0

    def _key_day(self, day: int) -> int:
        """The newest day up to this one whose key is there."""
        names = (name for name in self._ring.names(Purpose.DAY) if name.day <= day)
        live = [name.day for name in names if self._ring.tombstone(name) is None]
        if not live:
            raise NotReady("There is no day key: the service is starting, or its clock is in doubt. See /readyz.")
        return live[-1]

    def _line(self, day: int, number: int, ending: Ending) -> bytes:
        plain = json.dumps(asdict(ending)).encode().ljust(_RECORD)
        nonce = random_bytes(_NONCE)
        sealed = aead_seal(self._key(day), nonce, plain, _context(day, number))
        return f"{number:0{_DIGITS}x} {b64_encode(nonce + sealed)}\n".encode()

    def _open(self, day: int, number: int, line: bytes) -> Ending | None:
        """None when the day's key is destroyed. Raises `SealBroken` for an altered line."""
        sealed = b64_decode(line[_DIGITS + 1 : -1].decode("ascii"), _SEALED)
        try:
            key = self._key(day)
        except (KeyDestroyed, KeyMissing):
            return None
        return Ending(**json.loads(aead_open(key, sealed[:_NONCE], sealed[_NONCE:], _context(day, number))))

    def _key(self, day: int) -> bytes:
        return self._ring.subkey(KeyName(Purpose.DAY, day), Label.SUB_ENDING)

    def _write(self, day: int, lines: bytes) -> None:
        path = self._folder / _file(day)
        with os.fdopen(open_private(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
            end = file.seek(0, os.SEEK_END) // _LINE * _LINE
            file.truncate(end)
            file.seek(end)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._folder / "journal.lock")


def _file(day: int) -> str:
    return f"day-{day}.log"


def _lines(content: bytes) -> list[bytes]:
    return [content[at : at + _LINE] for at in range(0, len(content), _LINE)]


def _numbers(content: bytes) -> list[int]:
    return [int(line[:_DIGITS], 16) for line in _lines(content)]


def _context(day: int, number: int) -> bytes:
    return Label.ENDING + u32be(day) + u64be(number)
