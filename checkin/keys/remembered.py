"""What an officer signed before about day keys: `signed-keys.txt` in the officer's own folder, which is carried away.

The authority's machine makes the lists; what it listed earlier is no memory that an officer can rely on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from checkin.errors import NoteMalformed, SettingsInvalid
from checkin.files.durable import replace_file
from checkin.protocol.key_list import AuthorityKey, AuthorityList, merge

REMEMBERED_FILE: Final = "signed-keys.txt"


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
