"""Three nodes, and a registry that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.service import leased_ring
from tests.checkin.ring.registry_on_ring import open_house
from tests.support.purging_service import House
from tests.support.ring_in_process import Ring


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """Three nodes, asked anew each time."""
    made = Ring(tmp_path / "ring")
    made.serve(monkeypatch, direct=True)
    monkeypatch.setattr(leased_ring, "STATE_SECONDS", 0.0)
    monkeypatch.setattr(leased_ring, "SILENT_SECONDS", 0.0)
    yield made
    made.forget()


@pytest.fixture
def house(ring: Ring, tmp_path: Path) -> House:
    """A registry of one process that uses the ring."""
    return open_house(ring, tmp_path / "registry")
