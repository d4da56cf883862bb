"""The 244 cases, one parameter `case` each (its JSON, with its name under NAME), and a signer of our own."""

from __future__ import annotations

import hashlib
import json
import zlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import base45
import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CORPUS = Path(__file__).parents[2] / "vectors" / "dgc"


@cache
def load_cases() -> dict[str, dict[str, Any]]:
    """All cases by name, such as `AT/1` or `common/CO5`."""
    cases = {}
    for path in sorted(CORPUS.glob("*/*/*/*.json")):
        name = f"{path.relative_to(CORPUS).parts[0]}/{path.stem}"
        cases[name] = {**json.loads(path.read_text("utf-8")), "NAME": name}
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `case` runs once for every case."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", load_cases().values(), ids=load_cases().keys())


@pytest.fixture(scope="session")
def cases() -> dict[str, dict[str, Any]]:
    """All of them, by name."""
    return load_cases()


class Signer:
    """A signer of our own, so that a test can sign any content: P-256 or RSA, with or without key usages."""

    def __init__(self, usages: tuple[str, ...] | None = None, *, rsa_bits: int = 0) -> None:
        self._key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
        )
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test signer")])
        builder = (
            x509.CertificateBuilder(name, name, self._key.public_key(), 1)
            .not_valid_before(datetime(2021, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2023, 1, 1, tzinfo=UTC))
        )
        if usages is not None:
            oids = [x509.ObjectIdentifier(usage) for usage in usages]
            builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
        self.certificate = builder.sign(self._key, hashes.SHA256())
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.kid = hashlib.sha256(self.der).digest()[:8]

    def signature(self, message: bytes) -> bytes:
        """ES256 or PS256, as COSE writes them."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def message(self, claims: Any, protected: Any = None, unprotected: Any = None) -> list[Any]:
        """The four items of a COSE_Sign1 over `claims`; `protected` replaces the usual {alg, kid}."""
        alg = -37 if isinstance(self._key, rsa.RSAPrivateKey) else -7
        header = cbor2.dumps({1: alg, 4: self.kid} if protected is None else protected) if protected != {} else b""
        payload = cbor2.dumps(claims)
        signature = self.signature(cbor2.dumps(["Signature1", header, b"", payload]))
        return [header, unprotected or {}, payload, signature]

    def text(self, claims: Any, **headers: Any) -> str:
        """The text of a code over `claims`."""
        return to_text(cbor2.CBORTag(18, self.message(claims, **headers)))


def to_text(message: Any) -> str:
    """Any CBOR value packed as the text of a code; bytes are taken as they are."""
    data = message if isinstance(message, bytes) else cbor2.dumps(message)
    return "HC1:" + str(base45.b45encode(zlib.compress(data)), "ascii")


ISSUED = int(datetime(2021, 6, 1, tzinfo=UTC).timestamp())
EXPIRES = int(datetime(2022, 6, 1, tzinfo=UTC).timestamp())
NOW = float(datetime(2021, 7, 1, tzinfo=UTC).timestamp())

COMMON = {"tg": "840539006", "co": "AT", "is": "Ministry of Health", "ci": "URN:UVCI:01:AT:1#A"}
ENTRIES: dict[str, dict[str, Any]] = {
    "v": {"vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 2, "sd": 2, "dt": "2021-05-20"},
    "r": {"fr": "2021-04-01", "df": "2021-04-12", "du": "2021-10-01"},
    "t": {"tt": "LP6464-4", "sc": "2021-06-30T08:00:00+02:00", "tr": "260415000", "tc": "Testing centre 1"},
}


def claims_of(group: str, claims: dict[int, Any] | None = None, **changed: Any) -> dict[int, Any]:
    """The claims of a good certificate of one group, with changes to its entry or to the claims themselves."""
    names = {"fn": "Musterfrau", "fnt": "MUSTERFRAU", "gn": "Gabriele", "gnt": "GABRIELE"}
    content = {"ver": "1.3.0", "nam": names, "dob": "1998-02-26", group: [{**COMMON, **ENTRIES[group], **changed}]}
    return {1: "AT", 6: ISSUED, 4: EXPIRES, -260: {1: content}, **(claims or {})}


@pytest.fixture(scope="session")
def forge() -> SimpleNamespace:
    """What makes certificates of our own: Signer, a ready `signer`, claims_of, to_text, NOW, ISSUED, EXPIRES."""
    return SimpleNamespace(
        Signer=Signer, signer=Signer(), claims_of=claims_of, to_text=to_text, NOW=NOW, ISSUED=ISSUED, EXPIRES=EXPIRES
    )
