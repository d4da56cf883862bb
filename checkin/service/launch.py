"""Starting a service: which app belongs to a name, and the server around it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import entry_points
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ConfigDict

from checkin.files.lifeline import end_with_supervisor
from checkin.keys.hardening import harden
from checkin.service.addresses import require_free
from checkin.service.limits import BoundedHttp
from checkin.service.logs import log_as_json
from checkin.service.settings import Address, Launch, Strict, count_together, require_own_counters
from checkin.service.vault_folder import destroy_first

GROUP = "checkin.services"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
MAX_CONNECTIONS = 4096  # of a worker process; requests on further ones are answered 503
WORKER_SECONDS = 15  # without a sign of life, after which a worker process is killed and another one started
log = structlog.get_logger()


class Listening(Strict):
    """The two settings that the server needs before the service reads all of them."""

    model_config = ConfigDict(extra="ignore")

    listen: Address = "127.0.0.1:8000"
    workers: int = 1


def service_names() -> list[str]:
    return sorted(entry_points(group=GROUP).names)


def load(service: str, config: Path, simulated_clock: Path | None = None) -> FastAPI:
    """The service's app, found by its entry point; raises `SettingsInvalid` and what else keeps it from starting."""
    app: FastAPI = entry_points(group=GROUP)[service].load()(config, simulated_clock)
    return app


def create() -> FastAPI:
    """The app that this process was launched for; the factory that every worker process calls."""
    end_with_supervisor()
    launch = Launch()  # type: ignore[call-arg]  # the environment has them
    log_as_json()
    for warning in harden():
        log.warning("not_hardened", why=warning)
    destroy_first(launch.config, launch.simulated_clock)
    return load(launch.service, launch.config, launch.simulated_clock)


def _open_once() -> None:
    """Opens all that a worker opens, and gives it back. Raises what keeps the service from starting."""
    create().state.frame.close()


def serve(service: str, config: Path, simulated_clock: Path | None = None) -> None:
    """Serve until stopped. Raises `SettingsInvalid` and whatever else keeps the service from starting."""
    require_own_counters()
    listening = Listening.load(config)
    host, _, port = listening.listen.rpartition(":")
    require_free(host, int(port))
    Launch(service=service, config=config.resolve(), simulated_clock=simulated_clock).export()
    options = bounded(host, int(port))
    if listening.workers == 1:
        # In this process, so that an error in the settings reaches the operator.
        uvicorn.run(create(), **options)
    else:
        # In a process of its own, which keeps no key: what keeps workers from starting reaches the operator, too.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as once:
            once.submit(_open_once).result()
        with _counting_together():
            uvicorn.run("checkin.service.launch:create", factory=True, workers=listening.workers, **options)


@contextmanager
def _counting_together() -> Iterator[None]:
    """Worker processes started from here count in one folder, in memory and of this user alone; on a disk, a full one
    would kill the process that counts (https://prometheus.github.io/client_python/multiprocess/)."""
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="checkin-metrics-", dir=memory) as folder:
        count_together(folder)
        yield


def bounded(host: str, port: int) -> dict[str, Any]:
    """uvicorn's options for every server here: bounds on what unknown clients make it hold, and no log of requests."""
    return {
        "host": host,
        "port": port,
        # Which client called when is never recorded: no access log, on any route.
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": False,  # a client would choose the address that it is known by
        "timeout_graceful_shutdown": 10,
        # On a busy machine uvicorn's five seconds kill workers that work, and starting others makes it busier.
        "timeout_worker_healthcheck": WORKER_SECONDS,
        "http": BoundedHttp,
        "ws": "none",
        "limit_concurrency": MAX_CONNECTIONS,
    }
