"""The lines of orders' lists and answers: a row names its columns, and each kind of column is spelled in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar, get_type_hints

from checkin.clock import DATES
from checkin.errors import NoteMalformed
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode

T = TypeVar("T")
_U32: Final = 2**32 - 1


@dataclass(frozen=True)
class Column(Generic[T]):
    """How a value is written as a word, and read again; `read` raises `ValueError` or `OverflowError`."""

    write: Callable[[T], str]
    read: Callable[[str], T]


def in_hex(size: int) -> Column[bytes]:
    """So many bytes in hexadecimal."""
    return Column(bytes.hex, lambda text: _sized(bytes.fromhex(text), size))


def in_base64(size: int) -> Column[bytes]:
    """So many bytes in base64."""
    return Column(b64_encode, lambda text: b64_decode(text, size))


Number = Annotated[int, Column(str, lambda text: decimal_decode(text, _U32))]
Day = Annotated[int, Column(DATES.date, DATES.parse_date)]
Text = Annotated[str, Column(str, str)]
VisitId = Annotated[bytes, in_hex(16)]
VenueId = Annotated[bytes, in_hex(8)]


class Line:
    """A dataclass that is one line of a note: its kind, if it has one, then its fields, of which the last may have
    spaces."""

    kind: ClassVar[str] = ""
    _columns: ClassVar[Mapping[str, Column[Any]]]

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True)
        cls._columns = {name: hints[name].__metadata__[0] for name in cls.__annotations__}

    def line(self) -> str:
        """As it is written."""
        words = (column.write(getattr(self, name)) for name, column in self._columns.items())
        return _start(self.kind) + " ".join(words)

    @classmethod
    def read(cls, line: str) -> Self:
        """Inverse of `line`; raises `NoteMalformed`, also for another spelling than its own."""
        what = f"A row of kind {cls.kind}" if cls.kind else "An item of the list"
        words = line.removeprefix(_start(cls.kind)).split(" ", len(cls._columns) - 1)
        try:
            read = cls(*(column.read(word) for column, word in zip(cls._columns.values(), words, strict=True)))
        except (ValueError, OverflowError):
            raise NoteMalformed(f"{what} is not written as it should be.") from None
        if read.line() != line:
            raise NoteMalformed(f"{what} has another spelling.")
        return read


def _start(kind: str) -> str:
    return f"{kind} " if kind else ""


def _sized(raw: bytes, size: int) -> bytes:
    if len(raw) != size:
        raise ValueError("another size")
    return raw
