"""A signer of EU certificates that are valid today, for pages that live under the real clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.checkin.certificate.conftest import Signer, claims_of


class HealthOffice(Signer):
    """A signer whose own certificate holds from last year to next year."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "health office")])
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), 2)
        builder = builder.not_valid_before(self.now - timedelta(days=365))
        self.certificate = builder.not_valid_after(self.now + timedelta(days=365)).sign(self._key, hashes.SHA256())
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.kid = x509_kid(self.der)

    def vaccinated(self) -> str:
        """The text of a certificate of two doses, the second a month ago."""
        issued = int((self.now - timedelta(days=20)).timestamp())
        expires = int((self.now + timedelta(days=200)).timestamp())
        day = (self.now - timedelta(days=30)).date().isoformat()
        return self.text(claims_of("v", {6: issued, 4: expires}, dt=day))


def x509_kid(der: bytes) -> bytes:
    """The first 8 bytes of the certificate's SHA-256."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize()[:8]
