"""CBOR of foreign origin (RFC 8949), read into plain values; small, and without a code path of its own per tag.

A general decoder builds regular expressions, big decimals, MIME messages and shared references out of tags, and
takes duplicate keys and trailing bytes: too much for input that anyone can hold up. What health certificates
do use is read: indefinite lengths, long heads, floats, tags. Nothing is allocated from a length that was only
announced. Our own tokens are read by `encoding.Shape` instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

MAX_DEPTH: Final = 16  # a health certificate nests 8 deep

_BREAK: Final = object()
_SIMPLE: Final = {20: False, 21: True, 22: None, 23: None}
_FLOATS: Final = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}

Value = object  # None, bool, int, float, str, bytes, Tagged, list[Value] or dict[int | str | bytes, Value]


@dataclass(frozen=True)
class Tagged:
    """A value with a CBOR tag before it."""

    number: int
    value: Value


def read(data: bytes) -> Value:
    """The one value that `data` spells; `ValueError` for anything else, a duplicate key or more bytes after it."""
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.at != len(data):
        raise ValueError("bytes after the value")
    return value


def plain(value: Value) -> Value:
    """`value` with every tag taken off: what JSON would have said, but for bytes."""
    if isinstance(value, Tagged):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def byte_string(data: bytes) -> bytes:
    """`data` as a CBOR byte string with the shortest head; `OverflowError` from 2³² bytes on."""
    size = len(data)
    if size < 24:
        return bytes([0x40 | size]) + data
    for extra, head in ((1, 0x58), (2, 0x59)):
        if size < 1 << 8 * extra:
            return bytes([head]) + size.to_bytes(extra, "big") + data
    return b"\x5a" + size.to_bytes(4, "big") + data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def head(self) -> tuple[int, int, int | None]:
        """Major type, additional information, argument (None: indefinite length, or the break)."""
        major, info = divmod(self.take(1)[0], 32)
        if info < 24:
            return major, info, info
        if info < 28:
            return major, info, int.from_bytes(self.take(1 << (info - 24)), "big")
        if info == 31 and major not in (0, 1, 6):
            return major, info, None
        raise ValueError("not a head")

    def value(self, depth: int) -> Value:
        value = self.item(depth)
        if value is _BREAK:
            raise ValueError("a break outside an indefinite length")
        return value

    def item(self, depth: int) -> Value:
        if depth == 0:
            raise ValueError("nested too deeply")
        major, info, argument = self.head()
        if major == 7:
            return self.simple(info, argument)
        if major in (2, 3):
            return self.string(major, argument)
        if major == 4:
            return list(self.items(argument, depth - 1))
        if major == 5:
            return self.map(argument, depth - 1)
        number = cast(int, argument)  # `head` gives None to the other types only
        if major == 6:
            return Tagged(number, self.value(depth - 1))
        return number if major == 0 else -1 - number

    def simple(self, info: int, argument: int | None) -> Value:
        if argument is None:
            return _BREAK
        if info in _FLOATS:
            form, size = _FLOATS[info]
            number: float = struct.unpack(form, argument.to_bytes(size, "big"))[0]
            return number
        if info in _SIMPLE:
            return _SIMPLE[info]
        raise ValueError("an unassigned simple value")

    def string(self, major: int, size: int | None) -> bytes | str:
        data = self.take(size) if size is not None else b"".join(self.chunks(major))
        return data if major == 2 else data.decode()  # UnicodeDecodeError is a ValueError

    def chunks(self, major: int) -> Iterator[bytes]:
        while (head := self.head()) != (7, 31, None):
            if head[0] != major or head[2] is None:
                raise ValueError("a chunk of another type")
            yield self.take(head[2])

    def items(self, count: int | None, depth: int) -> Iterator[Value]:
        while count is None or count > 0:
            item = self.item(depth)
            if item is _BREAK:
                if count is None:
                    return
                raise ValueError("a break inside a definite length")
            yield item
            count = None if count is None else count - 1

    def map(self, count: int | None, depth: int) -> Value:
        found: dict[int | str | bytes, Value] = {}
        for key in self.items(count, depth):
            if isinstance(key, bool) or not isinstance(key, int | str | bytes) or key in found:
                raise ValueError("a key of another type, or twice")
            found[key] = self.value(depth)
        return found
