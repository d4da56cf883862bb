"""Private JSON files of wallets and scanners: readable by their owner alone, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from checkin.errors import SettingsInvalid
from checkin.files.durable import locked_beside, replace_file, require_private
from checkin.files.format import FORMAT, require_file_format


def write_private(path: Path, data: Any) -> None:
    """Replace the file, mode 0600; on disk when this returns. A link in its place is replaced, not followed."""
    replace_file(path, json.dumps(data).encode())


def read_private(path: Path) -> Any:
    """What the file holds, closed to others if it was not. Raises `OSError`, `ValueError`, `SettingsInvalid`."""
    require_private(path)
    return json.loads(path.read_text(encoding="utf-8"))


class Party(Protocol):
    """What a file is read for; `kind`: with its article, and what it has to have in it where it may be written by
    hand."""

    kind: ClassVar[str]

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From what the file holds. May raise `ValueError`, `KeyError`, `TypeError`, `AttributeError`."""


P = TypeVar("P", bound=Party)


def load_party(kind: type[P], path: Path) -> P:
    """Raises `SettingsInvalid` when the file is of another kind."""
    try:
        data = read_private(path)
        require_file_format(path, data)
        return kind.of(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SettingsInvalid(f"{path.name} is not {kind.kind}.") from None


@contextmanager
def open_party(kind: type[P], path: Path) -> Iterator[P]:
    """Opens a party's file for one process at a time: no other one takes the same code, and what another one saved is
    not overwritten."""
    if path.parent.is_dir() and not path.is_file():
        load_party(kind, path)  # raises, and leaves no lock behind
    with locked_beside(path):
        yield load_party(kind, path)


def save_party(path: Path, content: dict[str, Any]) -> None:
    """As `write_private`, with the file format's number."""
    write_private(path, {"format": FORMAT, **content})
