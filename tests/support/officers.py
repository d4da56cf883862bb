"""An authority of two of three officers, and what they sign that days are to be destroyed early, for tests."""

from __future__ import annotations

from typing import Final

from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.purge.statement_store import EARLY_DESTRUCTION
from checkin.service.settings import AuthoritySettings
from tests.support.service_folder import CALENDAR

OFFICERS: Final = [NoteSigner(f"health.example/officer-{n}", SigningKey(bytes([n]) * 32)) for n in (1, 2, 3)]
AUTHORITY: Final = AuthoritySettings(name="health.example", officers=tuple(o.verifier.vkey for o in OFFICERS))
TABLE: Final = (
    f'[authority]\nname = "{AUTHORITY.name}"\nofficers = ["'
    + '", "'.join(key.vkey for key in AUTHORITY.verifiers)
    + '"]\n'
)
"""The same, as settings have it."""


def early_note(first: int, last: int, /, officers: int = 2, **changed: str) -> str:
    """Signed on the last of these days, under a simulated clock; `changed`: other values, '' for none."""
    days = {name: CALENDAR.date(day) for name, day in (("first", first), ("last", last), ("day", last))}
    named = {"authority": AUTHORITY.name, "service": "registry.example", "reason": "A server was stolen."}
    values = {**days, **named, "clock": "simulated"} | changed
    return sign_note(EARLY_DESTRUCTION.write({k: v for k, v in values.items() if v}), *OFFICERS[:officers])
