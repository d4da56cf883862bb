"""Attacker: a visitor who takes a day's codes, deletes the account, and then visits, to be nobody in a trace.

Control: the same with an issuer that forgets the identity at once; then the trace finds a seal that leads to nobody.
"""

from __future__ import annotations

from pathlib import Path

import sqlite_utils

from tests.support.deployment_in_threads import Country, Person, country, venue_order
from tests.support.registry_service import Enrolled
from tests.support.service_folder import DAY, NOON

HOUR = 3600.0


def leave(made: Country, person: Person) -> None:
    """Forget me."""
    with made.client("issuer", person.wallet.token) as client:
        assert client.delete("/v1/wallet").is_success
        assert client.get("/v1/wallet").status_code == 401


def found(made: Country, name: str, door: Enrolled) -> list[str]:
    """The names that an order for the café's hours brings."""
    result = made.trace(name, venue_order(door, NOON - HOUR, NOON + HOUR))
    return sorted(person.name for person in result.people)


def test_codes_taken_before_an_account_was_deleted_still_lead_to_their_holder(tmp_path: Path) -> None:
    """The identity is kept, sealed, until the last day it was issued for is destroyed; nothing more is issued."""
    with country(tmp_path / "c") as made:
        door, leaver = made.door("Café"), made.person(name="Leaver")
        leaver.fetch(DAY)
        leave(made, leaver)
        made.visit(leaver, door, NOON)
        assert found(made, "kept", door) == ["Leaver"]
        database = sqlite_utils.Database(made.deployment.folder / "issuer" / "data" / "issuer.db")
        database.execute("DELETE FROM identities")
        database.conn.commit()
        database.close()
        assert found(made, "forgotten", door) == []
