"""An app behind a real server, in a thread of the test's own process, so that a test can look inside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn


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
    with (
        serving(app, **options) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port_of(server)}", timeout=120, trust_env=False) as client,
    ):
        yield client


def listening(config: Path, port: int, *, workers: int = 1) -> Path:
    """The same settings in a file beside it, for one more process of the service on a port of its own."""
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition(" ")[0] not in ("listen", "workers")]
    own = config.with_name(f"{config.stem}-{port}.toml")
    own.write_text("\n".join([f'listen = "127.0.0.1:{port}"', f"workers = {workers}", *kept]) + "\n", encoding="utf-8")
    return own
