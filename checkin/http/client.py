"""HTTP to the services: a problem document comes back as the error it stands for."""

from __future__ import annotations

import ssl
from enum import Enum
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx

from checkin.errors import CheckinError, NotFound, RequestInvalid, ServiceError, Unreachable
from checkin.http.exchange import Exchange

TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 64 * 2**20
_WHOLE = 4  # an exchange may take so many times what its longest pause may


@cache
def _authorities() -> ssl.SSLContext:
    """Whom TLS trusts, read once a process: reading it takes as long as ten exchanges."""
    return httpx.create_ssl_context(trust_env=False)


def _by_code(root: type[CheckinError] = CheckinError) -> dict[str, type[CheckinError]]:
    return {root.code: root} | {code: cls for sub in root.__subclasses__() for code, cls in _by_code(sub).items()}


class Service(Enum):
    """Whose address somebody may have given; the value is the title in its /openapi.json."""

    ISSUER = "Check-in issuer"
    REGISTRY = "Venue registry"
    RETENTION = "Check-in retention service"

    def __str__(self) -> str:
        return "retention service" if self is Service.RETENTION else self.name.lower()


class Client:
    """One service at one address; `token` is sent as a bearer token. `RequestInvalid` for an address without scheme.

    Where there is nothing because another service than `wanted` has the address, `NotFound` says so.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout: float = TIMEOUT_SECONDS, wanted: Service | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._wanted = wanted
        if not self.url.startswith(("http://", "https://")):
            raise RequestInvalid(f"{url} is no address: write it with its scheme, as http://127.0.0.1:8001.")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False, verify=_authorities()
        )
        self._exchange = Exchange(self._http, _WHOLE * timeout, MAX_ANSWER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON answer; raises the `CheckinError` of the problem, or `Unreachable`."""
        return self._send("GET", path, params=query).json()

    def post(self, path: str, body: Any = None) -> Any:
        """As `get`, with a JSON body."""
        return self._send("POST", path, json={} if body is None else body).json()

    def put(self, path: str, body: Any) -> Any:
        """As `get`, with a JSON body."""
        return self._send("PUT", path, json=body).json()

    def delete(self, path: str) -> None:
        """As `get`; the answer, if any, is left aside."""
        self._send("DELETE", path)

    def get_bytes(self, path: str) -> bytes:
        """The answer as it is: a file of the log."""
        return self._send("GET", path).content

    def post_for_bytes(self, path: str, body: Any, accept: str) -> bytes:
        """The answer's bytes, in the media type asked for."""
        return self._send("POST", path, json=body, headers={"Accept": accept}).content

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._exchange.send(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise Unreachable(f"{self.url} did not answer: check the address and that the service runs.") from None
        if response.is_success:
            return response
        error = problem_error(response)
        if isinstance(error, NotFound) and self._wanted:
            self._require(self._wanted)
        raise error

    def _require(self, wanted: Service) -> None:
        """Raises `NotFound` that names the service that answers here, if it is known and another one."""
        try:
            found = Service(self._exchange.send("GET", "/openapi.json").json()["info"]["title"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return
        if found is not wanted:
            raise NotFound(f"{self.url} is the address of the {found}: give that of the {wanted}.")


def problem_error(response: httpx.Response) -> CheckinError:
    """The error that a problem document stands for."""
    try:
        problem = response.json()
        kind = _by_code().get(problem["code"], ServiceError)
        return kind(str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"The service answered with status {response.status_code}.")
