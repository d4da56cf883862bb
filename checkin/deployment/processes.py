"""The services of a deployment as real processes, and its database server: start, wait until they answer, stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Self

from checkin.clock import STOPWATCH
from checkin.deployment.child import Child, end, ended_by_signals
from checkin.deployment.deployment import NAMES, SERVICES, Deployment
from checkin.deployment.postgres_server import PostgresServer
from checkin.errors import CheckinError, ClockUntrusted, NotReady, Unreachable
from checkin.http.client import Client

START_SECONDS = 180.0  # a machine with little to spare takes its time
SETTLE_SECONDS = 60.0
TEND_SECONDS = 3600.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0  # no longer: keys that are due wait for their service


class Processes:
    """A context manager: inside it the services answer."""

    def __init__(self, deployment: Deployment, patience: float = SETTLE_SECONDS) -> None:
        """`patience`: for how many seconds the start waits until every service is ready."""
        self._deployment = deployment
        self._patience = patience
        self._running: dict[str, Child] = {}
        self._started: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._due: dict[str, float] = {}  # services that ended, and when each is started again
        self._postgres: PostgresServer | None = None
        self._opened = contextlib.ExitStack()
        self.unready: list[str] = []
        """Of the start: services that were not ready in time. What keeps them may need a person."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(ended_by_signals())
            self._postgres = self._deployment.postgres()
            if self._postgres:
                stack.callback(self._postgres.stop)
                self._postgres.start()
                self._deployment.tell_dsn(self._postgres)
            stack.callback(self.stop)
            # The issuer first: the registry reads its keys when it starts.
            for names in (SERVICES[:1], SERVICES[1:]):
                for name in names:
                    self.start(name)
                for name in names:
                    self.wait_for(name)
            self._deployment.tend()  # last: the authority's list goes through the log to the issuer
            self.unready = self.settle(self._patience)
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def settle(self, seconds: float) -> list[str]:
        """Wait until every service's /readyz is good, so that whatever comes next can be done; the services that are
        still not ready after so many seconds. To be called after each start, and after each jump of a clock."""
        deadline = STOPWATCH.boot() + seconds
        waiting = list(SERVICES)
        while True:
            waiting = [name for name in waiting if not self._is_ready(name)]
            if not waiting or STOPWATCH.boot() > deadline:
                return waiting
            time.sleep(0.05)

    def _is_ready(self, name: str) -> bool:
        with contextlib.suppress(CheckinError), Client(self._deployment.url(name)) as client:
            client.get("/readyz")
            return True
        return False

    def start(self, name: str) -> None:
        """Start one service; its output goes to logs/NAME.log."""
        arguments = ["serve", name, "--config", str(self._deployment.config(name))]
        if self._deployment.simulated_clock:
            arguments += ["--simulated-clock", str(self._deployment.simulated_clock)]
        self._started[name] = STOPWATCH.boot()
        self._running[name] = Child(arguments, self._deployment.log(name))

    def kill(self, name: str) -> None:
        """End one service at once, as a power cut would."""
        self._running.pop(name).kill()

    def stop(self, *names: str) -> None:
        """End these, or all of them, in an orderly way where they let us."""
        end([self._running[name] for name in names or self._running])
        for name in names or tuple(self._running):
            del self._running[name]

    def wait(self, tend: Callable[[], None], tell: Callable[[str], None]) -> None:
        """Waits until interrupted; `tend` is called every hour. A service that exits is started again, and `tell` is
        called, as for a clock in doubt. Raises `NotReady` when the database server exits."""
        next_tending = STOPWATCH.boot() + TEND_SECONDS
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.5)
                self._restart_ended(tell)
                if self._postgres and self._postgres.ended:
                    raise NotReady(f"The PostgreSQL server ended: see {self._postgres.folder / 'log'}.")
                if STOPWATCH.boot() > next_tending:
                    with contextlib.suppress(CheckinError, OSError):  # a full disk stops no service
                        try:
                            tend()
                        except ClockUntrusted as error:  # until a person compares it nothing is done
                            tell(error.detail)
                    next_tending = STOPWATCH.boot() + TEND_SECONDS

    def _restart_ended(self, tell: Callable[[str], None]) -> None:
        """Starts what has ended, each time after a pause twice as long, and for ever; the pauses begin anew once it has
        lived for longer than the longest. Shown once for each length: a service that never lives fills no terminal."""
        now = STOPWATCH.boot()
        for name, child in tuple(self._running.items()):
            if not child.ended:
                continue
            if name not in self._due:
                former = self._pauses.get(name, 0.0) if now - self._started[name] <= LONGEST_PAUSE_SECONDS else 0.0
                pause = min(2 * former or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                child.kill()  # its workers
                self._pauses[name], self._due[name] = pause, now + pause
                if pause != former:
                    when = f"{'in' if pause < LONGEST_PAUSE_SECONDS else 'from now on every'} {pause:.0f} s"
                    with contextlib.suppress(OSError):  # our terminal is closed
                        tell(f"The {name} service ended ({child.ending}), and is started again {when}: see {child.log}")
            elif now >= self._due[name]:
                del self._due[name]
                with contextlib.suppress(OSError, EOFError):  # no process to be had: as one that ended at once
                    self.start(name)

    def wait_for(self, name: str) -> None:
        """Waits until the service answers; raises `NotReady` with what it last said when it exits or takes too long."""
        deadline = STOPWATCH.boot() + START_SECONDS
        while STOPWATCH.boot() < deadline:
            if self._running[name].ended:
                raise NotReady(f"The {name} service did not start: {self._running[name].last_words()}")
            with contextlib.suppress(Unreachable), Client(self._deployment.url(name)) as client:
                if client.get("/healthz")["service"] == NAMES[name]:
                    return
            time.sleep(0.05)
        why = "If it says 'started', what is sent to its port goes elsewhere: take other ports."
        raise NotReady(f"The {name} service did not answer in time: see {self._deployment.log(name)}. {why}")
