"""The three services of a deployment as real processes: start, wait until they answer, stop."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from checkin.clock import SystemClock
from checkin.deployment.deployment import NAMES, SERVICES, Deployment
from checkin.errors import CheckinError, NotReady, Unreachable
from checkin.files.durable import open_private
from checkin.http.client import Client

START_SECONDS = 180.0  # a machine with little to spare takes its time
SETTLE_SECONDS = 60.0
TEND_SECONDS = 3600.0


class Processes:
    """A context manager: inside it the services answer."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._clock = SystemClock()
        self.unready: list[str] = []
        """Of the start: services that were not ready after a minute. What keeps them may need a person."""

    def __enter__(self) -> Self:
        try:
            # The issuer first: the registry reads its keys when it starts.
            for names in (SERVICES[:1], SERVICES[1:]):
                for name in names:
                    self.start(name)
                for name in names:
                    self.wait_for(name)
            self._deployment.tend()  # last: the authority's list goes through the log to the issuer
            self.unready = self.settle(SETTLE_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def settle(self, seconds: float) -> list[str]:
        """Wait until every service's /readyz is good, so that whatever comes next can be done; the services that are
        still not ready after so many seconds. To be called after each start, and after each jump of a clock."""
        deadline = self._clock.boot() + seconds
        waiting = list(SERVICES)
        while True:
            waiting = [name for name in waiting if not self._is_ready(name)]
            if not waiting or self._clock.boot() > deadline:
                return waiting
            time.sleep(0.05)

    def _is_ready(self, name: str) -> bool:
        with contextlib.suppress(CheckinError), Client(self._deployment.url(name)) as client:
            client.get("/readyz")
            return True
        return False

    def start(self, name: str) -> None:
        """Start one service; its output goes to logs/NAME.log."""
        command = [sys.executable, "-P", "-m", "checkin", "serve", name, "--config", str(self._deployment.config(name))]
        if self._deployment.simulated_clock:
            command += ["--simulated-clock", str(self._deployment.simulated_clock)]
        with os.fdopen(open_private(self._deployment.log(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program

    def kill(self, name: str) -> None:
        """End one service at once, as a power cut would."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End all of them, in an orderly way where they let us."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            process.kill()
            process.wait()
        self._running.clear()

    def wait(self, tend: Callable[[], None]) -> None:
        """Until somebody interrupts or a service ends; `tend` is called every hour. Raises `NotReady`."""
        next_tending = self._clock.boot() + TEND_SECONDS
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.5)
                for name, process in self._running.items():
                    if process.poll() is not None:
                        raise NotReady(f"The {name} service ended: see {self._deployment.log(name)}.")
                if self._clock.boot() > next_tending:
                    with contextlib.suppress(CheckinError):
                        tend()
                    next_tending = self._clock.boot() + TEND_SECONDS

    def wait_for(self, name: str) -> None:
        """Until the service answers; raises `NotReady` with what it last said when it ends or takes too long."""
        deadline = self._clock.boot() + START_SECONDS
        while self._clock.boot() < deadline:
            if self._running[name].poll() is not None:
                lines = self._deployment.log(name).read_text(errors="replace").strip().splitlines()
                raise NotReady(f"The {name} service did not start: {lines[-1] if lines else 'it said nothing'}")
            with contextlib.suppress(Unreachable), Client(self._deployment.url(name)) as client:
                if client.get("/healthz")["service"] == NAMES[name]:
                    return
            time.sleep(0.05)
        raise NotReady(f"The {name} service did not answer in time: see {self._deployment.log(name)}.")
