"""A town: the three services as real processes under a simulated clock, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.clock import Calendar, SimulatedClock
from checkin.demo.narrator import Narrator
from checkin.demo.stage import Stage, enrol
from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.files.json_file import save_party
from checkin.service.addresses import free_ports

NOON = "2026-11-20T12:00:00+09:00"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """At noon on 2026-11-20, with nobody registered and no venue enrolled."""
    folder: Path = tmp_path_factory.mktemp("town")
    (folder / "clock").write_text(NOON + "\n", encoding="ascii")
    clock, calendar = SimulatedClock(folder / "clock"), Calendar()
    deployment = Deployment.open_or_make(folder, free_ports(3), simulated_clock=folder / "clock")
    with Processes(deployment) as processes:
        yield Stage(folder, Narrator(), deployment, clock, calendar, calendar.day(clock.now()), processes)


def enrolled(town: Stage, name: str) -> Path:
    """The file of a new venue's scanner, which has its lists."""
    path = town.folder / f"{name}.json"
    save_party(path, enrol(town, name).plain())
    return path
