"""Private JSON files of wallets and scanners: readable by their owner alone, whole or not at all."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

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


@dataclass
class PrivateFile:
    """What a party knows, and the file that it is kept in. `of` and `plain` say how; they read and write nothing."""

    kind: ClassVar[str]
    """With its article, and what it has to have in it where somebody may have written it by hand."""
    path: Path
    kept: bool = field(default=True, kw_only=True)
    """Whether there is a file; without one it is gone with its process, as a simulated town's parties are."""

    @classmethod
    @abstractmethod
    def of(cls, path: Path, data: dict[str, Any]) -> Self:
        """From what the file holds. May raise `ValueError`, `KeyError`, `TypeError`, `AttributeError`."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """What the file is to hold."""

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Self]:
        """For one process at a time from here to the end: no other one takes the same code, and what another one saved
        is not overwritten."""
        if path.parent.is_dir() and not path.is_file():
            cls.load(path)  # raises, and leaves no lock behind
        with locked_beside(path):
            yield cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `SettingsInvalid` when the file is of another kind."""
        try:
            data = read_private(path)
            require_file_format(path, data)
            return cls.of(path, data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SettingsInvalid(f"{path.name} is not {cls.kind}.") from None

    def save(self) -> None:
        """Write the file, if there is to be one, readable by its owner alone, on disk when this returns."""
        if self.kept:
            write_private(self.path, {"format": FORMAT, **self.plain()})
