"""Attacker: somebody with the issuer's and the registry's files of a day, and both day keys, but no officer.

Holds: the ledger, whose rows he can tell apart by person; the visits, with place and minute. Tries: to join them by the
order in which the ledger's rows lie in the file. Control: the codes were fetched one by one, each when it was needed,
into a store that keeps its order, as in systems that renew a code from the server.
"""

from __future__ import annotations

import random
from pathlib import Path

import sqlite_utils

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.encoding import u64be
from checkin.protocol.primitives import OpeningKey, SealingKey, random_bytes
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.ledger import LedgerBatch, ledger_row
from checkin.vault.vault import Vault

DAY, PEOPLE = 20777, 200


def ledger(folder: Path, *, ordered: bool) -> Vault:
    """An empty one."""
    ring = KeyRing(folder / "keys", bytes(32), allow_unfit=True)
    ring.make(KeyName(Purpose.DAY, DAY), oldest=DAY)
    return Vault("issuer", SqliteStore(folder / "ledger", ordered=ordered), ring)


def fetch(vault: Vault, people: list[int]) -> None:
    """Everybody takes a batch, one after the other."""
    authority = SealingKey(OpeningKey(random_bytes(32)).public)
    for person in people:
        batch, key = LedgerBatch(random_bytes(32), 10), random_bytes(16)
        vault.insert(DAY, [ledger_row(vault, DAY, person, batch, issuer=1, authority=authority, key=key)])


def order_in_the_file(vault: Vault, folder: Path) -> list[int]:
    """What the attacker sees: whose row lies where, by the bytes of the file, the write-ahead log included."""
    whose = {vault.mac(DAY, u64be(person)): person for person in range(PEOPLE)}
    content = b"".join(path.read_bytes() for path in sorted((folder / "ledger").iterdir()))
    at = {content.find(row.sealed): whose[row.group] for row in vault.store.rows(DAY)}
    assert min(at) >= 0
    return [at[place] for place in sorted(at)]


def hits(guessed: list[int], visited: list[int]) -> int:
    """How many visits the attacker names rightly, when he takes the n-th row for the n-th visit, from either end."""
    ways = (guessed, guessed[::-1])
    return max(sum(one == other for one, other in zip(way, visited, strict=True)) for way in ways)


def test_batches_of_a_day_in_a_ledger_without_order_join_no_visit_by_time(tmp_path: Path) -> None:
    """No better than chance, which names one of all people, now and then four; more than twelve once in a billion."""
    dice = random.Random(7)
    visited, fetched = list(range(PEOPLE)), list(range(PEOPLE))
    dice.shuffle(visited)
    dice.shuffle(fetched)  # at a random hour, before anybody goes anywhere
    vault = ledger(tmp_path, ordered=False)
    fetch(vault, fetched)
    vault.store.settle(DAY)
    assert hits(order_in_the_file(vault, tmp_path), visited) <= 12
    vault.store.close()


def test_even_if_batches_were_fetched_in_the_order_of_visits_the_settled_file_has_forgotten_it(tmp_path: Path) -> None:
    """The worst day: everybody opens the wallet for the first time at the door."""
    visited = list(range(PEOPLE))
    random.Random(8).shuffle(visited)
    vault = ledger(tmp_path, ordered=False)
    fetch(vault, visited)
    vault.store.settle(DAY)
    assert hits(order_in_the_file(vault, tmp_path), visited) <= 12
    vault.store.close()


def test_control_codes_fetched_per_use_into_a_store_that_keeps_its_order_join_everybody(tmp_path: Path) -> None:
    """The same attacker, the same guess."""
    visited = list(range(PEOPLE))
    random.Random(9).shuffle(visited)
    vault = ledger(tmp_path, ordered=True)
    fetch(vault, visited)
    vault.store.settle(DAY)
    # SQLite fills each page from its end, so runs lie backwards; an attacker sorts that out by the row ids.
    assert hits(sorted_by_rowid(tmp_path, vault), visited) == PEOPLE
    vault.store.close()


def sorted_by_rowid(folder: Path, vault: Vault) -> list[int]:
    """The order of insertion, which an ordered store keeps."""
    whose = {vault.mac(DAY, u64be(person)): person for person in range(PEOPLE)}
    database = sqlite_utils.Database(folder / "ledger" / f"day-{DAY}.db")
    people = [whose[group] for (group,) in database.execute('SELECT "group" FROM "rows" ORDER BY rowid').fetchall()]
    database.close()
    return people
