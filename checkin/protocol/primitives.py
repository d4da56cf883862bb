"""The one door to cryptography: every key, signature, seal, hash and derivation of the project passes here; those of
other people's certificates in `x509.py`.

Only standard constructions: Ed25519 (RFC 8032, cofactorless, S < L), HPKE base mode with DHKEM(X25519),
HKDF-SHA256 and AES-256-GCM (RFC 9180), AES-256-GCM (NIST SP 800-38D), HKDF and HMAC with SHA-256 (RFC 5869,
RFC 2104). Every derivation has a name in `Label`. Verifying raises or returns nothing; opening raises or
returns the plaintext.

Signing is OpenSSL's, verifying libsodium's (half the time). The two differ on points of small order, and a
browser's WebCrypto agrees with OpenSSL there, so `verify` refuses those points itself: a code admitted by one
implementation is admitted by all of them (docs/spec/encoding.md §4).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from enum import Enum
from typing import Final

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from checkin.errors import BadSignature, HolderKeyInvalid, SealBroken

HPKE_OVERHEAD: Final = 48  # encapsulated key 32, tag 16
AEAD_OVERHEAD: Final = 16


class Label(bytes, Enum):
    """Every context in which a key is derived, a value hashed or something sealed; all distinct."""

    # sub-keys of a day key (HKDF info)
    SUB_SEAL = b"ck1/sub/seal"  # issuer: inner seal of a subject
    SUB_ROW = b"ck1/sub/row"  # vault rows
    SUB_MAC = b"ck1/sub/mac"  # row keys and groups
    SUB_WALLET = b"ck1/sub/wallet"  # hosted wallets' keys at the issuer
    SUB_RECEIPT = b"ck1/sub/receipt"  # access notices to people who were identified
    SUB_SLOT = b"ck1/sub/slot"  # master key → key-ring slots
    SUB_IDENTITY = b"ck1/sub/identity"  # identity key → names, phones, status
    SUB_PHONE = b"ck1/sub/phone"  # identity key → look-up of a phone
    SUB_REGISTRATION = b"ck1/sub/registration"  # identity key → registrations that wait for their code
    SUB_ENDING = b"ck1/sub/ending"  # what ended for good, in the journal beside the ring
    SUB_THROTTLE = b"ck1/sub/throttle"  # names of what several processes count together for a minute, or a day
    # contexts of the protocol
    INNER = b"ck1/inner"
    SUBJECT = b"ck1/subject"
    STATUS = b"ck1/status"
    CREDENTIAL = b"ck1/credential"
    PRESENTATION = b"ck1/presentation"
    KID = b"ck1/kid"
    KEY = b"ck1/key"
    SIGMA = b"ck1/sigma"
    INTAKE = b"ck1/intake"
    CLOSE = b"ck1/close"
    RING = b"ck1/ring"  # authority: a day's private half, sealed to the ring key
    IDENTITY = b"ck1/identity"  # issuer: a person's record at rest
    REGISTRATION = b"ck1/registration"  # issuer: a registration that waits for its code
    RECOVERY = b"ck1/recovery"  # issuer: what is kept of a recovery code
    HOSTED = b"ck1/hosted"  # issuer: a hosted wallet's credential at rest
    ORDER = b"ck1/order"  # what of an order's part is in the log
    RING_LISTS = b"ck1/ring/lists"  # authority: the seed of the key that signs the lists of orders, from the ring key
    ANSWER = b"ck1/answer"  # a service's answer, sealed to the order's answer key
    QUOTA = b"ck1/quota"  # issuer: the number of a phone's batch of a day
    RECEIPT = b"ck1/receipt"  # issuer: an access notice at rest
    GATE = b"ck1/gate"  # registry: a scanner in the counts by gate
    ENDING = b"ck1/ending"  # a line of that journal
    RING_TRANSFER = b"ck1/ring/transfer"  # a key on its way from one ring node to another (HPKE info)
    RING_LEASE = b"ck1/ring/lease"  # sub-keys on their way from a ring node to an app node (HPKE info)
    DUPLICATE = b"dup"


def random_bytes(size: int) -> bytes:
    """`size` bytes from the operating system's generator."""
    return os.urandom(size)


