"""Long notes in the databases: a list of keys stays in one piece, or half a hash in it could read as a phone number."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.audit.sweep import sweep
from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import AUTHORITY_KEYS
from retention.log_state import LogState
from retention.statement_intake import MAX_DAYS
from retention.statements import ServiceStatements, Stated
from tests.support.service_folder import CALENDAR, DAY

LIKE_A_PHONE = "01012345678a0119876543b" * 4


def lists() -> list[str]:
    """From a month of days to the most that the log takes; three officers signed each. The commitments are such that a
    rest of one often reads as a phone number."""
    notes = []
    for days in range(28, MAX_DAYS + 1, 3):
        digests = (LIKE_A_PHONE[(day + days) % 23 :][:64] for day in range(days))
        lines = [f"key {CALENDAR.date(DAY + at)} {b64_encode(bytes(32))} {hex_}\n" for at, hex_ in enumerate(digests)]
        text = f"{AUTHORITY_KEYS.kind}\nauthority health.example\n{''.join(lines)}"
        notes.append(f"{text}\n" + f"\N{EM DASH} health.example/officer {b64_encode(bytes(68))}\n" * 3)
    return notes


@pytest.mark.parametrize("closed", [False, True])
def test_no_list_of_keys_in_a_database_is_taken_for_phone_numbers(tmp_path: Path, *, closed: bool) -> None:
    """Neither in the file nor in its write-ahead log, however many days it has."""
    statements, log = ServiceStatements(tmp_path / "retention.db"), LogState(tmp_path / "log.sqlite", "log.example")
    for place, note in enumerate(lists()):
        stated = Stated(place, "health.example", AUTHORITY_KEYS.kind, "", "", note, CALENDAR.date(DAY))
        statements.add([(stated, bytes(31) + bytes([place]))])
        log.sequence([note.encode()])
    if closed:
        statements.close()
        log.close()
    assert sweep(tmp_path).hits == ()
    statements.close()
    log.close()
