"""Other officers with another ring key take the place of an authority's, under the day keys that it has
(docs/spec/keys.md §4).

A day's key stays what it is, and so does what issuers were given: only what its slot is sealed to changes, in place.
Until the last slot is done both rings' shares are needed, so those of the new one lie in the folder from the start,
and every step can be repeated:

renewal/officers/4, 5, …                the folders of the new officers
renewal/officers.txt, authority.txt     what takes the place of those, signed with the list key of the ring of now:
                                        no foreign folder is taken for one that was begun
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from checkin.errors import SealBroken, SettingsInvalid, SharesInvalid
from checkin.files.durable import private_folder, replace_file, sync_folder
from checkin.keys.officer_folder import appoint, load_share, load_signer, remember, remembered
from checkin.keys.officers import Officers, RingKeys, check_appointment, join_shares, list_signer, threshold_of
from checkin.parties.authority import Authority
from checkin.parties.authority_folder import CHECKED_FILE, DESTROYED_FILE, FORMER, RENEWAL, AuthorityFolder
from checkin.protocol.key_list import AuthorityKey, AuthorityList, merge
from checkin.protocol.note import NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import OpeningKey
from checkin.shown import shown

_DRAFT: Final = "renewal.draft"
_TEXTS: Final = ("officers.txt", "authority.txt")


@dataclass(frozen=True)
class Renewed:
    """The officers from now on, and where their folders are; days of which no slot opened, under either ring."""

    officers: Officers
    folders: tuple[Path, ...]
    unopened: tuple[int, ...]


def exchange_officers(authority: AuthorityFolder, present: Sequence[Path], count: int, threshold: int) -> Renewed:
    """Exchanges all officers and the ring; `present`: the folders of enough of the former ones. What they
    signed in the log stays good; orders, and what waits to be signed, are to be written anew.

    Raises `SharesInvalid`, `ListRefused` when two of them signed different keys of a day; `SettingsInvalid` for
    numbers that cannot be. Can be repeated after a crash, and then goes on with the officers appointed before.
    """
    with authority.alone():
        begun, draft = authority.folder / RENEWAL, authority.folder / _DRAFT
        if not begun.exists():
            _appoint(authority, present, count, threshold)
        ring, unopened = join_shares(map(load_share, present)), tuple[int, ...]()
        new = _begun(authority, ring)
        if new.ring_keys != authority.ring_keys:  # otherwise a crash came after the last step but this one
            unopened = _exchange(authority, ring, new)
        begun.rename(draft)
        sync_folder(authority.folder)
        shutil.rmtree(draft, ignore_errors=True)
        return Renewed(new.officers, tuple(_folders(authority.folder, new.officers)), unopened)


def _appoint(authority: AuthorityFolder, present: Sequence[Path], count: int, threshold: int) -> None:
    """The folder `renewal`, whole or not there. A draft that a crash left opens nothing."""
    check_appointment(authority.officers.authority, count, threshold)
    signer = list_signer(authority.officers.authority, authority.ring.unlock(map(load_share, present)))
    _require_present(authority.officers, present)
    first, keys = 1 + max(map(_number, authority.officers.verifiers)), _remembered(authority.officers, present)
    draft = authority.folder / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    private_folder(draft)
    officers, ring = appoint(draft / "officers", authority.officers.authority, count, threshold, first)
    for path in (draft / "officers").iterdir() if keys else ():
        remember(path, AuthorityList(officers.authority, keys, authority.simulated))
    new = replace(authority, officers=officers, ring_keys=RingKeys.of(officers.authority, ring))
    for name, text in zip(_TEXTS, (officers.text(), new.text()), strict=True):
        replace_file(draft / name, sign_note(text, signer).encode())
    draft.rename(authority.folder / RENEWAL)
    sync_folder(authority.folder)


def _require_present(officers: Officers, present: Sequence[Path]) -> None:
    """Raises `SettingsInvalid` where officers.txt, which was only pinned by others, is not what their folders say."""
    vkeys = {verifier.vkey for verifier in officers.verifiers}
    if not vkeys.issuperset(load_signer(path).verifier.vkey for path in present):
        raise SettingsInvalid("An officer of these is not in officers.txt: compare it with what is pinned.")
    if any(threshold_of(load_share(path)) != officers.threshold for path in present):
        raise SettingsInvalid(
            "The threshold in officers.txt is not that of the shares: compare it with what is pinned."
        )


def _remembered(officers: Officers, present: Sequence[Path]) -> dict[int, AuthorityKey]:
    """The keys that enough officers signed before; one alone makes no other one remember. Raises `ListRefused`."""
    keys, times = dict[int, AuthorityKey](), Counter[int]()
    for path in present:
        known = remembered(path)
        keys |= merge(keys, known)
        times.update(known.keys())
    return {day: keys[day] for day in sorted(keys) if times[day] >= officers.threshold}


def _begun(authority: AuthorityFolder, ring: OpeningKey) -> Authority:
    """What takes over; raises `NoteMalformed`, `NoteUntrusted` where others than k of the former officers began that,
    `SettingsInvalid` for a folder that no renewal left."""
    verifier = list_signer(authority.officers.authority, ring).verifier
    try:
        officers, text = (open_note(_text(authority.folder / RENEWAL, name), [verifier]).text for name in _TEXTS)
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(
            f"No renewal left the folder {RENEWAL} so: find out whose it is, and remove it."
        ) from None
    return Authority.read(text, Officers.read(officers))


def _exchange(authority: AuthorityFolder, ring: OpeningKey, new: Authority) -> tuple[int, ...]:
    """Seals every slot to the new ring, and lets its officers take over; the days that opened under neither ring. What
    could stop the last steps is looked at before the first slot. Raises `SharesInvalid`, `SettingsInvalid`."""
    folders = list(_folders(authority.folder, new.officers))
    following = join_shares(map(load_share, folders))
    if ring.public != authority.ring.public or RingKeys.of(new.officers.authority, following) != new.ring_keys:
        raise SharesInvalid
    private_folder(authority.folder / "officers")
    for path in folders:
        if path.is_relative_to(authority.folder / RENEWAL) and (authority.folder / "officers" / path.name).exists():
            raise SettingsInvalid(f"officers/{path.name} is there already: move it elsewhere, then repeat.")
    unopened = []
    for day in authority.ring.days():
        try:
            authority.ring.reseal(day, ring, following)
        except SealBroken:
            unopened.append(day)
    _take_over(authority.folder, new)
    return tuple(unopened)


def _take_over(folder: Path, new: Authority) -> None:
    """`authority.txt` last: once it names the ring that follows, nothing needs the former one any more. What the former
    officers began to sign goes: with their lines it would be refused."""
    for path in _folders(folder, new.officers):
        if path.is_relative_to(folder / RENEWAL):
            path.rename(folder / "officers" / path.name)
    sync_folder(folder / "officers")
    if (former := _text(folder, "officers.txt")) != new.officers.text():
        private_folder(folder / FORMER)
        last = max(map(_number, Officers.read(former).verifiers))
        replace_file(folder / FORMER / f"{last}.txt", former.encode())
    for name in (DESTROYED_FILE, CHECKED_FILE):
        (folder / name).unlink(missing_ok=True)
    for name, text in zip(_TEXTS, (new.officers.text(), new.text()), strict=True):
        replace_file(folder / name, text.encode())


def _folders(folder: Path, officers: Officers) -> Iterator[Path]:
    """Of these officers, where they are by now."""
    for number in map(_number, officers.verifiers):
        places = [folder / RENEWAL / "officers" / str(number), folder / "officers" / str(number)]
        yield places[0] if places[0].exists() else places[1]


def _number(verifier: NoteVerifier) -> int:
    """Of `health.example/officer-3`; raises `SettingsInvalid` for another name."""
    number = verifier.name.rpartition("/officer-")[2]
    if not (number.isascii() and number.isdecimal()):
        raise SettingsInvalid(f"The officer {shown(verifier.name)} has no number: the folder is none that init made.")
    return int(number)


def _text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")