def random_below(limit: int) -> int:
    """A number from 0 to limit − 1, all equally likely."""
    return secrets.randbelow(limit)


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the joined parts; 32 bytes. The caller's parts have fixed sizes or end the input."""
    return hashlib.sha256(b"".join(parts)).digest()


def sha256_of(chunks: Iterable[bytes]) -> bytes:
    """SHA-256 over a file in pieces; 32 bytes."""
    state = hashlib.sha256()
    for chunk in chunks:
        state.update(chunk)
    return state.digest()


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over the joined parts; 32 bytes."""
    return hmac.digest(key, b"".join(parts), "sha256")


def equal(left: bytes, right: bytes) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)


def commit(salt: bytes, key: bytes) -> str:
    """The commitment to a key, 64 hex digits: SHA-256("ck1/key" ‖ salt 16 ‖ key). It is logged when the key is made
    and when it is destroyed."""
    return sha256(Label.KEY, salt, key).hex()


def derive(key: bytes, label: Label) -> bytes:
    """A 32-byte sub-key of a uniformly random 32-byte key: HKDF-SHA256, no salt, info = label."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label.value).derive(key)


def aead_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM; key 32 bytes, nonce 12 and never used twice under a key; 16 bytes longer than the plaintext."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def aead_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Inverse of `aead_seal`; raises `SealBroken`."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise SealBroken from None


_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealingKey:
    """An X25519 public key (32 bytes) that anyone can seal to. `ValueError` for another size."""

    def __init__(self, public: bytes) -> None:
        self.public = public
        self._key = X25519PublicKey.from_public_bytes(public)

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """RFC 9180 single-shot base mode: encapsulated key 32 ‖ ciphertext ‖ tag 16."""
        return _SUITE.encrypt(plaintext, self._key, info=info)


class OpeningKey:
    """The X25519 private key (32 bytes) that opens what was sealed to its public half."""

    def __init__(self, private: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(private)
        self.public = self._key.public_key().public_bytes_raw()

    def derive(self, label: Label) -> bytes:
        """A 32-byte secret that follows from the private key: HKDF-SHA256, no salt, info = label."""
        return derive(self._key.private_bytes_raw(), label)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Inverse of `SealingKey.seal`; raises `SealBroken` for another key, another `info` or changed bytes."""
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise SealBroken from None


class SigningKey:
    """An Ed25519 private key, made from its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032 §5.1.6."""
        return self._key.sign(message)


# The y coordinates of the eight points of small order, and their non-canonical spellings, sign bit cleared.
_P: Final = 2**255 - 19
_ORDER_8: Final = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
_ORDER_8_NEG: Final = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
_SMALL_ORDER: Final = frozenset(
    {_ORDER_8, _ORDER_8_NEG} | {value.to_bytes(32, "little") for value in (0, 1, _P - 1, _P, _P + 1)}
)


def _is_small_order(point: bytes) -> bool:
    return point[:31] + bytes([point[31] & 0x7F]) in _SMALL_ORDER


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Ed25519, cofactorless, S < L, no point of small order as key or as R; raises `BadSignature`."""
    if len(public) != 32 or len(signature) != 64 or _is_small_order(public) or _is_small_order(signature[:32]):
        raise BadSignature
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.CryptoError:
        raise BadSignature from None


def check_signing_key(public: bytes) -> None:
    """Raises `HolderKeyInvalid` unless 32 bytes encode, canonically, a point of the prime-order group but 0.

    Required of every public key where it enters: about its signatures, and only about those of such keys, all verifiers
    agree (docs/spec/encoding.md §4).
    """
    if len(public) != 32 or not nacl.bindings.crypto_core_ed25519_is_valid_point(public):
        raise HolderKeyInvalid


_ANY_SCALAR: Final = X25519PrivateKey.from_private_bytes(bytes(32))


def check_sealing_key(public: bytes) -> None:
    """Raises `ValueError` unless 32 bytes are a canonical X25519 key (u < 2²⁵⁵-19) that is not of small order.

    What is sealed to a key of small order can be opened by anyone: its shared secret is zero (RFC 7748 §6.1).
    """
    if len(public) != 32 or int.from_bytes(public, "little") >= _P:
        raise ValueError("not a canonical X25519 key")
    _ANY_SCALAR.exchange(X25519PublicKey.from_public_bytes(public))
