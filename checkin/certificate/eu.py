"""The EU Digital COVID Certificate: text beginning with `HC1:`.

Sources: hcert specification 1.3 (eHealth Network, volumes 1 and 3), RFC 8392, RFC 9052; it packs bytes as base45 (RFC
9285) of zlib (RFC 1950). A step that failed stops those that need its result; the others still run, so that a person
sees all that is wrong at once.
"""

from __future__ import annotations

import zlib
from typing import Final

from checkin.certificate import cbor, cose, schema
from checkin.certificate.cose import Signed
from checkin.certificate.schema import Certificate
from checkin.certificate.trust_list import TrustList
from checkin.certificate.vaccination_proof import LAST_SECOND, CertificateReport, proof_in, rfc3339
from checkin.errors import (
    CertificateBase45,
    CertificateCompression,
    CertificateExpiry,
    CertificateKeyUsage,
    TokenMalformed,
)
from checkin.protocol.encoding import base45_decode
from checkin.protocol.x509 import SignerCertificate

PREFIX: Final = "HC1:"
_EXPIRES: Final = 4
_ISSUED: Final = 6
# Extended key usages, with the two spellings of the EU's arc that signers have been issued with.
_ARCS: Final = ("1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1.")
_USAGE: Final = {"t": "1", "v": "2", "r": "3"}
MAX_TEXT: Final = 8192  # a QR code holds at most 4,296 characters
MAX_UNPACKED: Final = 65536  # the largest real certificates have 2,000 bytes; zlib grows input up to 1,000-fold


def examine(text: str, trust: TrustList, now: float) -> CertificateReport:
    """Runs every step that can be run; raises nothing for any text. `text` still has its prefix."""
    report = CertificateReport()
    report.checks["prefix"] = True
    unpacked = _unpack(report, text.removeprefix(PREFIX))
    if unpacked is None:
        return report
    signed, certificate = unpacked
    report.step("schema", lambda: check_content(signed, certificate))
    signer = report.step("signature", lambda: trust.verify(signed)) or next(iter(trust.signers(signed.kid)), None)
    if signer is None:
        return report
    groups = schema.groups_in(certificate)
    if groups:
        report.step("key_usage", lambda: check_key_usage(signer, groups))
    expires = report.step("expiry", lambda: check_expiry(signed, signer, now))
    if report.ok and expires is not None:
        report.proof = proof_in(certificate, expires)
    return report


def _unpack(report: CertificateReport, text: str) -> tuple[Signed, Certificate] | None:
    packed = report.step("base45", lambda: text_to_bytes(text))
    if packed is None:
        return None
    message = report.step("compression", lambda: decompress(packed))
    if message is None:
        return None
    return report.step("cose", lambda: _open(message))


def _open(message: bytes) -> tuple[Signed, Certificate]:
    signed = cose.read(message)
    return signed, schema.certificate_in(signed.claims)


def check_content(signed: Signed, certificate: Certificate) -> None:
    """Raises `CertificateSchema` unless the certificate fits its schema and is plausible."""
    schema.check(certificate)
    try:
        issued = rfc3339(_time(signed.claims.get(_ISSUED)))[:10]
    except CertificateExpiry:  # nothing to compare a birth date with; the last step refuses it
        issued = "9999-12-31"
    schema.check_plausible(certificate, issued)


def check_key_usage(signer: SignerCertificate, groups: list[str]) -> None:
    """Raises `CertificateKeyUsage` unless the signer may sign all of `groups`; a signer without usages may sign all."""
    for group in groups:
        allowed = {arc + _USAGE[group] for arc in _ARCS}
        if signer.purposes is not None and not signer.purposes & allowed:
            raise CertificateKeyUsage


def check_expiry(signed: Signed, signer: SignerCertificate, now: float) -> float:
    """notBefore ≤ iat ≤ now ≤ exp ≤ notAfter, or `CertificateExpiry`; gives exp in unix seconds.

    hcert §3.3.2: iat "MUST not predate the validity period" of the signer's certificate, exp "MUST not exceed" it.
    """
    issued, expires = _time(signed.claims.get(_ISSUED)), _time(signed.claims.get(_EXPIRES))
    if not signer.not_before <= issued <= now <= expires <= signer.not_after:
        raise CertificateExpiry
    return expires


def _time(claim: object) -> float:
    """A NumericDate (RFC 8392 §2), also where it is wrapped in tag 1; raises `CertificateExpiry`."""
    number = cbor.plain(claim)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= LAST_SECOND:
        raise CertificateExpiry("The certificate does not say from when to when it is valid.")
    return number


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
