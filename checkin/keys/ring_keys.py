"""`ring.txt` in each officer's own folder: the keys that every order of the authority must name (docs/spec/keys.md §4).

An order is drafted on a machine that the officer does not carry. Whoever drafts one to keys of their own would read the
answers: so each officer holds an order against what came with the share.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from checkin.errors import NoteMalformed, SettingsInvalid
from checkin.files.durable import create_file
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.statement import Field, StatementType, one

RING_FILE: Final = "ring.txt"
RING: Final = StatementType("checkin/ring/v1", Field("authority"), Field("ring"), Field("list-key"))


@dataclass(frozen=True)
class RingKeys:
    """The public half of an authority's ring key (X25519, 32 bytes), and the verifier key of its lists of orders."""

    authority: str
    public: bytes
    list_key: str

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Those of the officer of this folder; None in a folder of an earlier version. Raises `SettingsInvalid`."""
        try:
            values = RING.read((folder / RING_FILE).read_text(encoding="utf-8"))
            return cls(one(values, "authority"), b64_decode(one(values, "ring"), 32), one(values, "list-key"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, NoteMalformed):
            raise SettingsInvalid(f"The officer's folder {folder.name} has no readable {RING_FILE}.") from None

    def keep(self, folder: Path) -> None:
        """Writes them into an officer's folder, once and for all; raises `SettingsInvalid` where others are there."""
        values = {"authority": self.authority, "ring": b64_encode(self.public), "list-key": self.list_key}
        if not create_file(folder / RING_FILE, RING.write(values).encode()) and self.load(folder) != self:
            raise SettingsInvalid(f"The officer's folder {folder.name} has a {RING_FILE} of another ring.")
