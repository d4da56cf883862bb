"""Searching every byte of a folder for what must not be there in plaintext: phone numbers, and given words.

Runs as a process of its own (`run_sweep`): it opens database files, and closing them in the service's process would
drop SQLite's locks there. So this file imports nothing but the standard library.

What it finds: phones as people and programs write them, `+82 10 1234 5678`, `010-1234-5678`, `01012345678`, in UTF-8
and UTF-16, also in what databases have deleted and not yet overwritten; given words byte for byte. What it does not:
anything that was encoded, compressed or encrypted. Long runs of hexadecimal digits and of base64 are left out, or
ids and hashes would look like phones now and then; so columns of free text are looked at value by value besides
(`self_audit.py`), where no id stands beside them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

CHUNK: Final = 4 * 2**20
OVERLAP: Final = 256
TIMEOUT_SECONDS: Final = 3600.0
_NOISE: Final = re.compile(rb"[0-9a-fA-F]{16,}|[A-Za-z0-9+/]{40,}={0,2}")
# Digits, perhaps with something between each two: every phone has them. Only what is around them is looked at, or it
# would take an hour.
_DIGITS: Final = re.compile(rb"[0-9](?:[ .-]?[0-9]){8}")
_AROUND: Final = 80
_HEX: Final = b"0123456789abcdefABCDEF"
_PHONES: Final = (
    # E.164, perhaps with spaces, dots or dashes
    re.compile(rb"\+[1-9](?:[ .-]?[0-9]){8,14}(?![0-9])"),
    # the same without its plus, or with the 00 that some countries dial
    re.compile(rb"(?<![0-9])(?:00)?8210[0-9]{8}(?![0-9])"),
    # Korean, as people write it: mobiles, and land lines with their dashes
    re.compile(rb"(?<![0-9])01[016789][0-9]{7,8}(?![0-9])"),
    re.compile(rb"(?<![0-9-])01[016789][ .-][0-9]{3,4}[ .-][0-9]{4}(?![0-9])"),
    re.compile(rb"(?<![0-9-])0(?:2|[3-6][1-5])[ -][0-9]{3,4}[ -][0-9]{4}(?![0-9])"),
)


_LIKE_PHONE: Final = re.compile(b"(?=[+08])(?:" + b"|".join(phone.pattern for phone in _PHONES) + b")")
"""Looked for first: of ten thousand runs of digits in a log of hashes, two are so much as written like a phone. The
bytes that all of them begin with make it five times as fast."""


@dataclass(frozen=True)
class Hit:
    """A file, by its path below the folder, and what is in it; never the number or the word itself."""

    path: str
    what: str


@dataclass(frozen=True)
class Swept:
    """How much was searched, and what was found."""

    files: int
    bytes: int
    hits: tuple[Hit, ...]


def sweep(folder: Path, words: Sequence[str] = ()) -> Swept:
    """Every file below the folder. A word that is a phone in E.164 is also looked for as people write it."""
    needles = [needle for word in words for needle in spellings(word)]
    files, size, hits = 0, 0, []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            files += 1
            found: set[str] = set()
            for chunk, cut in _chunks(path):
                size += len(chunk)
                found |= set(_seen(chunk, cut, needles))
            hits += [Hit(path.relative_to(folder).as_posix(), what) for what in sorted(found)]
    return Swept(files, size, tuple(hits))


def spellings(word: str) -> list[bytes]:
    """The byte strings by which a word may stand in a file."""
    texts = {word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)}
    if re.fullmatch(r"\+[1-9][0-9]{7,14}", word):
        texts = {word[1:], word[-10:]}
        if word.startswith("+8210"):
            texts |= {f"010{gap}{word[-8:-4]}{gap}{word[-4:]}" for gap in ("", "-", " ", ".")}
    return [text.encode(code) for text in sorted(texts) for code in ("utf-8", "utf-16-le")]


def run_sweep(folder: Path, words: Sequence[str] = ()) -> Swept:
    """`sweep` in a process of its own; `OSError` when it could not be done."""
    command = [sys.executable, "-I", "-S", __file__, str(folder)]  # without what a site adds: a third of the time
    asked = json.dumps(list(words)).encode()
    done = subprocess.run(command, input=asked, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)  # noqa: S603 - our own program
    if done.returncode != 0:
        raise OSError("the files could not be searched")
    values = json.loads(done.stdout)
    return Swept(values["files"], values["bytes"], tuple(Hit(**hit) for hit in values["hits"]))


def _chunks(path: Path) -> Iterator[tuple[bytes, tuple[bool, bool]]]:
    """The file in pieces that overlap, and whether one was cut before and after. A removed file has none."""
    try:
        with path.open("rb") as file:
            before, piece = b"", file.read(CHUNK)
            while piece:
                following = file.read(CHUNK)
                yield before + piece, (bool(before), bool(following))
                before, piece = (before + piece)[-OVERLAP:], following
    except FileNotFoundError:
        return


def _seen(chunk: bytes, cut: tuple[bool, bool], needles: Sequence[bytes]) -> Iterator[str]:
    if any(needle in chunk for needle in needles):
        yield "a test visitor's name or phone"
    if any(has_phone(_uncut(text, *cut)) for text in (chunk, chunk.replace(b"\0", b""))):
        yield "a phone number"


def _uncut(text: bytes, before: bool, after: bool) -> bytes:
    """Without the digits at an edge where a chunk was cut: they are whole in its neighbour, and half an id is too short
    to be known as one."""
    text = text.lstrip(_HEX) if before else text
    return text.rstrip(_HEX) if after else text


def has_phone(text: bytes) -> bool:
    """Whether a phone number is in there, written as people and programs write them."""
    return any(_is_phone(text, digits) for digits in _DIGITS.finditer(text))


def _is_phone(text: bytes, digits: re.Match[bytes]) -> bool:
    """Whether these digits are of a phone number. Another one near them does not count: the edge of what is looked at
    may cut an id there, and what is left of it is too short to be known as one."""
    begin, last = max(0, digits.start() - _AROUND), digits.end() + _AROUND
    if not _LIKE_PHONE.search(text, begin, last):
        return False
    around = _NOISE.sub(lambda noise: b" " * len(noise[0]), text[begin:last])
    start, end = digits.start() - begin, digits.end() - begin
    if around[start:end].isspace():
        return False
    return any(found.start() < end and start < found.end() for phone in _PHONES for found in phone.finditer(around))


def main() -> None:
    """`python checkin/audit/sweep.py FOLDER`, the words as a JSON list on standard input; the result as JSON."""
    found = sweep(Path(sys.argv[1]), json.loads(sys.stdin.read() or "[]"))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
