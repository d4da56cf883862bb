"""Lists of keys by service day, as their owners sign them: issuer keys, authority keys, intake keys; and which of the
authority's were destroyed.

A list is a statement inside a signed note (docs/spec/keys.md §5). Open the note first, with the pinned keys of
its owner; then read its text here; then `merge` it with what was seen before: the first key for a day is final.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final, Generic, Self, TypeVar

from checkin.clock import DATES
from checkin.errors import HolderKeyInvalid, ListRefused, NoteMalformed
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode, u32be
from checkin.protocol.note import check_own_name
from checkin.protocol.primitives import Label, check_sealing_key, check_signing_key, sha256
from checkin.protocol.statement import CLOCK, Field, StatementType, clock_value, many, one

FEWEST_OFFICERS: Final = 2  # that sign together, whatever settings say: one alone never suffices
# Lists reach 14 days ahead, and their owner's midnight may come first; a thief of a list's key does not own the years.
HORIZON_DAYS: Final = 15
_KEPT: Final = 4096  # published keys that were judged before: most lines of a list are those of yesterday's
# A real service refuses what was signed under a simulated clock; the reader of a list decides.
_TAIL: Final = (CLOCK, Field("key", repeated=True))
ISSUER_KEYS: Final = StatementType("checkin/issuer-keys/v1", "issuer", *_TAIL)
AUTHORITY_KEYS: Final = StatementType("checkin/authority-keys/v1", "authority", *_TAIL)
INTAKE_KEYS: Final = StatementType("checkin/intake-keys/v1", "registry", *_TAIL)
AUTHORITY_DESTROYED: Final = StatementType("checkin/authority-keys-destroyed/v1", "authority", *_TAIL)
AUTHORITY_CHECKED: Final = StatementType("checkin/authority-keys-checked/v1", "authority", *_TAIL)


def issuer_kid(issuer: int, public: bytes) -> bytes:
    """The 4 bytes that name an issuer's key: SHA-256("ck1/kid" ‖ issuer u32be ‖ public key)[:4]."""
    return sha256(Label.KID, u32be(issuer), public)[:4]


@dataclass(frozen=True)
class ListedKey:
    """What credentials of a day verify under: kid 4 bytes, Ed25519 public key 32 bytes."""

    kid: bytes
    public: bytes

    @classmethod
    def of(cls, issuer: int, public: bytes) -> Self:
        """An issuer's key with the kid that follows from it."""
        return cls(issuer_kid(issuer, public), public)

    def words(self) -> str:
        """What stands after the day in its line of a list."""
        return f"{self.kid.hex()} {b64_encode(self.public)}"


@dataclass(frozen=True)
class AuthorityKey:
    """What subjects of a day are sealed to: X25519 public key 32 bytes; commitment to the private half, hex."""

    public: bytes
    commitment: str

    def words(self) -> str:
        return f"{b64_encode(self.public)} {self.commitment}"


@dataclass(frozen=True)
class IntakeKey:
    """What scanners seal their queues of a day to: X25519 public key 32 bytes."""

    public: bytes

    def words(self) -> str:
        return b64_encode(self.public)


@dataclass(frozen=True)
class DestroyedKey:
    """A day key of the authority of which its end, or a check, is stated: its commitment (hex) as it was listed, and
    the day on which that was done."""

    commitment: str
    done: int

    def words(self) -> str:
        return f"{self.commitment} {DATES.date(self.done)}"


K = TypeVar("K", ListedKey, AuthorityKey, IntakeKey)
L = TypeVar("L", ListedKey, AuthorityKey, IntakeKey, DestroyedKey)
Owner = TypeVar("Owner", int, str)


@dataclass(frozen=True)
class _KeyList(ABC, Generic[Owner, L]):
    """Keys by day, and whose they are: what the first field of their statement says."""

    statement: ClassVar[StatementType]
    width: ClassVar[int] = 2
    owner: Owner
    keys: Mapping[int, L]
    simulated: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """The list in an opened note's text; `NoteMalformed`, also for a key that anyone could open, or that no
        verifier could use alike."""
        values = cls.statement.read(text)
        owner = cls._owner(one(values, cls.statement.fields[0].name))
        keys: dict[int, L] = {}
        last = -1
        for line in many(values, "key"):
            date, *words = line.split(" ")
            day = _day(date)
            if day <= last or len(words) != cls.width:
                raise NoteMalformed("A list of keys has one line a day, in the order of the days.")
            keys[day] = cls._key(owner, words)
            last = day
        _check_kids(keys)
        return cls(owner, MappingProxyType(keys), CLOCK.name in values)

    def text(self) -> str:
        """The note's text, ready to be signed."""
        lines = [f"{DATES.date(day)} {self.keys[day].words()}" for day in sorted(self.keys)]
        owner = {self.statement.fields[0].name: str(self.owner)}
        return self.statement.write({**owner, **clock_value(simulated=self.simulated), "key": lines})

    @staticmethod
    @abstractmethod
    def _owner(text: str) -> Owner: ...
    @staticmethod
    @abstractmethod
    def _key(owner: Owner, words: list[str]) -> L: ...


