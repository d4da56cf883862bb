"""The authority's officers: k of n sign, and k of n shares join to the ring key (docs/spec/keys.md §4).

Each officer has a folder to carry away: `signing.key` (Ed25519 seed), `officer.txt` (its verifier key), `share.txt`
(one SLIP-39 share) and `ring.txt` (the keys that orders name), and `signed-keys.txt`: which day keys the officer
signed before, because what the authority's machine says it listed is no memory to rely on. What everyone else pins by
hand is `officers.txt`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from shamir_mnemonic import combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share
from shamir_mnemonic.utils import MnemonicError

from checkin.errors import CheckinError, NoteMalformed, SettingsInvalid, SharesInvalid
from checkin.files.durable import create_file, refuse_public, replace_file
from checkin.keys.ring_keys import RingKeys
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.key_list import AuthorityKey, AuthorityList, merge
from checkin.protocol.note import NoteSigner, NoteVerifier, Opened, check_own_name, open_note
from checkin.protocol.primitives import Label, OpeningKey, SigningKey, random_bytes
from checkin.protocol.statement import Field, StatementType, many, one

OFFICERS: Final = StatementType(
    "checkin/officers/v1", Field("authority"), Field("threshold"), Field("officer", repeated=True)
)
REMEMBERED_FILE: Final = "signed-keys.txt"
_MOST: Final = 16  # SLIP-39: a share's index has 4 bits


@dataclass(frozen=True)
class Officers:
    """Who may sign for the authority of this name, and how many of them it takes."""

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


def check_numbers(officers: int, threshold: int) -> None:
    """Raises `NoteMalformed` unless 2 ≤ threshold ≤ officers ≤ 16: one officer alone never suffices."""
    if not 2 <= threshold <= officers <= _MOST:
        raise NoteMalformed("At least two officers sign, of at most 16.")


def check_wish(authority: str, officers: int, threshold: int) -> None:
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


def appoint(folder: Path, authority: str, count: int, threshold: int) -> tuple[Officers, OpeningKey]:
    """Make `count` officers' folders 1, 2, … under `folder`, with the shares of a fresh ring key.

    The ring key is returned to seal to its public half; forget it. Raises `NoteMalformed` for numbers or a name
    that cannot be, `FileExistsError` where there are officers already.
    """
    check_numbers(count, threshold)
    check_own_name(authority)
    secret = random_bytes(32)
    shares = generate_mnemonics(1, [(threshold, count)], secret, passphrase=b"", iteration_exponent=0)[0]
    ring = OpeningKey(secret)
    named = RingKeys(authority, ring.public, list_signer(authority, ring).verifier.vkey)
    verifiers = []
    for number, share in enumerate(shares, start=1):
        own = folder / str(number)
        own.mkdir(mode=0o700, parents=True)
        key = SigningKey(make_secret(own / "signing.key"))
        signer = NoteSigner(f"{authority}/officer-{number}", key)
        _write_new(own / "officer.txt", signer.verifier.vkey + "\n")
        _write_new(own / "share.txt", share + "\n")
        named.keep(own)
        verifiers.append(signer.verifier)
    return Officers(authority, threshold, tuple(verifiers)), ring


def load_signer(folder: Path) -> NoteSigner:
    """The signer whose folder this is; raises `SettingsInvalid` when a file is missing or the two disagree."""
    key = SigningKey(read_secret(folder / "signing.key"))
    try:
        verifier = NoteVerifier.parse((folder / "officer.txt").read_text(encoding="utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError, CheckinError):
        raise SettingsInvalid(f"The officer's folder {folder.name} has no readable officer.txt.") from None
    if verifier.public != key.public:
        raise SettingsInvalid(f"The officer's folder {folder.name} has a signing.key that is not that of officer.txt.")
    return NoteSigner(verifier.name, key)


def load_share(folder: Path) -> str:
    """The officer's share, to be joined in the process of one trace; raises `SettingsInvalid`."""
    try:
        refuse_public(folder / "share.txt")
        return (folder / "share.txt").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"The officer's folder {folder.name} has no readable share.txt.") from None


def list_signer(authority: str, ring: OpeningKey) -> NoteSigner:
    """Who signs the lists of orders: a key that follows from the ring key, so that it needs k officers' shares."""
    return NoteSigner(f"{authority}/lists", SigningKey(ring.derive(Label.RING_LISTS)))


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


def _write_new(path: Path, text: str) -> None:
    if not create_file(path, text.encode()):
        raise FileExistsError(path)


def remembered(folder: Path) -> dict[int, AuthorityKey]:
    """The keys by day that the officer of this folder signed; raises `SettingsInvalid` for a file that says nothing."""
    try:
        return dict(AuthorityList.read((folder / REMEMBERED_FILE).read_text(encoding="utf-8")).keys)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, NoteMalformed):
        raise SettingsInvalid(f"The officer's folder {folder.name} has no readable {REMEMBERED_FILE}.") from None


def new_days(folder: Path, listed: AuthorityList) -> set[int]:
    """Days whose keys this officer has not signed yet; raises `ListRefused` if a day has another key than the one that
    this officer signed: the first list for a day is final."""
    return set(merge(remembered(folder), listed.keys))


def remember(folder: Path, listed: AuthorityList) -> None:
    """Keeps what is signed now; days before the list's first are forgotten."""
    kept = {day: key for day, key in remembered(folder).items() if day >= min(listed.keys)}
    text = AuthorityList(listed.authority, {**kept, **listed.keys}, listed.simulated).text()
    replace_file(folder / REMEMBERED_FILE, text.encode())
