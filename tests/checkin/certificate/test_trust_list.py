"""The trust list in all its spellings, and whom it trusts."""

from __future__ import annotations

import base64
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from checkin.certificate import registry
from checkin.certificate.trust_list import TrustList
from checkin.errors import BadSignature, TrustListInvalid
from checkin.protocol.x509 import SignerCertificate


def believed(forge: SimpleNamespace, trust: TrustList) -> bool | None:
    return registry.examine(forge.signer.text(forge.claims_of("v")), trust, forge.NOW).checks["signature"]


def spellings(ders: list[bytes], pems: list[bytes]) -> dict[str, bytes]:
    lines = [base64.b64encode(der) for der in ders]
    wrapped = ["\n".join(textwrap.wrap(line.decode(), 61)).encode() for line in lines]
    return {
        "PEM": b"".join(pems),
        "PEM with words around": b"# signers\r\n" + b"\nnext one:\n".join(pems).replace(b"\n", b"\r\n") + b"end",
        "base64, one a line": b"\n".join(lines) + b"\n",
        "base64, wrapped": b"\n".join(wrapped),
        "base64, blank lines between": b"\n\n  \n".join(wrapped),
    }


@pytest.mark.parametrize("kind", spellings([], []))
def test_a_list_of_several_signers_is_read_in_every_spelling(kind: str, forge: SimpleNamespace) -> None:
    """Three signers, ours among them, in any order."""
    signers = [forge.Signer(), forge.signer, forge.Signer(rsa_bits=2048)]
    data = spellings([signer.der for signer in signers], [signer.pem for signer in signers])[kind]
    trust = TrustList.parse(data)
    assert all(trust.signers(signer.kid) for signer in signers)
    assert believed(forge, trust) is True


def test_one_der_certificate_is_a_list_too(forge: SimpleNamespace) -> None:
    """As downloaded."""
    assert believed(forge, TrustList.parse(forge.signer.der)) is True


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", b"hello", b"====", b"\xff\xfe\x00", b"\x30\x03\x02\x01\x01", b"MAMCAQE=", b"MIIB",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", b"-----BEGIN PUBLIC KEY-----\nMAMCAQE=\n",
        b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----", b"A" * 70000,
    ],
)  # fmt: skip
def test_a_file_that_holds_anything_else_is_refused(data: bytes) -> None:
    """Better no verifier than one with a list that is not what its owner thinks."""
    with pytest.raises(TrustListInvalid):
        TrustList.parse(data)


def test_a_cut_off_certificate_spoils_the_list(forge: SimpleNamespace) -> None:
    """Every cut of it."""
    line = base64.b64encode(forge.signer.der)
    for cut in range(0, len(line), 37):
        with pytest.raises(TrustListInvalid):
            TrustList.parse(line[:cut])


def test_two_signers_with_one_key_id_are_both_tried(forge: SimpleNamespace) -> None:
    """Eight bytes may collide; the one who signed is found."""
    trust = TrustList([forge.signer.der])
    trust._signers[forge.signer.kid].insert(0, SignerCertificate(forge.Signer().der))
    assert believed(forge, trust) is True


def test_rsa_signers_use_ps256_and_weak_ones_nothing(forge: SimpleNamespace) -> None:
    """2,048 bits and more pass; 1,024 do not, though the signature is right."""
    for bits, passes in ((2048, True), (3072, True), (1024, False)):
        signer = forge.Signer(rsa_bits=bits)
        report = registry.examine(signer.text(forge.claims_of("v")), TrustList([signer.der]), forge.NOW)
        assert report.checks["signature"] is passes


def test_a_signature_of_another_length_is_refused(forge: SimpleNamespace) -> None:
    """r ‖ s has 64 bytes: none cut, none appended, no DER."""
    certificate = SignerCertificate(forge.signer.der)
    signature = forge.signer.signature(b"message")
    certificate.verify(b"message", signature)
    for bad in (b"", signature[:-1], signature + b"\x00", bytes(64), b"\xff" * 64, signature[32:] + signature[:32]):
        with pytest.raises(BadSignature):
            certificate.verify(b"message", bad)


@pytest.mark.parametrize("usages", [None, ("1.3.6.1.4.1.1847.2021.1.1",), ("2.23.136.1.1.14.2", "2.999.3", "0.9.2342")])
def test_key_usages_are_read_as_they_were_written(usages: tuple[str, ...] | None, forge: SimpleNamespace) -> None:
    """Also large first arcs, which share a byte with the second."""
    found = SignerCertificate(forge.Signer(usages).der).purposes
    assert found == (None if usages is None else frozenset(usages))


def test_our_reading_of_key_usages_agrees_with_the_library(cases: dict[str, dict[str, Any]]) -> None:
    """For every signer of the 244 cases whose extensions the library reads at all (it refuses Finland's)."""
    compared = 0
    for case in cases.values():
        der = base64.b64decode(case["TESTCTX"]["CERTIFICATE"])
        try:
            usage = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            expected = frozenset(oid.dotted_string for oid in usage)
        except x509.ExtensionNotFound:
            expected = frozenset()
        except ValueError:
            continue
        compared += 1
        assert (SignerCertificate(der).purposes or frozenset()) == expected
    assert compared == 233


def test_a_signer_with_another_kind_of_key_signs_nothing(forge: SimpleNamespace) -> None:
    """It may stand on the list; nothing verifies under it, and nothing breaks."""
    key = ed25519.Ed25519PrivateKey.generate()
    signer = forge.Signer()
    name = signer.certificate.subject
    der = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(signer.certificate.not_valid_before_utc)
        .not_valid_after(signer.certificate.not_valid_after_utc)
        .sign(key, None)
        .public_bytes(Encoding.DER)
    )
    certificate = SignerCertificate(der)
    assert certificate.algorithm is None
    with pytest.raises(BadSignature):
        certificate.verify(b"message", key.sign(b"message"))
