"""Which format a folder or file of a party has, and which this program reads (docs/upgrading.md).

A folder holds a file `format`: `key ring 1` and, on the next line, which version wrote it. One without it is older than
these numbers, which began with format 1, and is that; a file of JSON has a member `format` likewise.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from checkin import __version__
from checkin.errors import FormatUnsupported
from checkin.files.durable import create_file

FORMAT: Final = 1
FILE: Final = "format"
_FORM: Final = re.compile(r"([a-z ]{1,32}) ([1-9][0-9]{0,8})\nwritten by checkin ([0-9A-Za-z.+-]{1,32})\n")


def require_format(folder: Path, kind: str) -> None:
    """Raises `FormatUnsupported`, with what to do, for a folder of another format or kind; writes the number into one
    that has none, if its disk takes it."""
    path = folder / FILE
    try:
        if create_file(path, f"{kind} {FORMAT}\nwritten by checkin {__version__}\n".encode()):
            return
    except OSError:  # a full disk keeps nothing from being destroyed: the number comes later
        return
    match = _FORM.fullmatch(path.read_text(encoding="ascii", errors="replace"))
    if match is None:
        raise FormatUnsupported(f"{path} does not say which format the folder has: put it back from a backup.")
    if match[1] != kind:
        raise FormatUnsupported(f"{folder} holds a {match[1]}, not a {kind}: name another folder.")
    _require(f"{folder}, written by version {match[3]},", int(match[2]))


def require_file_format(path: Path, data: dict[str, Any]) -> None:
    """The same for a file of JSON."""
    number = data.get("format", FORMAT)
    if type(number) is not int:
        raise FormatUnsupported(f"{path} does not say which format it has.")
    _require(str(path), number)


def _require(what: str, number: int) -> None:
    if number != FORMAT:
        raise FormatUnsupported(
            f"{what} has format {number}, and this version, {__version__}, reads format {FORMAT}: install the "
            "version that wrote it. See docs/upgrading.md."
        )
