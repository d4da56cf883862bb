"""Attacker: somebody who can write to a database, or a registry that owns its key and lies.

Tries: to make a visit lead to somebody else, or to hide a row, or to slip one in. Control: the same with the binding
taken away, where it works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import ClosingBroken, DayClosed, SealBroken
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.credential import open_inner, seal_inner, seal_subject, visit_context
from checkin.protocol.primitives import Label, OpeningKey, SealingKey, aead_open, aead_seal, random_bytes
from checkin.vault.closing import check_rows, close_day
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.ledger import LedgerBatch, ledger_row, open_entry, open_row
from checkin.vault.vault import Vault
from checkin.vault.visit import Visit, open_visit, seal_visit

DAY, ISSUER = 20777, 1
AUTHORITY = OpeningKey(random_bytes(32))
ISSUER_KEY = random_bytes(32)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """Of a registry or an issuer: the same thing."""
    ring = KeyRing(tmp_path / "keys", bytes(32), allow_unfit=True)
    ring.make(KeyName(Purpose.DAY, DAY), oldest=DAY)
    vault = Vault("venue", SqliteStore(tmp_path / "days", ordered=True), ring)
    yield vault
    vault.store.close()


def visit_of(subject: int) -> Visit:
    """Somebody's, at a café."""
    visit_id = random_bytes(16)
    sealed = seal_subject(ISSUER_KEY, SealingKey(AUTHORITY.public), subject, visit_context(ISSUER, DAY, visit_id))
    return Visit(b"the cafe", 29_385_780, ISSUER, visit_id, random_bytes(16), sealed)


def who(visit: Visit) -> int:
    """What a trace finds."""
    context = visit_context(visit.issuer, DAY, visit.visit_id)
    return open_inner(ISSUER_KEY, AUTHORITY.open(visit.sealed_subject, Label.SUBJECT + context), context)


def test_no_column_of_one_row_opens_in_another(vault: Vault) -> None:
    """Sealed bytes, nonce, key, group and bucket: swapped one by one between two people's rows."""
    alice, bob = (seal_visit(vault, DAY, visit_of(subject), 12) for subject in (1, 2))
    bob = replace(bob, bucket=13)
    assert who(open_visit(vault, DAY, alice)) == 1
    for column in ("sealed", "nonce", "key", "group", "bucket"):
        changes = {column: getattr(bob, column)}
        if getattr(alice, column) == changes[column]:
            continue  # both were at the same café: nothing was swapped
        with pytest.raises(SealBroken):
            open_visit(vault, DAY, replace(alice, **changes))
    swapped = replace(alice, sealed=bob.sealed, nonce=bob.nonce)
    with pytest.raises(SealBroken):
        open_visit(vault, DAY, swapped)


def test_control_without_the_columns_in_the_seal_a_swapped_row_opens() -> None:
    """The same rows under the same key, with nothing bound."""
    key, nonce, plain = random_bytes(32), random_bytes(12), visit_of(2).encode()
    bob = aead_seal(key, nonce, plain, b"")
    assert who(Visit.decode(aead_open(key, nonce, bob, b""))) == 2


def test_a_subject_moved_to_another_visit_leads_to_nobody(vault: Vault) -> None:
    """A registry seals Bob's subject into the row of a visit of its choice, with its own key. The row is fine; the
    authority's seal is bound to the visit id, and the issuer's inner one as well."""
    alice, bob = visit_of(1), visit_of(2)
    moved = replace(alice, sealed_subject=bob.sealed_subject)
    row = seal_visit(vault, DAY, moved, 12)
    assert open_visit(vault, DAY, row) == moved
    with pytest.raises(SealBroken):
        who(moved)
    # Even with the authority's help, who opens it under Bob's context, the issuer's seal does not fit Alice's visit.
    own = visit_context(ISSUER, DAY, alice.visit_id)
    inner = AUTHORITY.open(bob.sealed_subject, Label.SUBJECT + visit_context(ISSUER, DAY, bob.visit_id))
    with pytest.raises(SealBroken):
        open_inner(ISSUER_KEY, inner, own)


def test_control_an_unbound_subject_can_be_moved_to_any_visit() -> None:
    """The same two layers under one context for all: Bob was where Alice was."""
    nowhere = visit_context(ISSUER, DAY, bytes(16))
    inner = seal_inner(ISSUER_KEY, 2, nowhere)
    sealed = SealingKey(AUTHORITY.public).seal(inner, Label.SUBJECT)
    assert open_inner(ISSUER_KEY, AUTHORITY.open(sealed, Label.SUBJECT), nowhere) == 2


def test_a_ledger_row_given_to_another_person_is_refused_by_the_authority(vault: Vault) -> None:
    """The issuer, with all its keys, seals Bob's entry anew under Alice's group, so that an order about Alice would
    list Bob's visits. The entry is bound to the row's key and group."""
    public = SealingKey(AUTHORITY.public)
    rows = {
        subject: ledger_row(
            vault,
            DAY,
            subject,
            LedgerBatch(random_bytes(32), 10),
            issuer=ISSUER,
            authority=public,
            key=random_bytes(16),
        )
        for subject in (1, 2)
    }
    bob = open_row(vault, DAY, rows[2])
    forged = vault.seal(DAY, rows[1].key, rows[1].group, 0, bob.sealed)
    entry = open_row(vault, DAY, forged)
    with pytest.raises(SealBroken):
        open_entry(entry, issuer=ISSUER, day=DAY, authority=AUTHORITY)
    assert open_entry(bob, issuer=ISSUER, day=DAY, authority=AUTHORITY).count == 10


def test_a_row_slipped_in_or_taken_out_after_closing_shows(vault: Vault, tmp_path: Path) -> None:
    """Not through the service, which refuses; by hand in the file, with the key at hand. What was logged tells."""
    vault.insert(DAY, [seal_visit(vault, DAY, visit_of(subject), 12) for subject in (1, 2)])
    digest = close_day(vault, DAY).digest
    check_rows(vault, DAY, digest)  # the control: an untouched day passes
    extra = seal_visit(vault, DAY, visit_of(3), 12)
    with pytest.raises(DayClosed):
        vault.insert(DAY, [extra])
    database = sqlite_utils.Database(tmp_path / "days" / f"day-{DAY}.db")
    with database.conn:
        columns = (extra.key, extra.group, extra.bucket, extra.nonce, extra.sealed)
        database.execute('INSERT INTO "rows" ("key", "group", bucket, nonce, sealed) VALUES (?, ?, ?, ?, ?)', columns)
    with pytest.raises(ClosingBroken):
        check_rows(vault, DAY, digest)
    with database.conn:
        database.execute('DELETE FROM "rows" WHERE "key" = ?', [extra.key])
    check_rows(vault, DAY, digest)
    with database.conn:
        database.execute('DELETE FROM "rows" WHERE rowid = (SELECT min(rowid) FROM "rows")')
    with pytest.raises(ClosingBroken):
        check_rows(vault, DAY, digest)
    database.close()
