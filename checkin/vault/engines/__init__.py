"""Engines under the day vault: one partition a service day, rows that were sealed before an engine sees them.

An engine knows no key and no plaintext: SQLite is embedded, PostgreSQL is for several machines (docs/scaling.md). What
every engine must do is in `DayStore`, and `tests/checkin/vault/engines/suite.py` runs the same tests on each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

KEY_SIZE = 16
NONCE_SIZE = 12
MAX_BUCKET = 24
LAST_KEY = b"\xff" * KEY_SIZE


@dataclass(frozen=True, slots=True)
class Row:
    """One sealed record: key and group 16 bytes each, bucket 0 .. 24, nonce 12 bytes, sealed at least the tag.

    `ValueError` for other sizes: the nonce and the columns are part of fixed byte layouts (docs/spec/vault.md).
    """

    key: bytes
    group: bytes
    bucket: int
    nonce: bytes
    sealed: bytes

    def __post_init__(self) -> None:
        if len(self.key) != KEY_SIZE or len(self.group) != KEY_SIZE or len(self.nonce) != NONCE_SIZE:
            raise ValueError("a column of a row has another size")
        if not 0 <= self.bucket <= MAX_BUCKET:
            raise ValueError("a bucket is an hour of a day, 0 to 24")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a day takes: its rows, and the bytes of all its files (or of its partition) on the disk."""

    rows: int
    bytes: int


class EngineFinding(NamedTuple):
    """Something that an operator should look at in an engine, as in /readyz. A `failure` loses rows or keeps times."""

    name: str
    level: Literal["warning", "failure"]
    text: str


class DayStore(Protocol):
    """Rows by day. A day that was never written to, or was dropped, reads as empty.

    Any thread may call any method at any time. Errors of the disk or of another process that holds the day too
    long are `NotReady`: nothing was acknowledged, the caller may try again.
    """

    settles: bool
    """Whether `settle` leaves no trace of the order in which rows came; where they lie in that order it cannot."""

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        """One commit, on the disk when it returns; False for a row whose key another row of the day has, then and
        for all processes. True also where this very row (key and nonce) stands already: a call that failed is safe to
        repeat. Makes the day's partition when it is the first. Raises `DayClosed` after `freeze`."""

    def get(self, day: int, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """The rows of those keys that are there."""

    def group(self, day: int, group: bytes, first: int = 0, last: int = MAX_BUCKET) -> list[Row]:
        """The rows of a group with first ≤ bucket ≤ last, by bucket, then by key."""

    def rows(self, day: int, first: bytes = b"", last: bytes = LAST_KEY) -> Iterator[Row]:
        """All rows with first ≤ key ≤ last in the order of their keys, as of one moment, without holding them in
        memory."""

    def count(self, day: int, first: bytes, last: bytes) -> int:
        """How many rows there are with first ≤ key ≤ last."""

    def counts(self, day: int, group: bytes) -> dict[int, int]:
        """How many rows of a group each of its buckets has; buckets without rows are left out."""

    def measure(self, day: int) -> Measure:
        """Rows and bytes."""

    def days(self) -> list[int]:
        """The days of which anything is left on the disk, oldest first."""

    def attach(self, day: int, name: str, value: bytes) -> bytes:
        """Keeps `value` until the day is dropped, unless `name` is there already; the value that stands."""

    def attachment(self, day: int, name: str) -> bytes | None:
        """What was attached, or None."""

    def freeze(self, day: int) -> None:
        """From its return on no process adds a row to the day; repeatable."""

    def settle(self, day: int, mark: str = "") -> None:
        """Rewrites the day's bytes so that they keep no trace of the order of insertion; repeatable. `mark`: what is
        attached then, empty. A day that is not there is not made."""

    def drop(self, day: int) -> None:
        """Removes every byte of the day; repeatable, also after a crash half-way."""

    def findings(self) -> Iterator[EngineFinding]:
        """What is dangerous about how the engine is set up."""

    def reader(self) -> Callable[[], DayStore]:
        """What opens the same days again in another process, to be read there; it can be pickled."""

    def close(self) -> None:
        """Gives back connections; the store is not used afterwards. Repeatable."""
