"""What ended for good at the registry, ended again in a database that was put back (docs/spec/keys.md §7)."""

from __future__ import annotations

from typing import Final

from checkin.files.tables import Commit, Values
from checkin.keys.journal import Ending
from checkin.protocol.primitives import random_bytes
from venue.database import SCANNERS

SCANNER: Final = "scanner"
OPERATOR: Final = "operator"  # another operator's token: its SHA-256, and that of the one it took the place of
CLOSED: Final = "venue"
_HASH: Final = 32
_AGAIN: Final = {
    # What ended with the one reason does not come back with the other, in whatever order two journals tell it.
    SCANNER: """UPDATE scanners SET revoked = 1,
        uploads_until = CASE WHEN revoked = 1 AND uploads_until = 0 THEN 0 ELSE :until END WHERE id = :name""",
    OPERATOR: """UPDATE venues SET operator_sha256 = CASE
        WHEN operator_sha256 = :value OR operator_sha256 = :replaced THEN :value ELSE :void END WHERE id = :name""",
    CLOSED: "UPDATE venues SET closed = 1 WHERE id = :name",
}


def end_again(commit: Commit, ending: Ending) -> None:
    """The venue or scanner may be unknown to the database."""
    value = bytes.fromhex(ending.value)
    values: Values = {"name": ending.name, "until": int.from_bytes(value[:8])}
    if ending.kind == OPERATOR:
        # Which of two renewals at two machines was later their journals do not know: then no token holds.
        now, replaced = value[:_HASH], value[_HASH:]  # the second is not in lines of earlier versions
        values = {**values, "value": now, "replaced": replaced, "void": random_bytes(_HASH) if replaced else now}
    commit.execute(_AGAIN[ending.kind], values)
    commit.changed(SCANNERS)


def end_all(commit: Commit) -> None:
    """In a database so old that nobody knows any more what ended since: every scanner and every operator's token."""
    commit.execute("UPDATE scanners SET revoked = 1, uploads_until = 0")
    renew = "UPDATE venues SET operator_sha256 = :hashed WHERE id = :venue"
    venues = [{"hashed": random_bytes(32), "venue": venue} for (venue,) in commit.execute("SELECT id FROM venues")]
    commit.many(renew, venues)
    commit.changed(SCANNERS)
