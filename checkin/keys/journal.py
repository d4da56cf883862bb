"""What ended for good, beside the key ring: a data folder that is put back from a backup revives none of it.

    journal/day-20779.log   a line an ending, all of one length
    journal/gone.json       the number of the newest line whose day is destroyed, or that the database saw before the
                            journal was begun anew

line = number, 16 hex digits ‖ " " ‖ base64(nonce 12 ‖ AES-256-GCM(record, 224 bytes)) ‖ newline, sealed under the
day's key, aad = "ck1/ending" ‖ day u32be ‖ number u64be. With "-" for the blank it is struck out: its commit failed, so
nothing has ended. Once the day's key is destroyed the line is noise, and the purge removes its file
(docs/spec/keys.md §7).
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from checkin.errors import JournalDamaged, KeyDestroyed, KeyMissing, NotReady, SealBroken
from checkin.files.durable import locked, open_private, opened, private_folder, replace_file, sync_folder
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.encoding import b64_decode, b64_encode, u32be, u64be
from checkin.protocol.primitives import Label, aead_open, aead_seal, random_bytes

_NONCE: Final = 12
_RECORD: Final = 224
_SEALED: Final = _NONCE + _RECORD + 16
_DIGITS: Final = 16
_LINE: Final = _DIGITS + 1 + -(-_SEALED // 3) * 4 + 1
_WHOLE: Final = re.compile(rb"[0-9a-f]{%d}[ -][A-Za-z0-9+/]+=*\n" % _DIGITS)
_STRUCK: Final = b"-"
_GONE: Final = "gone.json"
_NAME: Final = re.compile(r"day-(0|[1-9][0-9]{0,9})\.log")


@dataclass(frozen=True)
class Ending:
    """What kind of thing ended, its number or id, and what has taken its place ('' for nothing)."""

    kind: str
    name: str
    value: str = ""


@dataclass(frozen=True)
class Written:
    """Lines of one commit: in which day's file, from which byte on, how many, and the number of the last."""

    day: int
    start: int
    count: int
    last: int


