"""HTTP exchanges that end: httpx's timeouts count from byte to byte, so a byte now and then evades all of them."""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from contextlib import suppress
from functools import cache
from typing import Any, Final

import httpx

KEPT_SECONDS: Final = 2.0
_OPENED: Final = ("connect_tcp.complete", "start_tls.complete")


@cache
def _authorities() -> ssl.SSLContext:
    """TLS's trust store, read once a process: reading it takes as long as ten exchanges."""
    return httpx.create_ssl_context(trust_env=False)


def open_http(timeout: float, **options: Any) -> httpx.Client:
    """An httpx client that no environment variable changes; `options` as httpx has them. A connection at rest is given
    up before our services do (uvicorn's five seconds): a request on its way in that moment would be lost."""
    limits = httpx.Limits(keepalive_expiry=KEPT_SECONDS)
    return httpx.Client(timeout=timeout, trust_env=False, verify=_authorities(), limits=limits, **options)


class Exchange:
    """Sends over one httpx client, from one thread at a time; every answer is whole, in time, and not too long."""

    def __init__(self, http: httpx.Client, seconds: float, most: int) -> None:
        """`seconds` for an exchange from its first byte to its last; an answer of at most `most` bytes."""
        self._http = http
        self._seconds = seconds
        self._most = most
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._over = threading.Event()

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """The answer, whatever its status; `options` as httpx has them.

        Raises `httpx.HTTPError`: `ReadTimeout` when time is over, `RemoteProtocolError` when it is too long.
        """
        self._over = threading.Event()
        timer = threading.Timer(self._seconds, self._cut, [self._over])
        timer.daemon = True
        timer.start()
        try:
            answer = self._receive(method, url, options)
        except httpx.HTTPError:
            if not self._over.is_set():
                raise
        finally:
            timer.cancel()
        if self._over.is_set():  # also when what came until then looks like a whole answer
            raise httpx.ReadTimeout("The answer took too long.")
        return answer

    def _receive(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
        extensions = {"trace": self._trace}
        body = bytearray()
        with self._http.stream(method, url, headers=headers, extensions=extensions, **options) as response:
            if "content-encoding" in response.headers:
                raise httpx.RemoteProtocolError("The answer is packed, and nobody asked for that.")
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > self._most:
                    raise httpx.RemoteProtocolError("The answer is too long.")
        kept = {name: value for name, value in response.headers.items() if name == "content-type"}
        return httpx.Response(response.status_code, headers=kept, content=bytes(body), request=response.request)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Called by the connection: remembers its sockets, for nothing else stops a read that gets a byte in time."""
        if event.endswith(_OPENED):
            self._sockets.add(info["return_value"].get_extra_info("socket"))
            if self._over.is_set():
                self._cut(self._over)

    def _cut(self, over: threading.Event) -> None:
        over.set()
        for opened in list(self._sockets):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
