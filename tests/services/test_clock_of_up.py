"""The clock of `checkin up`, under which everybody is a neighbour: nothing is destroyed by one that nobody compared."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import typer

from checkin.cli.serve import _compare_clock
from checkin.clock import SystemClock
from checkin.deployment.deployment import SERVICES, Deployment
from checkin.errors import ClockUntrusted
from checkin.service import time_peers
from checkin.service.addresses import free_ports
from checkin.service.identity import KeyVolume
from checkin.service.time_peers import clock_guard
from checkin.service.vault_folder import CommonSettings
from tests.services.test_commands import checkin

DAY = 86400.0


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A folder under the real clock, whose services have looked at it a moment ago."""
    made = Deployment.open_or_make(tmp_path / "mine", free_ports(3))
    for service in SERVICES:
        clock_guard(volume(made, service)).tick()
    return made


def volume(made: Deployment, service: str) -> KeyVolume:
    """As a service opens it at its start."""
    return KeyVolume(CommonSettings.load(made.config(service)), strict=True)


def off_for_three_days(made: Deployment, service: str) -> None:
    """By what the service last wrote down."""
    path = made.folder / service / "keys" / "clock.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"tick": state["tick"] - 3 * DAY}))


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", False), ("localhost", False), ("192.0.2.1", True)])
def test_a_neighbour_on_the_same_machine_vouches_for_no_clock(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool
) -> None:
    monkeypatch.setattr(time_peers, "_ask", lambda *_: SystemClock().now())
    config = deployment.config("venue")
    config.write_text(config.read_text().replace("//127.0.0.1", f"//{host}"))
    off_for_three_days(deployment, "venue")
    guard = clock_guard(volume(deployment, "venue"))
    guard.tick()
    assert (guard.doubt is None) == trusted


def test_a_clock_that_jumped_ends_no_key_of_the_authority(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.authority().make_keys(deployment.clock.now())
    days = deployment.authority().ring.days()
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + 60 * DAY)
    with pytest.raises(ClockUntrusted):
        deployment.tend()
    assert deployment.authority().ring.days() == days and days


def test_up_starts_nothing_by_a_clock_that_nobody_compared(deployment: Deployment, tmp_path: Path) -> None:
    off_for_three_days(deployment, "retention")
    done = checkin(tmp_path, "up", "--dir", "mine")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("checkin: clock_untrusted: ")
    assert "--confirm-clock" in done.stderr
    assert list((deployment.folder / "logs").iterdir()) == []
    deployment.require_clock(confirmed=True)
    deployment.require_clock()


class Terminal(StringIO):
    """Where somebody types."""

    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_is_asked(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    off_for_three_days(deployment, "retention")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(typer.Abort):
        _compare_clock(deployment, confirmed=False)
    with pytest.raises(ClockUntrusted):
        deployment.require_clock()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    _compare_clock(deployment, confirmed=False)
    deployment.require_clock()
