"""Signed notes: text that a person can read, then Ed25519 signatures over it.

Source: c2sp.org/signed-note, signature type 0x01. Reading is strict: a note has one spelling, control characters
are refused, unknown signers are ignored, and one bad signature of a known key refuses the whole note.
`docs/spec/notes.md` has the grammar and the steps.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, Self

from checkin.errors import BadSignature, HolderKeyInvalid, NoteMalformed, NoteUntrusted
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.primitives import SigningKey, check_signing_key, sha256, verify

MAX_NOTE: Final = 2**20  # bytes of UTF-8
MAX_SIGNATURES: Final = 64
ED25519: Final = 0x01

# A schema-less URL: host, perhaps a port, perhaps a path. Only for names that we give; others' names are theirs.
_OWN_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
_MAX_NAME: Final = 255
_NO_VKEY: Final = "This is not a verifier key of the form name+hash+key."
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Signature(NamedTuple):
    """One signature line: the key's name and id, and what it signed (any size)."""

    name: str
    key_id: bytes
    value: bytes
    canonical: bool = True
    """Whether the line was spelled as `line` spells it; a reader with its key takes no other spelling."""

    def line(self) -> str:
        """`— name base64(key id ‖ signature)` and a newline."""
        return f"— {self.name} {b64_encode(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Opened:
    """A verified note: its text, and the names of the keys that signed it, in the order of their lines."""

    text: str
    names: tuple[str, ...]


def check_key_name(name: str) -> None:
    """Raises `NoteMalformed` for a name that no key may have: empty, or with a space, plus or control character."""
    unfit = any(char.isspace() or char < " " or "\ud800" <= char <= "\udfff" for char in name)
    if not name or len(name) > _MAX_NAME or "+" in name or unfit:
        raise NoteMalformed("A key name is not empty and has neither spaces nor a plus.")


def check_own_name(name: str) -> None:
    """Raises `NoteMalformed` unless `name` looks like `issuer.example/checkin`: host, perhaps port, perhaps path."""
    if len(name) > _MAX_NAME or not _OWN_NAME.fullmatch(name):
        raise NoteMalformed("Name a key like an address without its scheme, as in issuer.example/checkin.")


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The 4 bytes that stand for a key beside its name; no cryptographic strength (signed-note, "Signatures")."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


def write_vkey(name: str, kind: int, public: bytes) -> str:
    """`name+hash8+base64(type ‖ key)`, as golang.org/x/mod/sumdb/note writes it."""
    return f"{name}+{key_id(name, kind, public).hex()}+{b64_encode(bytes([kind]) + public)}"


class Verifier(ABC):
    """A key that may be trusted: name and Ed25519 public key (32 bytes). `NoteMalformed` for an impossible name."""

    kind: ClassVar[int]
    """Of signed-note's types of signature, the one that the key makes."""

    def __init__(self, name: str, public: bytes) -> None:
        check_key_name(name)
        self.name = name
        self.public = public
        self.key_id = key_id(name, self.kind, public)
        self.vkey = write_vkey(name, self.kind, public)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """From `name+hash8+base64(type ‖ key)`; raises `NoteMalformed`, also for another type."""
        name, _, rest = vkey.partition("+")
        try:
            verifier = cls(name, b64_decode(rest.partition("+")[2], 33)[1:])
            check_signing_key(verifier.public)
        except ValueError:
            raise NoteMalformed(_NO_VKEY) from None
        except HolderKeyInvalid:
            raise NoteMalformed("A verifier key is a canonical Ed25519 public key of prime order.") from None
        if verifier.vkey != vkey:
            raise NoteMalformed(_NO_VKEY)
        return verifier

    @abstractmethod
    def verify(self, text: str, signature: bytes) -> None:
        """Raises `BadSignature` unless it is this key's over a note's text."""


class NoteVerifier(Verifier):
    """The key of a signature over a note's text itself: type 0x01."""

    kind = ED25519

    def verify(self, text: str, signature: bytes) -> None:
        """64 bytes over the UTF-8 text."""
        verify(self.public, text.encode(), signature)


class NoteSigner:
    """A name and the key that signs for it; the name has the form of `issuer.example/checkin`."""

    def __init__(self, name: str, key: SigningKey) -> None:
        check_own_name(name)
        self.name = name
        self.verifier = NoteVerifier(name, key.public)
        self._key = key

    def sign(self, text: str) -> str:
        """The signature line over `text`, with its newline. The same text gives the same line."""
        return Signature(self.name, self.verifier.key_id, self._key.sign(text.encode())).line()