class IssuerList(_KeyList[int, ListedKey]):
    """Keys of the issuer with this number (u32)."""

    statement = ISSUER_KEYS

    @staticmethod
    def _owner(text: str) -> int:
        try:
            return decimal_decode(text, 2**32 - 1)
        except ValueError:
            raise NoteMalformed("An issuer's number is a decimal below 2³².") from None

    @staticmethod
    def _key(owner: int, words: list[str]) -> ListedKey:
        return _issuer_key(owner, *words)


class _NamedList(_KeyList[str, L]):
    @staticmethod
    def _owner(text: str) -> str:
        check_own_name(text)
        return text


class AuthorityList(_NamedList[AuthorityKey]):
    """Keys of the authority of this name."""

    statement = AUTHORITY_KEYS

    @staticmethod
    def _key(_: str, words: list[str]) -> AuthorityKey:
        return AuthorityKey(_sealing_key(words[0]), read_commitment(words[1]))


class _StatedList(_NamedList[DestroyedKey]):
    @staticmethod
    def _key(_: str, words: list[str]) -> DestroyedKey:
        return DestroyedKey(read_commitment(words[0]), _day(words[1]))


class DestroyedList(_StatedList):
    """Keys of the authority of this name that its officers say were destroyed."""

    statement = AUTHORITY_DESTROYED


class CheckedList(_StatedList):
    """Keys that k officers' shares opened: listed ones, the ring's own. Each with its commitment as it was listed, and
    the day of the check."""

    statement = AUTHORITY_CHECKED


class IntakeList(_NamedList[IntakeKey]):
    """Keys of the registry of this name."""

    statement = INTAKE_KEYS
    width = 1

    @staticmethod
    def _key(_: str, words: list[str]) -> IntakeKey:
        return IntakeKey(_sealing_key(words[0]))


BY_OFFICERS: Final[Mapping[str, type[AuthorityList | DestroyedList | CheckedList]]] = {
    listed.statement.kind: listed for listed in (AuthorityList, DestroyedList, CheckedList)
}
"""What officers sign about day keys, by its kind."""


def merge(known: Mapping[int, K], new: Mapping[int, K]) -> dict[int, K]:
    """What `new` adds to the keys seen before, by day. Raises `ListRefused` if it contradicts any of them."""
    for day, key in new.items():
        # SPEC keys.md §5.1: "The first list for a day is final."
        if known.get(day, key) != key:
            raise ListRefused(f"The list has another key for {DATES.date(day)} than the first list of that day.")
    try:
        _check_kids({**known, **new})
    except NoteMalformed as error:
        raise ListRefused(error.detail) from None
    return {day: key for day, key in new.items() if day not in known}


def _day(date: str) -> int:
    try:
        day = DATES.parse_date(date)
    except ValueError:
        raise NoteMalformed("A day is written YYYY-MM-DD.") from None
    if day < 0:
        raise NoteMalformed("There are no service days before 1970.")
    return day


@lru_cache(_KEPT)
def _issuer_key(issuer: int, kid: str, public: str) -> ListedKey:
    try:
        raw = b64_decode(public, 32)
        check_signing_key(raw)
    except (ValueError, HolderKeyInvalid):
        raise NoteMalformed("An issuer's key is a canonical Ed25519 public key of prime order.") from None
    if issuer_kid(issuer, raw).hex() != kid:
        raise NoteMalformed("A kid is not the one of its issuer and key.")
    return ListedKey(bytes.fromhex(kid), raw)


def _check_kids(keys: Mapping[int, L]) -> None:
    """Refuses two keys with one kid: a credential names its key by nothing else."""
    publics: dict[bytes, bytes] = {}
    for key in keys.values():
        if isinstance(key, ListedKey) and publics.setdefault(key.kid, key.public) != key.public:
            raise NoteMalformed("Two different keys of the list have the same kid: make another key.")


def read_sealing_key(text: str) -> bytes:
    """32 bytes in base64; raises `NoteMalformed` for a key under which anyone could open what is sealed to it."""
    try:
        raw = b64_decode(text, 32)
        check_sealing_key(raw)
    except ValueError:
        raise NoteMalformed("A key to seal to is a canonical X25519 public key of large order.") from None
    return raw


_sealing_key = lru_cache(_KEPT)(read_sealing_key)


def read_commitment(text: str) -> str:
    """64 hex digits as they came from another party; raises `NoteMalformed` for anything else."""
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise NoteMalformed("A commitment is 64 hexadecimal digits.")
    return text
