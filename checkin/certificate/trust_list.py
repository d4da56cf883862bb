"""The trust list: the signers' certificates themselves, looked up by key id. No chain, no network, no revocation.

A key id is the first 8 bytes of the SHA-256 of the certificate's DER (hcert specification §3.3.3).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from checkin.certificate.cose import Signed
from checkin.errors import BadSignature, CertificateSignature, TrustListInvalid
from checkin.protocol.x509 import SignerCertificate

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_MAX_CERTIFICATE: Final = 65536  # characters of base64; signers' certificates have about 2,000


class TrustList:
    """Signers by key id; several may share one, as eight bytes do not exclude it."""

    def __init__(self, ders: Iterable[bytes]) -> None:
        """DER certificates; `TrustListInvalid` when one is none, or there is none at all."""
        self._signers: dict[bytes, list[SignerCertificate]] = defaultdict(list)
        try:
            for der in ders:
                signer = SignerCertificate(der)
                self._signers[signer.kid].append(signer)
        except ValueError:
            raise TrustListInvalid from None
        if not self._signers:
            raise TrustListInvalid("The trust list is empty.")

    @classmethod
    def parse(cls, data: bytes) -> TrustList:
        """A file of one or many: PEM with any text around, or base64 DER in lines of any length, or one DER."""
        if b"-----BEGIN" in data:
            return cls(_base64(block) for block in _PEM.findall(data))
        if data[:1] == b"\x30":
            return cls([data])
        return cls(_base64_certificates(data))

    def signers(self, kid: object) -> list[SignerCertificate]:
        """The signers with this key id; none has one that is not bytes."""
        return self._signers.get(kid, []) if isinstance(kid, bytes) else []

    def verify(self, signed: Signed) -> SignerCertificate:
        """The signer that signed it; raises `CertificateSignature`."""
        for signer in self.signers(signed.kid):
            # The key decides the algorithm; a header that names another one is refused, a missing one is not needed.
            if signed.algorithm in (signer.algorithm, None):
                with suppress(BadSignature):
                    signer.verify(signed.message, signed.signature)
                    return signer
        raise CertificateSignature


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise TrustListInvalid from None


def _base64_certificates(data: bytes) -> Iterator[bytes]:
    """One certificate a line or wrapped over several: a line belongs to the last one until that is complete."""
    held = b""
    for line in data.split():
        held += line
        if len(held) > _MAX_CERTIFICATE:
            raise TrustListInvalid
        # Only whole groups of four decode; a wrapped line may end between them.
        der = _base64(held[: len(held) // 4 * 4])
        if len(held) % 4 == 0 and len(der) >= _der_size(der):
            yield der
            held = b""
    if held:
        raise TrustListInvalid("The last certificate of the trust list is cut off.")


def _der_size(der: bytes) -> int:
    """The size that the outer DER head announces; X.690 §8.1.3."""
    if len(der) < 2 or der[1] < 0x80:
        return 2 + (der[1] if len(der) > 1 else 0)
    count = der[1] & 0x7F
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")
