"""Whether a data folder is as new as the key ring beside it, which is never put back (docs/spec/keys.md §7).

A number grows at every start, at every stop and every few minutes between: first in `data/generation.json`, then in
`keys/generation.json`. A crash between the two leaves data ahead, a folder that was put back from a backup is behind.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from checkin.files.durable import locked, replace_file

FILE: Final = "generation.json"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Mark:
    """`day`: the service's date when it was written. `restored`: that of the folder that was put back, `unknown` if it
    does not say; '' when none was, or a person has confirmed it."""

    number: int = 0
    day: str = ""
    restored: str = ""


class Generation:
    """The two marks of one service; any number of processes."""

    def __init__(self, data: Path, keys: Path) -> None:
        self._data, self._ring = data / FILE, keys / FILE
        self._lock = keys / "generation.lock"

    def open(self, day: str) -> bool:
        """Compares the two at a start, and counts on; whether data is older than the ring, or the ring was lost.

        What was found stays until `confirm`.
        """
        with locked(self._lock):
            data, ring = _read(self._data), _read(self._ring)
            behind = data is not None or ring is not None
            if data is not None and ring is not None:
                behind = data.number < ring.number
            if behind:
                ring = replace(ring or Mark(), restored=(data.day if data else "") or UNKNOWN)
            self._write(data or Mark(), ring or Mark(), day)
        return behind

    def advance(self, day: str) -> None:
        """Counts on."""
        with locked(self._lock):
            data, ring = _read(self._data) or Mark(), _read(self._ring) or Mark()
            self._write(data, ring, day)

    def confirm(self) -> None:
        """A person knows that the folder was put back."""
        with locked(self._lock):
            if ring := _read(self._ring):
                replace_file(self._ring, _bytes(replace(ring, restored="")))

    def put_back(self) -> None:
        """Names the folder that is there now, which was put back: also where the two numbers would be the same."""
        with locked(self._lock):
            if ring := _read(self._ring):
                replace_file(self._ring, _bytes(replace(ring, restored=self.day)))

    @property
    def day(self) -> str:
        """The date of the data folder, `unknown` if it does not say."""
        data = _read(self._data)
        return (data.day if data else "") or UNKNOWN

    @property
    def restored(self) -> str:
        """The date of the folder that was put back and that nobody has confirmed yet, or ''."""
        ring = _read(self._ring)
        return ring.restored if ring else ""

    def _write(self, data: Mark, ring: Mark, day: str) -> None:
        number = max(data.number, ring.number) + 1
        replace_file(self._data, _bytes(Mark(number, day)))
        replace_file(self._ring, _bytes(Mark(number, day, ring.restored)))


def _read(path: Path) -> Mark | None:
    """None for a file that is missing or damaged."""
    try:
        mark = Mark(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return mark if isinstance(mark.number, int) and mark.number > 0 and isinstance(mark.day, str) else None


def _bytes(mark: Mark) -> bytes:
    return json.dumps(asdict(mark)).encode()
