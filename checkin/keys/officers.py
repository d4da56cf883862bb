"""The authority's officers: k of n sign, and k of n shares join to the ring key (docs/spec/keys.md §4).

What everyone else pins by hand is `officers.txt`; what each of them carries is in `officer_folder.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from shamir_mnemonic import combine_mnemonics
from shamir_mnemonic.share import Share
from shamir_mnemonic.utils import MnemonicError

from checkin.errors import NoteMalformed, SettingsInvalid, SharesInvalid
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.note import NoteSigner, NoteVerifier, Opened, check_own_name, open_note
from checkin.protocol.primitives import Label, OpeningKey, SigningKey
from checkin.protocol.statement import Field, StatementType, many, one

OFFICERS: Final = StatementType("checkin/officers/v1", "authority", "threshold", Field("officer", repeated=True))
RING: Final = StatementType("checkin/ring/v1", "authority", "ring", "list-key")
_MOST: Final = 16  # SLIP-39: a share's index has 4 bits


@dataclass(frozen=True)
class Officers:
    """The officers that may sign for the authority of this name, and how many of them it takes."""

    authority: str
    threshold: int
    verifiers: tuple[NoteVerifier, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text of `officers.txt`; raises `NoteMalformed`, also for a name, key or number that cannot be."""
        values = OFFICERS.read(text)
        authority, verifiers = one(values, "authority"), tuple(map(NoteVerifier.parse, many(values, "officer")))
        check_own_name(authority)
        try:
            threshold = decimal_decode(one(values, "threshold"), _MOST)
        except ValueError:
            raise NoteMalformed("A threshold is a number up to 16.") from None
        check_numbers(len(verifiers), threshold)
        for different in ({key.name for key in verifiers}, {key.public for key in verifiers}):
            if len(different) != len(verifiers):
                raise NoteMalformed("Two officers have the same name or key: then one person would count twice.")
        return cls(authority, threshold, verifiers)

    def text(self) -> str:
        """The text of `officers.txt`."""
        officers = [verifier.vkey for verifier in self.verifiers]
        return OFFICERS.write({"authority": self.authority, "threshold": str(self.threshold), "officer": officers})

    def open(self, note: str) -> Opened:
        """The note that at least k officers signed; raises `NoteMalformed`, `NoteUntrusted`."""
        return open_note(note, self.verifiers, self.threshold)


@dataclass(frozen=True)
class RingKeys:
    """The keys that every order of an authority names: the public half of its ring key (X25519, 32 bytes), and the
    verifier key of its lists of orders."""

    authority: str
    public: bytes
    list_key: str

    @classmethod
    def of(cls, authority: str, ring: OpeningKey) -> Self:
        """Those that follow from the ring key."""
        return cls(authority, ring.public, list_signer(authority, ring).verifier.vkey)

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text of `ring.txt`; raises `NoteMalformed`, `ValueError`."""
        values = RING.read(text)
        return cls(one(values, "authority"), b64_decode(one(values, "ring"), 32), one(values, "list-key"))

    def text(self) -> str:
        """The text of `ring.txt`."""
        return RING.write({"authority": self.authority, "ring": b64_encode(self.public), "list-key": self.list_key})


def check_numbers(officers: int, threshold: int) -> None:
    """Raises `NoteMalformed` unless 2 ≤ threshold ≤ officers ≤ 16: one officer alone never suffices."""
    if not 2 <= threshold <= officers <= _MOST:
        raise NoteMalformed("At least two officers sign, of at most 16.")


def check_appointment(authority: str, officers: int, threshold: int) -> None:
    """Raises `SettingsInvalid` that says what to choose instead, before anything is made."""
    if not 2 <= threshold <= officers <= _MOST:
        raise SettingsInvalid(
            f"{threshold} of {officers} officers cannot be: choose from 2 to {_MOST} --officers, and as --threshold a "
            "number from 2 to theirs. One officer alone never suffices."
        )
    try:
        check_own_name(authority)
    except NoteMalformed:
        raise SettingsInvalid("Name the authority like an address without its scheme: --name health.example.") from None


def list_signer(authority: str, ring: OpeningKey) -> NoteSigner:
    """The signer of orders' lists: its key follows from the ring key, so that it needs k officers' shares."""
    return NoteSigner(f"{authority}/lists", SigningKey(ring.derive(Label.RING_LISTS)))


def threshold_of(share: str) -> int:
    """How many shares join, as one of them says; raises `SharesInvalid`."""
    try:
        return int(Share.from_mnemonic(share).member_threshold)
    except (MnemonicError, ValueError):
        raise SharesInvalid from None


def join_shares(shares: Iterable[str]) -> OpeningKey:
    """The ring key out of at least k different shares (SLIP-39); raises `SharesInvalid`, which names no word."""
    shares = set(shares)
    try:
        read = {share.index: share for share in map(Share.from_mnemonic, shares)}
        threshold = min((share.member_threshold for share in read.values()), default=0)
        if len(shares) < threshold:
            raise SharesInvalid(f"{threshold} different officers are needed, {len(shares)} given.")
        needed = sorted(read)[:threshold]
        secret = combine_mnemonics([read[index].mnemonic() for index in needed], passphrase=b"")
    except (MnemonicError, ValueError):
        raise SharesInvalid from None
    if len(secret) != 32:
        raise SharesInvalid
    return OpeningKey(secret)
