"""`checkin purge` of a registry on a ring, with nothing but its settings: what it destroys, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from checkin.cli import purge
from checkin.clock import RETENTION_DAYS
from checkin.keys.key_ring import Purpose
from checkin.service import leased_ring
from checkin.service.vault_folder import VaultFolder
from tests.support.purging_service import House
from tests.support.ring_in_process import NODES, Ring, day_key, node_name
from tests.support.service_folder import CALENDAR, DAY, make_service

REPORT = f"purge-{CALENDAR.date(DAY)}"


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """Three nodes, asked anew each time, on which a registry that is stopped has a day that is due."""
    made, folder = Ring(tmp_path / "ring"), tmp_path / "registry"
    made.serve(monkeypatch, direct=True)
    monkeypatch.setattr(leased_ring, "STATE_SECONDS", 0.0)
    monkeypatch.setattr(leased_ring, "SILENT_SECONDS", 0.0)
    make_service(folder)
    house = House(folder, ahead={Purpose.DAY: 0}, ring=made.use())
    house.purger.make_keys()
    house.open_day()
    for day in (DAY + 4, DAY + RETENTION_DAYS):
        made.go(day, 3600)
        house.go(day, 3600)
        made.trust()
        house.guard.confirm()
        if day == DAY + 4:
            house.purger.close_due_days()
    house.store.close()
    (folder / "registry.toml").write_text(
        'name = "registry.example"\ndata = "data"\nkeys = "keys"\nstatement_key = "statement.key"\n'
        f"allow_unfit_storage = true\n\n{made.settings()}"
    )
    yield made
    made.forget()


@pytest.fixture
def folder(ring: Ring, tmp_path: Path) -> Iterator[VaultFolder]:
    """Opened from its settings file alone."""
    opened = VaultFolder(tmp_path / "registry/registry.toml", ring.folder / "clock")
    yield opened
    opened.close()


def test_what_is_due_on_the_nodes_is_destroyed_and_reported_without_the_service(
    ring: Ring, folder: VaultFolder
) -> None:
    """And status tells of each node before, while one is away, and after."""
    assert folder.status().keys_due == ["day-20777"]
    ring.down = {"b"}
    assert folder.destroy() == {}
    found = folder.status()
    assert (found.keys_due, found.keys_overwritten) == ([], []), "no slot waits for room"
    assert purge._lines("x", found)[-3:] == [
        f"  {node_name('a')}  0 keys held, 1 destroyed, nothing awaited",
        f"  {node_name('b')}  does NOT answer; 0 destroyed, awaited: day-20777",
        f"  {node_name('c')}  0 keys held, 1 destroyed, nothing awaited",
    ]
    ring.down = set()
    assert f"  {node_name('b')}  1 key held, DUE: day-20777, 0 destroyed, awaited: day-20777" in purge._lines(
        "x", folder.status()
    )
    assert folder.destroy() == {}
    assert folder.book is not None and REPORT in folder.book
    assert all(ring.keys(letter).overwritten(day_key()) for letter in NODES)
    assert [gone.rows for gone in folder.status().destroyed] == ["12"]


def test_a_node_that_is_silent_is_named_once(ring: Ring, folder: VaultFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_ring, "SILENT_SECONDS", 600.0)
    ring.down = {"b"}
    with structlog.testing.capture_logs() as logs:
        folder.status()
    assert [line["event"] for line in logs] == ["ring_node_silent"]


def test_where_no_node_answers_the_reason_is_told(ring: Ring, folder: VaultFolder) -> None:
    ring.down = set(NODES)
    found = folder.status()
    assert found.data_trouble.startswith("not_ready")
    assert [node.answers for node in found.nodes] == [False] * 3
    assert "NotReady" in str(folder.destroy()) or "not_ready" in str(folder.destroy())
