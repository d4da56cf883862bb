"""Bytes ↔ text and fixed CBOR shapes. Every decoder re-encodes and compares, so each value has one spelling.

Sources: RFC 9285 (base45), RFC 4648 §5 (base64url), RFC 8949 §4.2 (deterministic CBOR).
Errors: `TokenMalformed` from the decoders of what a camera saw, `ValueError` from those for our own files
and wires; callers turn the latter into the error of their format.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence

from checkin.errors import TokenMalformed

BASE45_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NO_DIGIT = b"\xff"
_BASE45_VALUE = bytes(BASE45_ALPHABET.find(chr(code)) % 256 for code in range(256))
# One table look-up per two bytes instead of two divisions: encoding is on the wallet's path every 15 seconds.
_BASE45_PAIR = [
    BASE45_ALPHABET[n % 45] + BASE45_ALPHABET[n // 45 % 45] + BASE45_ALPHABET[n // 2025] for n in range(65536)
]


def base45_encode(data: bytes) -> str:
    """RFC 9285: two bytes become three characters, a last single byte becomes two."""
    pairs = "".join([_BASE45_PAIR[data[i] << 8 | data[i + 1]] for i in range(0, len(data) - 1, 2)])
    if len(data) % 2:
        return pairs + BASE45_ALPHABET[data[-1] % 45] + BASE45_ALPHABET[data[-1] // 45]
    return pairs


def base45_decode(text: str) -> bytes:
    """Inverse of `base45_encode`; raises `TokenMalformed` for any text that the encoder could not have made."""
    try:
        digits = text.encode("ascii").translate(_BASE45_VALUE)
    except UnicodeEncodeError:
        digits = _NO_DIGIT
    if _NO_DIGIT in digits:
        raise TokenMalformed("The code has a character that base45 does not have.")
    if len(digits) % 3 == 1:
        raise TokenMalformed("The code was cut off.")
    # Whole slices instead of one character after the other: decoding is on the path of every check-in.
    end = len(digits) // 3 * 3
    triples = zip(digits[0:end:3], digits[1:end:3], digits[2:end:3], strict=True)
    numbers = [low + 45 * middle + 2025 * high for low, middle, high in triples]
    last = [low + 45 * high for low, high in [digits[end:]]] if end < len(digits) else []
    try:
        return struct.pack(f">{len(numbers)}H{len(last)}B", *numbers, *last)
    except struct.error:
        raise TokenMalformed("The code is not base45.") from None


def b64url_encode(data: bytes) -> str:
    """base64url without padding, as all binary values in JSON."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str, size: int | None = None) -> bytes:
    """Inverse of `b64url_encode`; `ValueError` for padding, other alphabets, loose last bits or another size."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64url") from None
    if b64url_encode(data) != text or (size is not None and len(data) != size):
        raise ValueError("not base64url of the right size")
    return data


def b64_encode(data: bytes) -> str:
    """Standard base64 with padding, as in signed notes."""
    return base64.b64encode(data).decode("ascii")


def b64_decode(text: str, size: int | None = None, *, loose: bool = False) -> bytes:
    """Inverse of `b64_encode`; `ValueError` for anything it could not have made, or another size. `loose`: but for bits
    after the last byte, which some writers leave as they are."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64") from None
    strict = b64_encode(data)
    same = (len(text), text[:-3]) == (len(strict), strict[:-3]) if loose else text == strict
    if not same or (size is not None and len(data) != size):
        raise ValueError("not base64 of the right size")
    return data


def decimal_decode(text: str, maximum: int = 2**63 - 1) -> int:
    """A non-negative decimal number as the encoder writes it: no sign, space, underscore or leading zero."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or str(int(text)) != text or int(text) > maximum:
        raise ValueError("not a decimal number")
    return int(text)


def u32be(value: int) -> bytes:
    """Four bytes, big-endian; `OverflowError` outside 0 .. 2³²-1."""
    return value.to_bytes(4, "big")


def u64be(value: int) -> bytes:
    """Eight bytes, big-endian; `OverflowError` outside 0 .. 2⁶⁴-1."""
    return value.to_bytes(8, "big")


class Shape:
    """A fixed byte shape: literal bytes and holes of fixed size, the only CBOR this protocol reads.

    A template instead of a decoder, because floats, bignums, tags, long heads and indefinite lengths survive
    "decode, encode, compare" in general decoders (docs/spec/encoding.md §2).
    """

    def __init__(self, *parts: bytes | int) -> None:
        """`parts` in order: bytes are literal, an int is a hole of that many bytes."""
        self.size = sum(len(part) if isinstance(part, bytes) else part for part in parts)
        self._literals: list[tuple[int, int, bytes]] = []
        self._holes: list[tuple[int, int]] = []
        self._form = b"".join(part.replace(b"%", b"%%") if isinstance(part, bytes) else b"%b" for part in parts)
        at = 0
        for part in parts:
            end = at + (len(part) if isinstance(part, bytes) else part)
            if isinstance(part, bytes):
                self._literals.append((at, end, part))
            else:
                self._holes.append((at, end))
            at = end

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The bytes with `values` in the holes, in order; `ValueError` where a value has another size."""
        if len(values) == len(self._holes):
            out = self._form % tuple(values)
            if len(out) == self.size:
                return out
        raise ValueError("a value does not fit its hole")

    def read(self, data: bytes) -> list[bytes]:
        """The holes' bytes, in order; `TokenMalformed` unless length and every literal byte match."""
        if len(data) != self.size:
            raise TokenMalformed
        for start, end, literal in self._literals:
            if data[start:end] != literal:
                raise TokenMalformed
        return [data[start:end] for start, end in self._holes]
