"""HTTP to the services: a problem document comes back as the error it stands for, and what is no answer of a service
(a Wi-Fi's login page, a proxy's error) as no answer. The pages' checkin/web/static/js/answer.js has the same rules, one
file of vectors for both (tests/vectors/answers.json)."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from copy import copy
from enum import Enum
from functools import cache
from typing import Any, Final, Self, TypeVar

import httpx

from checkin.errors import CheckinError, NotFound, RequestInvalid, ServiceError, Unreachable
from checkin.http.asking import NO_ANSWER, Ask, Keeping, Steps, drive, read_json
from checkin.http.exchange import Exchange, open_http
from checkin.shown import shown

TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 64 * 2**20
_WHOLE = 4  # an exchange may take so many times what its longest pause may
_WITH_CONTENT: Final = (200, 201, 202)
T = TypeVar("T")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")


def _by_code(root: type[CheckinError] = CheckinError) -> dict[str, type[CheckinError]]:
    return {root.code: root} | {code: cls for sub in root.__subclasses__() for code, cls in _by_code(sub).items()}


class Service(Enum):
    """The services that an address may belong to; the value is the title in its /openapi.json."""

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
        self._bearer = _bearer(token)
        self._http = open_http(timeout, base_url=self.url)
        self._exchange = Exchange(self._http, _WHOLE * timeout, MAX_ANSWER)

    def answer(self, ask: Ask) -> Any:
        """Sends a party's request, with its token in place of ours, over the same connection; one thread at a time."""
        asker = copy(self)
        asker._bearer = _bearer(ask.token)
        if ask.raw:
            return asker.get_bytes(ask.path)
        return asker.get(ask.path) if ask.body is None else asker.post(ask.path, ask.body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON answer, an object or a list; raises the `CheckinError` of the problem, or `Unreachable`."""
        return json_content(self._send("GET", path, params=query or None))  # httpx takes {} for another query

    def post(self, path: str, body: Any = None) -> Any:
        """As `get`, with a JSON body."""
        return json_content(self._send("POST", path, json={} if body is None else body))

    def put(self, path: str, body: Any) -> Any:
        return json_content(self._send("PUT", path, json=body))

    def delete(self, path: str, **query: str) -> None:
        """As `get`; the answer's content, if any, is left aside."""
        response = self._send("DELETE", path, params=query)
        if response.status_code != 204:
            json_content(response)

    def get_bytes(self, path: str) -> bytes:
        """The answer as it is, a file of the log; raises as `get`, and `Unreachable` for a page in a file's place."""
        response = self._send("GET", path)
        if response.status_code != 200 or _media(response) == "text/html":
            raise Unreachable(NO_ANSWER)
        return response.content

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._exchange.send(method, path, headers=self._bearer, **options)
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
        except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError):
            return
        if found is not wanted:
            raise NotFound(f"{self.url} is the address of the {found}: give that of the {wanted}.")


def drive_at(url: str, steps: Steps[T], keep: Keeping | None = None, wanted: Service | None = None) -> T:
    """`drive` with a client for these steps alone, opened at the first request: reading TLS's trust store takes longer
    than showing a code."""
    with ExitStack() as opened:
        client = cache(lambda: opened.enter_context(Client(url, wanted=wanted)))
        return drive(steps, lambda ask: client().answer(ask), keep)


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _media(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def json_content(response: httpx.Response) -> Any:
    """The content of a service's answer; `Unreachable` for any other."""
    if response.status_code in _WITH_CONTENT and _media(response) == "application/json":
        with suppress(ServiceError):
            if isinstance(content := read_json(response.content), dict | list):
                return content
    raise Unreachable(NO_ANSWER)


class _Refused(ServiceError):
    """A refusal by a code that is not known here: to ask again changes nothing."""

    status = 422


def problem_error(response: httpx.Response) -> CheckinError:
    """The error that a service's problem document stands for; `Unreachable` for what is none."""
    try:
        problem = read_json(response.content) if _media(response) == "application/problem+json" else {}
        code, detail = problem["code"], shown(problem.get("detail") or "")
        ours = problem["type"] == f"urn:checkin:problem:{code}" and problem["status"] == response.status_code
        if response.status_code >= 400 and ours and _CODE.fullmatch(code):
            # SPEC http.md §2: "and by the status where they do not know it"
            passing = response.status_code >= 500 or response.status_code == 429
            return _by_code().get(code, ServiceError if passing else _Refused)(detail)
    except (ServiceError, KeyError, TypeError):
        pass
    return Unreachable(f"{NO_ANSWER} It answered with status {response.status_code}.")
