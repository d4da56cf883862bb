"""The chores come again and again, whatever fails between them."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from checkin.service import frame as app
from checkin.service.frame import Frame


def test_chores_go_on_when_nobody_can_say_whether_they_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is busy for one moment must not end all purges of a service that seems to be well."""
    for name in ("HOUSEKEEPING_SECONDS", "HURRIED_HOUSEKEEPING_SECONDS"):
        monkeypatch.setattr(app, name, 0.001)
    stop, rounds = threading.Event(), [0]

    def chore() -> None:
        rounds[0] += 1
        if rounds[0] == 5:
            stop.set()

    def hurries() -> bool:
        raise OSError("the disk")

    party: Any = SimpleNamespace(clock=SimpleNamespace(simulated=False))
    guard: Any = SimpleNamespace(tick=lambda: None)
    Frame(party, guard, "title", "", chores=[chore], hurries=[hurries])._keep_house(stop)
    assert rounds == [5]
