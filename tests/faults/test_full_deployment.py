"""`checkin up` on a disk that fills to the last byte: due keys go all the same, and it says what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from checkin.clock import SimulatedClock
from checkin.deployment.deployment import Deployment
from tests.faults.disk import INSTALL, Needs, can_mount, fill, mounted, new_image, readable
from tests.services.test_commands import three_in_a_row
from tests.support.purging_service import day_key
from tests.support.service_folder import DAY, HOUR, at
from tests.support.waiting import PATIENCE, until


@contextmanager
def up(made: Deployment, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, from when it says that it runs."""
    command = [sys.executable, "-m", "checkin", "up", "--dir", made.folder, "--simulated-clock", made.simulated_clock]
    with told.open("wb") as output, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output) as process:  # type: ignore[arg-type]  # the clock is none of None
        try:
            until(lambda: "Ctrl-C" in told.read_text() or process.poll() is not None)
            yield process
        finally:
            process.kill()


def failures(made: Deployment, service: str) -> set[str]:
    """The names of what keeps a service from being ready."""
    found = httpx.get(f"{made.url(service)}/readyz", timeout=60, trust_env=False).json()["findings"]
    return {one["name"] for one in found if one["level"] == "failure"}


def test_up_on_a_full_disk_destroys_what_is_due_and_says_what_is_wrong(tmp_path: Path, needs: Needs) -> None:
    """Settings, logs and data of all services, and the issuer's keys, lie on one volume; the registry's keys lie on
    another one, which has room."""
    needs("a disk of one's own (root)", can_mount(tmp_path), INSTALL)
    path, port = tmp_path / "clock", three_in_a_row()
    path.write_text(at(DAY, 12 * HOUR))
    clock = SimulatedClock(path)
    with mounted(new_image(tmp_path / "disk.img", 64, block=4096), tmp_path / "disk") as disk:
        made = Deployment.open_or_make(disk / "mine", range(port, port + 3), path)
        rings = {"issuer": made.folder / "issuer" / "keys", "venue": tmp_path / "keys"}
        config = made.config("venue")
        config.write_text(config.read_text().replace('keys = "keys"', f'keys = "{rings["venue"]}"'))
        with up(made, tmp_path / "told") as process:
            due = {ring: (ring / f"{day_key()}.slot").read_bytes()[8:84] for ring in rings.values()}
            assert all(readable(*one) for one in due.items())
            fill(disk / "filler")
            clock.set(at(DAY + 2, HOUR))
            until(lambda: "day_key" in failures(made, "issuer"))
            clock.set(at(DAY + 28, HOUR))
            until(lambda: not any(readable(*one) for one in due.items()))
            (disk / "filler").unlink()
            until(lambda: not {"purge", "day_key"} & (failures(made, "issuer") | failures(made, "venue")))
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) in (0, 130)
