"""The time, signed together with the asker's nonce, so that an old answer says nothing about now."""

from __future__ import annotations

import re
from typing import Final

from checkin.clock import parse_rfc3339
from checkin.errors import NoteUntrusted
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.statement import CLOCK, StatementType, one

TIME_STATEMENT: Final = StatementType("checkin/time/v1", "service", "nonce", "time", CLOCK)
NONCE: Final = "^[A-Za-z0-9_-]{16,64}$"
"""The form of a nonce that a service takes."""
# SPEC labels.md §3: "RFC 3339 with an offset, cut to the second"
_HOUR, _SIXTY = "([01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME: Final = re.compile(f"[0-9]{{4}}(-[0-9]{{2}}){{2}}T{_HOUR}:{_SIXTY}:{_SIXTY}(Z|[+-]{_HOUR}:{_SIXTY})")


def read_time(note: str, verifier: NoteVerifier, nonce: str) -> float:
    """Unix seconds; raises `NoteMalformed`, or `NoteUntrusted` for another signer or another question."""
    text = open_note(note, [verifier]).text
    if one(TIME_STATEMENT.read(text), "service") != verifier.name:
        raise NoteUntrusted("The signed time is not this service's.")
    return stated_time(text, nonce)


def stated_time(text: str, nonce: str) -> float:
    """Unix seconds that a note's text states; the signer is not checked. Raises as `read_time`."""
    values = TIME_STATEMENT.read(text)
    if one(values, "nonce") != nonce:
        raise NoteUntrusted("The signed time is not the answer to this question.")
    time = one(values, "time")
    try:
        if _TIME.fullmatch(time):
            return parse_rfc3339(time)
    except ValueError:
        pass
    raise NoteUntrusted("The signed time is no time.")
