"""How long a trace takes: `checkin bench trace [--contacts N] [--rounds R] [--json]`.

Real services over HTTP; the contacts' accounts and visits are made beside HTTP, because only the trace is measured:
writing nothing, from the signed order to the finished table. Beside it the bare cryptography that nobody can leave
out: one opened seal of the authority and one of the issuer for each contact.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from checkin.keys.key_ring import KeyRing
from checkin.keys.secret_file import read_secret
from checkin.orders.part import MAX_ROWS
from checkin.protocol.credential import Mode, open_inner, read, seal_inner, visit_context
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, SigningKey, random_bytes
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit, seal_visit
from issuer.contact import Contact
from tests.support.deployment_in_threads import SECOND, Country, country, person_order, venue_order
from tests.support.registry_service import Enrolled
from tests.support.service_folder import CALENDAR, DAY, NOON


def fill(made: Country, door: Enrolled, contacts: int) -> None:
    """Half of the contacts are with each issuer; each has a batch and one visit around noon."""
    folder, key = made.deployment.folder / "venue", read_secret(made.deployment.folder / "venue" / "master.key")
    ring = KeyRing(folder / "keys", key, allow_unfit=True)
    vault = Vault("venue", SqliteStore(folder / "data" / "visits", ordered=True), ring)
    rows = []
    for number in range(contacts):
        issuer = made.apps["issuer" if number % 2 else SECOND].state.issuer
        contact = Contact(f"Contact {number}", f"+8210{50000000 + number}")
        token = issuer.accounts.register(contact).token
        keys = [SigningKey(random_bytes(32)).public for _ in range(10)]
        issued = issuer.batches.issue(issuer.identities.find(token), DAY, Mode.SCREEN, keys)
        credential = read(issued[0].credential)
        minute = int(NOON // 60) - 60 + number % 120
        where = bytes.fromhex(door.venue_id)
        visit = Visit(
            where, minute, issuer.settings.issuer, credential.visit_id, random_bytes(16), credential.sealed_subject
        )
        rows.append(seal_visit(vault, DAY, visit, CALENDAR.hour(DAY, minute * 60)))
    assert all(vault.insert(DAY, rows))
    vault.store.close()


def bare(contacts: int) -> float:
    """Seconds for the seals alone."""
    key, inner_key = OpeningKey(random_bytes(32)), random_bytes(32)
    context = visit_context(1, DAY, random_bytes(16))
    sealed = SealingKey(key.public).seal(seal_inner(inner_key, 5, context), Label.SUBJECT + context)
    begun = perf_counter()
    for _ in range(contacts):
        open_inner(inner_key, key.open(sealed, Label.SUBJECT + context), context)
    return perf_counter() - begun


def measure(contacts: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round."""
    figures: dict[str, list[float]] = {"person order": [], "venue order": [], "the same again": [], "bare seals": []}
    with tempfile.TemporaryDirectory() as folder, country(Path(folder) / "c") as made:
        door, patient = made.door("Hall"), made.person()
        made.visit(patient, door, NOON)
        fill(made, door, contacts)
        for number in range(rounds):
            wishes = {"person order": person_order(patient), "venue order": venue_order(door, NOON - 7200, NOON + 7200)}
            for name, wish in wishes.items():
                signed = made.signed(f"{name}-{number}", replace(wish, limit=MAX_ROWS))
                begun = perf_counter()
                result = made.execute(signed)
                figures[name].append(perf_counter() - begun)
                assert len(result.people) == contacts + (name == "venue order")
                result.csv()
            begun = perf_counter()
            made.execute(signed)
            figures["the same again"].append(perf_counter() - begun)
            figures["bare seals"].append(bare(contacts))
    return figures


def main() -> None:
    """Runs the rounds and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description="Measures tracing.")
    parser.add_argument("--contacts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.contacts, options.rounds)
    table = {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in figures.items()
    }
    if options.json:
        print(json.dumps({"contacts": options.contacts, "rounds": options.rounds, "figures": table}))
        return
    print(f"{options.contacts:,} contacts, {options.rounds} rounds, seconds{'median':>16}{'min':>12}{'max':>12}")
    for name, value in table.items():
        print(f"{name:40}{value['median']:>12.3f}{value['min']:>12.3f}{value['max']:>12.3f}")


if __name__ == "__main__":
    main()