class Journal:
    """The endings of one service; any number of processes."""

    def __init__(self, folder: Path, ring: ServiceKeys) -> None:
        private_folder(folder)
        self._folder, self._ring, self._lock = folder, ring, folder / "journal.lock"

    def append(self, day: int, endings: Sequence[Ending]) -> Written:
        """Writes them down, on the disk when this returns. Raises `NotReady` without a key or where the disk does not
        take them; then nothing of it stays."""
        with locked(self._lock):
            number, key_day = self.last(), self._key_day(day)
            lines = [self._line(key_day, number + at, ending) for at, ending in enumerate(endings, start=1)]
            try:
                start = self._write(key_day, b"".join(lines))
            except OSError as error:
                raise NotReady("The journal in `keys` was not written: look at its disk.") from error
        return Written(key_day, start, len(lines), number + len(lines))

    def strike(self, written: Written) -> None:
        """Strikes these lines out, because their commit failed. In place, one byte a line: it takes no free space, and
        no crash leaves half of it."""
        with locked(self._lock), opened(self._folder / _file(written.day), os.O_WRONLY) as descriptor:
            for line in range(written.count):
                os.pwrite(descriptor, _STRUCK, written.start + line * _LINE + _DIGITS)
            os.fsync(descriptor)

    def last(self) -> int:
        """The number of the newest ending, 0 before the first. Raises `JournalDamaged`."""
        return max([self._gone(), *self._ends().values()])

    def since(self, number: int) -> tuple[list[Ending], bool]:
        """What ended after `number`, in order, and whether that is all: the rest's day is destroyed. Days with nothing
        newer are not read. Raises `JournalDamaged`."""
        found: dict[int, Ending | None] = {}
        with locked(self._lock):
            last, days = self.last(), [day for day, end in self._ends().items() if end > number]
            contents = {day: self._content(day) for day in days}
        for day, content in contents.items():
            try:
                found |= self._read(day, content, number)
            except (ValueError, SealBroken):
                raise JournalDamaged(
                    f"The file {self._folder / _file(day)} is damaged, and the database has not seen all of it: "
                    "put back the newest copy of the data folder, then start again."
                ) from None
        whole = len(found) == max(0, last - number)
        return [ending for _, ending in sorted(found.items()) if ending], whole

    def go_on_after(self, number: int) -> None:
        """The next number is the one after this, and those up to it are known here no more."""
        with locked(self._lock):
            if self.last() < number:
                replace_file(self._folder / _GONE, json.dumps({"number": number}).encode())

    def forget(self, oldest: int) -> None:
        """Removes the days before `oldest`: their keys are destroyed."""
        with locked(self._lock):
            ends = self._ends()
            for day in self._days():
                if day < oldest:
                    gone = max(self._gone(), ends.get(day, 0))
                    replace_file(self._folder / _GONE, json.dumps({"number": gone}).encode())
                    (self._folder / _file(day)).unlink()
                    sync_folder(self._folder)

    def _content(self, day: int) -> bytes:
        """The lines of a day."""
        with (self._folder / _file(day)).open("rb") as file:
            end = _end(file)
            file.seek(0)
            return file.read(end)

    def _ends(self) -> dict[int, int]:
        """The number of each day's last line."""
        found = {}
        for day in self._days():
            with (self._folder / _file(day)).open("rb") as file:
                if end := _end(file):
                    file.seek(end - _LINE)
                    found[day] = int(file.read(_DIGITS), 16)
        return found

    def _days(self) -> list[int]:
        return sorted(int(match[1]) for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name)))

    def _gone(self) -> int:
        try:
            match json.loads((self._folder / _GONE).read_bytes()):
                case {"number": int(number)} if number >= 0:
                    return number
        except FileNotFoundError:
            return 0
        except ValueError:
            pass
        raise JournalDamaged(
            f'The file {self._folder / _GONE} is damaged: write {{"number": N}} into it, N the number in the '
            "table `endings` of the service's newest database, then start again."
        )

    def _key_day(self, day: int) -> int:
        """The newest day up to this one that has its key; the next, where officers had all of those destroyed."""
        live = [name.day for name in self._ring.names(Purpose.DAY) if self._ring.tombstone(name) is None]
        if not live:
            raise NotReady("There is no day key: the service is starting, or its clock is in doubt. See /readyz.")
        return max((one for one in live if one <= day), default=live[0])

    def _line(self, day: int, number: int, ending: Ending) -> bytes:
        plain = json.dumps(asdict(ending)).encode().ljust(_RECORD)
        nonce = random_bytes(_NONCE)
        sealed = aead_seal(self._key(day), nonce, plain, _context(day, number))
        return f"{number:0{_DIGITS}x} {b64_encode(nonce + sealed)}\n".encode()

    def _read(self, day: int, content: bytes, number: int) -> dict[int, Ending | None]:
        """Number → ending after `number`, None for one that is struck out; nothing when the day's key is destroyed.
        Raises `ValueError` or `SealBroken` for a damaged line."""
        try:
            key = self._key(day)
        except (KeyDestroyed, KeyMissing):
            return {}
        found: dict[int, Ending | None] = {}
        for start in range(0, len(content), _LINE):
            line = content[start : start + _LINE]
            if not _WHOLE.fullmatch(line):
                raise ValueError("this is no line of the journal")
            if (at := int(line[:_DIGITS], 16)) > number:
                struck = line[_DIGITS : _DIGITS + 1] == _STRUCK
                found[at] = None if struck else _open(key, line, _context(day, at))
        return found

    def _key(self, day: int) -> bytes:
        return self._ring.subkey(KeyName(Purpose.DAY, day), Label.SUB_ENDING)

    def _write(self, day: int, lines: bytes) -> int:
        """Where in the file they begin. What a crash cut off or left as zeros before was not acknowledged."""
        with os.fdopen(open_private(self._folder / _file(day), os.O_RDWR | os.O_CREAT), "r+b", buffering=0) as file:
            end = _end(file)
            file.truncate(end)
            try:
                if os.pwrite(file.fileno(), lines, end) != len(lines):
                    raise OSError(errno.ENOSPC, "the lines were written in part")  # noqa: TRY301 - as the disk raises
                os.fsync(file.fileno())
                sync_folder(self._folder)
            except OSError:
                file.truncate(end)
                raise
        return end


def _file(day: int) -> str:
    return f"day-{day}.log"


def _end(file: BinaryIO | FileIO) -> int:
    """The end of the last whole line: after a power cut a piece of one may stand behind it, or zeros."""
    end = file.seek(0, os.SEEK_END) // _LINE * _LINE
    while end:
        file.seek(end - _LINE)
        if _WHOLE.fullmatch(file.read(_LINE)):
            break
        end -= _LINE
    return end


def _open(key: bytes, line: bytes, context: bytes) -> Ending:
    """Raises `SealBroken` for an altered line."""
    sealed = b64_decode(line[_DIGITS + 1 : -1].decode("ascii"), _SEALED)
    return Ending(**json.loads(aead_open(key, sealed[:_NONCE], sealed[_NONCE:], context)))


def _context(day: int, number: int) -> bytes:
    return Label.ENDING + u32be(day) + u64be(number)