def check_text(text: str) -> None:
    """Raises `NoteMalformed` unless `text` can be a note's: ends in a newline, no other control character."""
    if not text.endswith("\n"):
        raise NoteMalformed("A note's text ends in a newline.")
    # SPEC signed-note: "MUST NOT contain any ASCII control characters (those below U+0020) other than newline."
    if _CONTROL.search(text):
        raise NoteMalformed("A note has no control characters but newlines.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise NoteMalformed("A note is UTF-8.") from None
    if size > MAX_NOTE:
        raise NoteMalformed("A note has at most 1 MiB.")


def decode_note(data: bytes) -> str:
    """The note in these bytes, before any check but that they are UTF-8; raises `NoteMalformed`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NoteMalformed("A note is UTF-8.") from None


def _read_line(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    check_key_name(name)
    try:
        data = b64_decode(encoded, loose=True)
    except ValueError:
        raise NoteMalformed("A signature line does not end in base64.") from None
    if dash != "—" or len(data) < 5:
        raise NoteMalformed("A signature line is a dash, a name and a signature.")
    return Signature(name, data[:4], data[4:], canonical=b64_encode(data) == encoded)


def split_note(note: str) -> tuple[str, list[Signature]]:
    """The text and the signature lines, nothing of which is verified; raises `NoteMalformed`."""
    check_text(note)
    text, blank, tail = note[:-1].rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or not tail or len(lines) > MAX_SIGNATURES:
        raise NoteMalformed("A note is a text, an empty line, and 1 to 64 signature lines.")
    return text + "\n", [_read_line(line) for line in lines]


def unverified_text(note: str) -> str:
    """The text alone, of a note that is ours, or is verified elsewhere; raises as `split_note`."""
    return split_note(note)[0]


def join_note(text: str, lines: Iterable[str]) -> str:
    """Inverse of `split_note` on `Signature.line()`s; raises `NoteMalformed` for what it would not read back."""
    note = text + "\n" + "".join(lines)
    check_text(text)
    split_note(note)
    return note


def sign_note(text: str, *signers: NoteSigner) -> str:
    """The note with one line a signer, in order; raises `NoteMalformed` for a text that no note can have."""
    check_text(text)
    return join_note(text, [signer.sign(text) for signer in signers])


def add_signature(note: str, signer: NoteSigner) -> str:
    """The note with one more line, or unchanged if it has that very line; nothing else is verified."""
    text, signatures = split_note(note)
    lines = [signature.line() for signature in signatures]
    line = signer.sign(text)
    return note if line in lines else join_note(text, [*lines, line])


def is_signed(content: str) -> bool:
    """Whether it is a note, not only the text of one that is not signed yet."""
    return "\n\n" in content


def text_of(content: str) -> str:
    """The text of a note as `unverified_text`, or a text that is not signed yet as it is."""
    return unverified_text(content) if is_signed(content) else content


def sign_also(content: str, signers: Iterable[NoteSigner]) -> str:
    """The note with a line of each signer, added where it is missing, also of a text that is not signed yet."""
    for signer in signers:
        content = add_signature(content, signer) if is_signed(content) else sign_note(content, signer)
    return content


def _trusted(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        other = known.setdefault((verifier.name, verifier.key_id), verifier)
        if other.public != verifier.public:
            raise NoteUntrusted("Two trusted keys have the same name and id: rename one of them.")
    return known


def open_note(note: str, verifiers: Iterable[Verifier], threshold: int = 1) -> Opened:
    """The text of `note`, once at least `threshold` different trusted keys signed it.

    A signer is counted once, by name and by public key: neither a second key under the same name nor the same key
    under a second name adds to the count. Raises `NoteMalformed`, or `NoteUntrusted` when a trusted key's
    signature is bad or too few signed.
    """
    text, signatures = split_note(note)
    known = _trusted(verifiers)
    names: dict[str, None] = {}
    publics: set[bytes] = set()
    for signature in signatures:
        # SPEC signed-note: "Verifiers MUST ignore signatures from unknown keys".
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            continue
        if not signature.canonical:
            raise NoteMalformed("A known key's signature line is not spelled as it is written.")
        try:
            verifier.verify(text, signature.value)
        except BadSignature:
            # SPEC signed-note: "If a signature from a known key fails to verify, clients SHOULD reject the whole note."
            raise NoteUntrusted("A known key's signature does not verify: the note was changed.") from None
        if verifier.name not in names and verifier.public not in publics:
            names[verifier.name] = None
            publics.add(verifier.public)
    if not names and threshold <= 1:
        raise NoteUntrusted(
            "No pinned key signed the note: if its signer has another key now, pin that, or enrol anew."
        )
    if len(names) < threshold:
        raise NoteUntrusted(f"The note needs {threshold} trusted signatures and has {len(names)}.")
    return Opened(text, tuple(names))


def signed_by(note: str, verifier: Verifier) -> bool:
    """Whether this key signed the note; raises `NoteMalformed`."""
    try:
        open_note(note, [verifier])
    except NoteUntrusted:
        return False
    return True
