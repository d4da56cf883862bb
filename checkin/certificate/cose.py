"""COSE_Sign1 (RFC 9052 §4.2) around the claims of a CWT (RFC 8392), read leniently in form, strictly in meaning.

Accepted: no tag, the COSE_Sign1 tag 18, the CWT tag 61 and the self-description 55799 before them; headers on
either side of the signature; any valid CBOR. Refused: a critical header (we know none), duplicate keys,
anything that is not four items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from checkin.certificate import cbor
from checkin.errors import CertificateCose

_ALG: Final = 1
_CRIT: Final = 2
_KID: Final = 4
_ENVELOPE_TAGS: Final = frozenset({18, 61, 55799})


@dataclass(frozen=True)
class Signed:
    """What was signed, by which key it says, and the claims inside. Nothing of it is verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes
    algorithm: object  # of the header; absent → None
    kid: object  # bytes, if the header is right
    claims: dict[object, object]

    @property
    def message(self) -> bytes:
        """The bytes under the signature: Sig_structure, RFC 9052 §4.4, with an empty external_aad."""
        # "If there are no protected attributes, a zero-length byte string is used": also for an encoded empty map.
        protected = b"" if self.protected == b"\xa0" else self.protected
        parts = (cbor.byte_string(protected), cbor.byte_string(b""), cbor.byte_string(self.payload))
        return b"\x84\x6aSignature1" + b"".join(parts)


def read(data: bytes) -> Signed:
    """The message that `data` spells; raises `CertificateCose`."""
    try:
        return _read(data)
    except ValueError:
        raise CertificateCose from None


def _read(data: bytes) -> Signed:
    parts = _without_tags(cbor.read(data))
    if not isinstance(parts, list) or len(parts) != 4:
        raise CertificateCose
    protected, unprotected, payload, signature = parts
    if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
        raise CertificateCose
    headers = _map(cbor.read(protected)) if protected else {}
    outside = _map(unprotected)
    if _CRIT in headers:
        raise CertificateCose("The certificate demands a header that is not known here.")
    # The protected side decides wherever it speaks: a relay of the code can write the other one.
    both = {**outside, **headers}
    claims = _map(_without_tags(cbor.read(payload)))
    return Signed(protected, payload, signature, both.get(_ALG), both.get(_KID), claims)


def _without_tags(value: cbor.Value) -> cbor.Value:
    while isinstance(value, cbor.Tagged) and value.number in _ENVELOPE_TAGS:
        value = value.value
    return value


def _map(value: cbor.Value) -> dict[object, object]:
    if not isinstance(value, dict):
        raise CertificateCose
    return value
