"""From text to bytes, and what cannot be blown up on the way."""

from __future__ import annotations

import tracemalloc
import zlib

import base45
import pytest

from checkin.certificate import eu
from checkin.errors import CertificateBase45, CertificateCompression


def test_what_was_packed_unpacks() -> None:
    """base45 and zlib at any level."""
    for level in range(10):
        packed = base45.b45encode(zlib.compress(b"content" * 99, level)).decode()
        assert eu.decompress(eu.text_to_bytes(packed)) == b"content" * 99


@pytest.mark.parametrize("text", ["a", "A", "%69 VDa", "::::", "GGX", "ÄÄ", "\n"])
def test_text_that_is_not_base45_is_refused(text: str) -> None:
    """Other characters, a length that cannot be, a triple above 65535."""
    with pytest.raises(CertificateBase45):
        eu.text_to_bytes(text)


def test_text_longer_than_any_code_is_refused_unread() -> None:
    """8,192 characters pass, one more does not."""
    assert len(eu.text_to_bytes("00" * 4096)) == 5461
    with pytest.raises(CertificateBase45):
        eu.text_to_bytes("00" * 4096 + "0")


@pytest.mark.parametrize("size", [65537, 100_000_000])
def test_a_bomb_is_refused_without_going_off(size: int) -> None:
    """100 MB in 100 kB: less than 1 MB of memory is touched."""
    compressor = zlib.compressobj(9)
    bomb = b"".join(compressor.compress(bytes(min(size, 10**6))) for _ in range(max(size // 10**6, 1)))
    bomb += compressor.flush()
    tracemalloc.start()
    with pytest.raises(CertificateCompression):
        eu.decompress(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_largest_allowed_content_still_unpacks() -> None:
    """64 KiB exactly."""
    assert len(eu.decompress(zlib.compress(bytes(65536)))) == 65536


@pytest.mark.parametrize("cut", [-1, -4, 5, 1, 0])
def test_a_stream_that_was_cut_off_is_refused(cut: int) -> None:
    """Also when only the checksum at its end is missing."""
    with pytest.raises(CertificateCompression):
        eu.decompress(zlib.compress(b"content" * 99)[:cut])


@pytest.mark.parametrize("data", [zlib.compress(b"x") + b"\x00", b"x" * 20, zlib.compress(b"x")[2:], b"\x1f\x8b\x08"])
def test_anything_but_one_whole_zlib_stream_is_refused(data: bytes) -> None:
    """Bytes behind it, no compression, raw deflate, gzip."""
    with pytest.raises(CertificateCompression):
        eu.decompress(data)
