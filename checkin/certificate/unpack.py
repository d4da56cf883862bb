"""Text → bytes: base45 (RFC 9285), then zlib (RFC 1950), as the hcert specification packs them."""

from __future__ import annotations

import zlib
from typing import Final

from checkin.errors import CertificateBase45, CertificateCompression, TokenMalformed
from checkin.protocol.encoding import base45_decode

MAX_TEXT: Final = 8192  # a QR code holds at most 4,296 characters
MAX_UNPACKED: Final = 65536  # the largest real certificates have 2,000 bytes; zlib grows input up to 1,000-fold


def text_to_bytes(text: str) -> bytes:
    """What base45 says; raises `CertificateBase45`."""
    if len(text) > MAX_TEXT:
        raise CertificateBase45("The text is longer than any QR code.")
    try:
        return base45_decode(text)
    except TokenMalformed:
        raise CertificateBase45 from None


def decompress(data: bytes) -> bytes:
    """One whole zlib stream of at most 64 KiB, nothing after it; raises `CertificateCompression`."""
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(data, MAX_UNPACKED + 1)
    except zlib.error:
        raise CertificateCompression from None
    if len(unpacked) > MAX_UNPACKED or not stream.eof or stream.unused_data:
        raise CertificateCompression
    return unpacked
