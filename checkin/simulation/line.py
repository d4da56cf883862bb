"""One connection for a town's many small requests: the standard library's, for the time that a pool, hooks and a timer
a request take is most of what a town's day takes. It queries this machine's own services, so nothing slow is cut.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from checkin.clock import STOPWATCH
from checkin.http.client import Client
from checkin.http.exchange import KEPT_SECONDS, Exchange

_SHARED: Final = "/v1/keys"  # the same for all wallets


class OneConnection(Client):
    """A `Client` over one connection, from one thread at a time."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        """As `Client`."""
        super().__init__(url, token, timeout)
        self._kept = _Kept(self._http, url, timeout)
        self._exchange = self._kept

    def forget(self) -> None:
        """Forgets the shared answers: they are fetched anew."""
        self._kept.shared.clear()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.connection.close()
        super().__exit__(kind, value, trace)


class _Kept(Exchange):
    """Exchanges over one connection that is kept. `shared`: answers that are the same for all wallets, as a cache on
    the way keeps them."""

    def __init__(self, http: httpx.Client, url: str, timeout: float) -> None:
        super().__init__(http, 0, 0)
        address = urlsplit(url)
        self.connection = HTTPConnection(address.hostname or "", address.port, timeout=timeout)
        self.shared: dict[str, httpx.Response] = {}
        self._used = 0.0

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """As `Exchange`."""
        if url in self.shared:
            return self.shared[url]
        path = f"{url}?{query}" if (query := urlencode(options.get("params") or {})) else url
        headers, body = dict(options["headers"]), None
        if "json" in options:
            headers["Content-Type"], body = "application/json", json.dumps(options["json"]).encode()
        if STOPWATCH.boot() - self._used > KEPT_SECONDS:  # the service may be giving it up in this moment
            self.connection.close()
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self.connection.close()
            raise httpx.ReadError("The connection broke.") from None
        self._used = STOPWATCH.boot()
        kept = {"content-type": answer.headers.get("content-type", "")}
        response = httpx.Response(answer.status, headers=kept, content=content)
        if url == _SHARED and response.is_success:
            self.shared[url] = response
        return response
