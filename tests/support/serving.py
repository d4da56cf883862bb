"""An app behind a real server, in a thread of the test's own process, so that a test can look inside; or a service in
processes of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from checkin.deployment.child import Child, end
from checkin.service.addresses import free_ports
from tests.support.waiting import PATIENCE, answers, until


@contextmanager
def serving(app: Any, port: int = 0, **options: Any) -> Iterator[uvicorn.Server]:
    """Listens on loopback until the block ends, on a free port unless one is named. `options`: of `uvicorn.Config`."""
    defaults: dict[str, Any] = {"log_level": "warning", "access_log": False, "ws": "none", "proxy_headers": False}
    server = uvicorn.Server(uvicorn.Config(app, port=port, **{**defaults, **options}))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join()


def port_of(server: uvicorn.Server) -> int:
    """Where it listens."""
    return int(server.servers[0].sockets[0].getsockname()[1])


@contextmanager
def visiting(app: Any, **options: Any) -> Iterator[httpx.Client]:
    """A client of a server of the app; `options` as in `serving`."""
    with serving(app, **options) as server, caller(f"http://127.0.0.1:{port_of(server)}") as client:
        yield client


def caller(url: str, **options: Any) -> httpx.Client:
    """A client of whatever serves there, with a connection for each request: one that is kept may be closed by the
    server, after five seconds at rest, in the very moment in which the next request leaves. `options` as httpx has
    them."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, limits=limits, **options)


def listening(config: Path, port: int, *, workers: int = 1) -> Path:
    """The same settings in a file beside it, for one more process of the service on a port of its own."""
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition(" ")[0] not in ("listen", "workers")]
    own = config.with_name(f"{config.stem}-{port}.toml")
    own.write_text("\n".join([f'listen = "127.0.0.1:{port}"', f"workers = {workers}", *kept]) + "\n", encoding="utf-8")
    return own


class Process:
    """A service by its settings, as many workers as asked for, on a port of its own; None for the real clock."""

    def __init__(self, service: str, config: Path, clock: Path | None, *, workers: int = 1) -> None:
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = config.with_name(f"log-{self.port}")
        options = ["--config", str(listening(config, self.port, workers=workers))]
        if clock:
            options += ["--simulated-clock", str(clock)]
        self.process = Child(["serve", service, *options], self.log)

    def client(self) -> httpx.Client:
        """To be closed."""
        return caller(self.url)

    def answers(self, path: str = "/readyz") -> bool:
        """Whether it does, with 200: that it is ready, if it is not said what."""
        assert not self.process.ended, self.log.read_text()
        return answers(self.url + path)

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()

    def stop(self) -> None:
        """As its operator would."""
        end([self.process])


@contextmanager
def ready(processes: Sequence[Process], path: str = "/readyz") -> Iterator[Sequence[Process]]:
    """Once all answer there with 200; they are stopped when the block ends."""
    try:
        for process in processes:
            until(lambda process=process: process.answers(path))  # type: ignore[misc]
        yield processes
    finally:
        end([process.process for process in processes])
