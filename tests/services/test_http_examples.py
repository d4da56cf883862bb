"""The HTTP exchanges of docs/spec/http.md are what the services say that they take and answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from checkin.deployment.deployment import SERVICES, Deployment
from checkin.service.addresses import free_ports
from tests.support.reference import APPS

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "http.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"```exchange (\w+)\n(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\n((?:[A-Z][\w-]+: .+\n)*)(?:\n(\{.+\})\n)?\n"
    r"HTTP/1\.1 (\d{3}) [A-Za-z ]+\nContent-Type: (\S+)\n\n(.+)\n```"
)


class Exchange(NamedTuple):
    """A request and its answer, as the page shows them."""

    service: str
    method: str
    path: str
    headers: str
    body: str
    status: str
    kind: str
    answer: str


EXCHANGES = [Exchange(*found) for found in BLOCK.findall(PAGE)]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each service's /openapi.json says."""
    folder = tmp_path_factory.mktemp("described")
    clock = folder / "clock"
    clock.write_text("2026-11-20T12:00:00+09:00\n")
    deployment = Deployment.open_or_make(folder / "all", free_ports(3), clock)
    return {name: APPS[name](deployment.config(name), clock).openapi() for name in SERVICES}


def operation_of(exchange: Exchange, described: dict[str, Any]) -> dict[str, Any]:
    """The route's description."""
    path = exchange.path.partition("?")[0]
    for route, methods in described[exchange.service]["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path) and exchange.method.lower() in methods:
            return dict(methods[exchange.method.lower()])
    raise AssertionError(f"{exchange.service} has no route {exchange.method} {path}")


def check(content: str, media: dict[str, Any], whole: dict[str, Any]) -> None:
    """Raises unless the content has the form that is described."""
    schema = {**media["schema"], "components": whole["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(content))


def name_of(exchange: Exchange) -> str:
    """For a table of tests."""
    return f"{exchange.method} {exchange.path.partition('?')[0][:40]} {exchange.status}"


@pytest.mark.parametrize("exchange", EXCHANGES, ids=name_of)
def test_an_exchange_is_as_the_service_describes_it(exchange: Exchange, described: dict[str, Any]) -> None:
    """Route, bearer token, body, status, media type and answer."""
    whole, operation = described[exchange.service], operation_of(exchange, described)
    if exchange.body:
        check(exchange.body, operation["requestBody"]["content"]["application/json"], whole)
    security = operation.get("security", [])
    if {} not in security:  # where it may be left out
        assert ("Authorization: Bearer " in exchange.headers) == bool(security)
    content = operation["responses"][exchange.status]["content"]
    check(exchange.answer, content[exchange.kind], whole)
    with pytest.raises(jsonschema.ValidationError):  # the description is of this answer, and not of anything
        check("[]", content[exchange.kind], whole)


def test_every_route_of_a_wallet_and_a_scanner_has_an_exchange_and_a_refusal() -> None:
    """Whoever writes another one finds each of them on the page."""
    seen = {(one.method, re.sub(r"/[^/]{16,}", "/{}", one.path.partition("?")[0])) for one in EXCHANGES}
    assert seen >= {
        ("POST", "/v1/registrations"), ("POST", "/v1/registrations/{}/confirm"), ("GET", "/v1/keys"),
        ("POST", "/v1/credentials"), ("GET", "/v1/time"), ("GET", "/v1/trust"), ("POST", "/v1/check-ins"),
        ("POST", "/v1/check-ins/batch"), ("GET", "/v1/statements"), ("POST", "/v1/orders"),
    }  # fmt: skip
    assert len([one for one in EXCHANGES if one.status >= "400"]) >= 6
    assert len(EXCHANGES) == PAGE.count("```exchange ")
