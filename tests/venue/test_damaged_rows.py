"""A row of the day that the disk has damaged takes nothing from the others: no upload stops at it, no order ends with
it, and a key slot that does not open turns nobody away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from checkin.errors import KeyMissing
from checkin.keys.key_ring import KeyName, Purpose
from checkin.orders.part import CONTACTS
from checkin.orders.rows import ListedVisit
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from checkin.vault.vault import Vault
from checkin.vault.visit import visit_key
from tests.support.orders import part_of, person_order
from tests.support.registry_service import Phone, check_in, sealed, upload
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.venue.conftest import Scene
from tests.venue.test_checkins import code, vault_of
from tests.venue.test_conflicts import traces, visits_at
from tests.venue.test_scan_batches import entry

MIDNIGHT = CALENDAR.start(DAY + 1)


def damage(scene: Scene, phone: Phone) -> None:
    """The row of the code's visit does not open any more."""
    vault = vault_of(scene.registry)
    key = visit_key(vault, DAY, phone.visit_id)
    vault.store.close()
    file = scene.registry.folder / "data" / "visits" / f"day-{DAY}.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as day:
        assert day.execute('UPDATE "rows" SET sealed = zeroblob(length(sealed)) WHERE "key" = ?', [key]).rowcount == 1


def test_a_scan_that_meets_a_damaged_row_is_kept_beside_it_and_stops_no_upload(scene: Scene) -> None:
    phone, scan = scene.phone(), random_bytes(16)
    batch = [entry(scene, phone, NOON, scan), entry(scene, scene.phone())]
    assert upload(scene.client, scene.at, batch[:1]) == ["accepted"]
    damage(scene, phone)
    assert upload(scene.client, scene.at, batch) == ["conflict", "accepted"]
    assert upload(scene.client, scene.at, batch) == ["conflict", "repeated"]
    vault = vault_of(scene.registry)
    assert vault.store.measure(DAY).rows == 3
    vault.store.close()


def test_a_code_whose_row_is_damaged_is_used_all_the_same(scene: Scene) -> None:
    phone, scan = scene.phone(), b64url_encode(random_bytes(16))
    assert code(check_in(scene.client, scene.at, phone.at(NOON), scan)) == "accepted"
    damage(scene, phone)
    assert code(check_in(scene.client, scene.at, phone.at(NOON), scan)) == "already_used"


def test_an_order_leaves_a_damaged_row_out_and_says_so(scene: Scene) -> None:
    patient, other, damaged = scene.phone(), scene.phone(), scene.phone()
    upload(scene.client, scene.at, [entry(scene, one) for one in (patient, other, damaged)])
    damage(scene, damaged)
    kinds = [row.partition(" ")[0] for row in visits_at(scene, scene.at)]
    assert kinds == ["visit", "visit", "venue", "damaged"]
    part = part_of(person_order(DAY, DAY), CONTACTS)
    listed = [ListedVisit(scene.issuer.number, DAY, one.visit_id).line() for one in (patient, damaged)]
    with traces(scene) as found:
        rows = found.contacts(part, listed).rows
    assert [row for row in rows if row.startswith("damaged")] == ["damaged 1"]
    assert [row.split(" ")[3] for row in rows if row.startswith("visit")] == [other.visit_id.hex()]


def test_a_day_whose_key_is_lost_keeps_no_visit_of_another_day_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.registry.set(MIDNIGHT + 60)
    lost, kept = scene.phone(), scene.phone(DAY + 1)
    batch = [entry(scene, lost, NOON), sealed(scene.at, scene.intake, kept.bytes_at(MIDNIGHT + 30), MIDNIGHT + 30)]
    insert = Vault.insert

    def refuse(vault: Vault, day: int, rows: Any) -> list[bool]:
        if day == DAY:
            raise KeyMissing
        return insert(vault, day, rows)

    monkeypatch.setattr(Vault, "insert", refuse)
    answer = scene.client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(scene.at.scanner))
    assert (answer.status_code, code(answer)) == (503, "key_missing")
    assert upload(scene.client, scene.at, batch[1:]) == ["repeated"]


def test_a_key_slot_that_does_not_open_turns_nobody_away(scene: Scene) -> None:
    """503, at which a door queues."""
    assert code(check_in(scene.client, scene.at, scene.phone().at(NOON))) == "accepted"
    slot = scene.registry.folder / "keys" / f"{KeyName(Purpose.DAY, DAY)}.slot"
    whole = slot.read_bytes()
    with slot.open("r+b") as file:
        file.seek(40)
        file.write(b"damaged!")
    with scene.registry.client() as fresh:  # the running one has opened it before
        answer = check_in(fresh, scene.at, scene.phone().at(NOON))
        assert (answer.status_code, code(answer)) == (503, "not_ready")
        with slot.open("r+b") as file:
            file.write(whole)
        assert code(check_in(fresh, scene.at, scene.phone().at(NOON))) == "accepted"
