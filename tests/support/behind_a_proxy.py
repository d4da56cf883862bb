"""Machines of a service behind a proxy that knows nothing about them, and whoever knows that proxy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self, TypeVar

import httpx

from checkin.service.addresses import free_ports
from tests.support.nginx import nginx
from tests.support.service_folder import bearer
from tests.support.serving import Process
from tests.support.waiting import PATIENCE, answers, until

AT_ONCE: Final = 20
T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def proxy(folder: Path, processes: Sequence[Process]) -> Iterator[str]:
    """The address of an nginx that deals requests out in turns."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    servers = " ".join(f"server 127.0.0.1:{behind.port} max_fails=0;" for behind in processes)
    settings = (
        f"access_log off; upstream service {{ {servers} keepalive {AT_ONCE}; }} server {{ listen 127.0.0.1:{port};"
        'location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; } }'
    )
    with nginx(folder, settings, lambda: answers(f"{url}/healthz")):
        yield url


class Caller:
    """Whoever hears nothing, or that it should come again, asks the very same again."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, limits=limits, trust_env=False)

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> httpx.Response:
        """What is answered in the end."""
        headers = bearer(token) if token else {}
        return until(lambda: self._asked(self.client.build_request(method, path, headers=headers, json=body)))[0]

    def _asked(self, request: httpx.Request) -> list[httpx.Response]:
        """The answer; nothing when there is none yet."""
        with suppress(httpx.TransportError):
            answer = self.client.send(request)
            if answer.status_code not in (502, 503, 504):
                return [answer]
        return []

    def storm(self, ask: Callable[[T], R], each: Iterable[T]) -> Iterator[R]:
        """Many at once, as their answers come."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            yield from threads.map(ask, each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
