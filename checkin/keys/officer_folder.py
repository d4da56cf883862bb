"""An officer's folder, to be carried away (docs/spec/keys.md §4): `signing.key` (Ed25519 seed), `officer.txt` (its
verifier key), `share.txt` (one SLIP-39 share) and `ring.txt` (the keys that orders name), and `signed-keys.txt`: which
day keys the officer signed before, because what the authority's machine says it listed is no memory to rely on.

An order is drafted on a machine that the officer does not carry. An attacker who drafts one to keys of their own would
read the answers: so each officer holds an order against what came with the share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shamir_mnemonic import generate_mnemonics

from checkin.errors import CheckinError, NoteMalformed, SettingsInvalid
from checkin.files.durable import create_file, replace_file, secret_text
from checkin.keys.officers import Officers, RingKeys, check_numbers
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol.key_list import AuthorityKey, AuthorityList, merge
from checkin.protocol.note import NoteSigner, NoteVerifier, check_own_name
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes

RING_FILE: Final = "ring.txt"
REMEMBERED_FILE: Final = "signed-keys.txt"


def appoint(folder: Path, authority: str, count: int, threshold: int, first: int = 1) -> tuple[Officers, OpeningKey]:
    """Make `count` officers' folders, numbered from `first` on, under `folder`, with the shares of a fresh ring key.

    The ring key is returned to seal to its public half; forget it. Raises `NoteMalformed` for numbers or a name
    that cannot be, `FileExistsError` where there are officers already.
    """
    check_numbers(count, threshold)
    check_own_name(authority)
    secret = random_bytes(32)
    shares = generate_mnemonics(1, [(threshold, count)], secret, passphrase=b"", iteration_exponent=0)[0]
    ring = OpeningKey(secret)
    named = RingKeys.of(authority, ring)
    verifiers = []
    for number, share in enumerate(shares, first):
        own = folder / str(number)
        own.mkdir(mode=0o700, parents=True)
        key = SigningKey(make_secret(own / "signing.key"))
        signer = NoteSigner(f"{authority}/officer-{number}", key)
        create_file(own / "officer.txt", f"{signer.verifier.vkey}\n".encode())
        create_file(own / "share.txt", f"{share}\n".encode())
        keep_ring_keys(own, named)
        verifiers.append(signer.verifier)
    return Officers(authority, threshold, tuple(verifiers)), ring


def load_signer(folder: Path) -> NoteSigner:
    """The signer of this folder; raises `SettingsInvalid` when a file is missing or the two disagree."""
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
    return secret_text(folder / "share.txt", f"The officer's folder {folder.name} has no readable share.txt.")


def load_ring_keys(folder: Path) -> RingKeys | None:
    """Those of the officer of this folder; None in a folder of an earlier version. Raises `SettingsInvalid`."""
    try:
        return RingKeys.read((folder / RING_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, NoteMalformed):
        raise SettingsInvalid(f"The officer's folder {folder.name} has no readable {RING_FILE}.") from None


def keep_ring_keys(folder: Path, keys: RingKeys) -> None:
    """Writes them into an officer's folder, once and for all; raises `SettingsInvalid` where others are there."""
    if not create_file(folder / RING_FILE, keys.text().encode()) and load_ring_keys(folder) != keys:
        raise SettingsInvalid(f"The officer's folder {folder.name} has a {RING_FILE} of another ring.")


def remembered(folder: Path) -> dict[int, AuthorityKey]:
    """The keys by day that the officer of this folder signed; raises `SettingsInvalid` for a file that says nothing."""
    try:
        return dict(AuthorityList.read((folder / REMEMBERED_FILE).read_text(encoding="utf-8")).keys)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, NoteMalformed):
        raise SettingsInvalid(f"The officer's folder {folder.name} has no readable {REMEMBERED_FILE}.") from None


def new_days(folder: Path, listed: AuthorityList) -> set[int]:
    """Listed days that this officer has signed no key for; raises `ListRefused` if a day has another key than the one
    that this officer signed: the first list for a day is final."""
    return set(merge(remembered(folder), listed.keys))


def remember(folder: Path, listed: AuthorityList) -> None:
    """Keeps what is signed now; days before the list's first are forgotten."""
    kept = {day: key for day, key in remembered(folder).items() if day >= min(listed.keys)}
    text = AuthorityList(listed.owner, {**kept, **listed.keys}, listed.simulated).text()
    replace_file(folder / REMEMBERED_FILE, text.encode())
