"""The door to cryptography for X.509 (RFC 5280): certificates of signers that are not ours and what they signed, and
the one that we make ourselves, for a browser that tries a deployment."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from checkin.errors import BadSignature
from checkin.protocol.primitives import sha256

COSE_ES256: Final = -7  # ECDSA on P-256 with SHA-256, RFC 9053 §2.1
COSE_PS256: Final = -37  # RSASSA-PSS with SHA-256, RFC 8230 §2


class SignerCertificate:
    """An X.509 certificate (RFC 5280) of someone else's signer, from its DER; `ValueError` if it is not one.

    Only what a health certificate needs: no chain is built, because a trust list names the signers themselves.
    """

    def __init__(self, der: bytes) -> None:
        try:
            with warnings.catch_warnings():
                # Of a serial number below 1, which says nothing about the key.
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                certificate = x509.load_der_x509_certificate(der)
            self._key = certificate.public_key()
            self.purposes = _purposes(certificate)  # OIDs of the extended key usage; None = not restricted
            self.not_before = certificate.not_valid_before_utc.timestamp()
            self.not_after = certificate.not_valid_after_utc.timestamp()
        except (ValueError, TypeError, UnsupportedAlgorithm, IndexError, x509.InvalidVersion):
            raise ValueError("not an X.509 certificate") from None
        self.kid = sha256(der)[:8]

    @property
    def algorithm(self) -> int | None:
        """The one COSE algorithm this key may be used with, so that no header chooses it; None for other keys."""
        if isinstance(self._key, EllipticCurvePublicKey) and isinstance(self._key.curve, SECP256R1):
            return COSE_ES256
        if isinstance(self._key, RSAPublicKey) and 2048 <= self._key.key_size <= 8192:
            return COSE_PS256
        return None

    def verify(self, message: bytes, signature: bytes) -> None:
        """ES256 (r ‖ s, 64 bytes) or PS256 (salt of 32 bytes), whichever the key is for; raises `BadSignature`."""
        try:
            if isinstance(self._key, EllipticCurvePublicKey) and self.algorithm == COSE_ES256 and len(signature) == 64:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                return self._key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
            if isinstance(self._key, RSAPublicKey) and self.algorithm == COSE_PS256:
                return self._key.verify(signature, message, PSS(MGF1(SHA256()), 32), SHA256())
        except (InvalidSignature, ValueError):
            pass
        raise BadSignature


def host_certificate(address: str, start: float, end: float) -> tuple[bytes, bytes]:
    """A certificate for an IP address and its private key (P-256), PEM, good from `start` to `end`, unix seconds.

    It signs itself, so that a phone can be made to trust it; as it may then sign others, its name constraints keep a
    thief of the key from making one for any other place.
    """
    key, at = generate_private_key(SECP256R1()), ip_address(address)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Check-in, to try it, at {at}")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(at)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # No name of a host either: what is permitted of one form says nothing of another (RFC 5280 §4.2.1.10).
        .add_extension(x509.NameConstraints([x509.IPAddress(ip_network(at))], [x509.DNSName("")]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return built.public_bytes(Encoding.PEM), private


def _purposes(certificate: x509.Certificate) -> frozenset[str] | None:
    """OIDs of the extended key usage, RFC 5280 §4.2.1.12; None without one; `ValueError` for broken extensions.

    Read by hand: `cryptography` refuses all extensions of a certificate that spells a default value out (Finland's
    do), and what must not be missed here is a restriction.
    """
    extensions = [content for tag, content in _der(_der(certificate.tbs_certificate_bytes)[0][1]) if tag == 0xA3]
    if not extensions:
        return None
    parts = [_der(extension) for _, extension in _der(_der(extensions[0])[0][1])]
    found = [part[-1][1] for part in parts if part and part[0] == (6, b"\x55\x1d\x25")]
    if len(found) > 1:
        raise ValueError("two extended key usages")
    # An empty list, which the RFC forbids, restricts nothing: the EU's own test signers have one.
    return (frozenset(_oid(oid) for _, oid in _der(_der(found[0])[0][1])) or None) if found else None


def _der(data: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of DER values one after another, X.690 §8.1; `ValueError` if they do not fill `data`."""
    values, at = [], 0
    while at < len(data):
        tag, size, at = data[at], int.from_bytes(data[at + 1 : at + 2], "big"), at + 2
        if size > 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + size > len(data):
            raise ValueError("cut off")
        values.append((tag, data[at : at + size]))
        at += size
    return values


def _oid(content: bytes) -> str:
    """An object identifier with dots, X.690 §8.19."""
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]])) if numbers else ""
