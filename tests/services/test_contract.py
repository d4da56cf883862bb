"""What the three OpenAPI documents say is what the services answer: forms of errors, bounds of integers, methods."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator

from checkin.demo.stage import one_time_code
from checkin.deployment.deployment import TOKENS, Deployment
from checkin.http.client import drive_at
from checkin.parties import wallet
from checkin.service.addresses import free_ports
from issuer.app import create_app as issuer_app
from retention.app import create_app as retention_app
from tests.support.service_folder import bearer
from tests.support.serving import visiting
from tests.support.waiting import until
from venue.app import create_app as venue_app

APPS = {"issuer": issuer_app, "venue": venue_app, "retention": retention_app}
NOON = "2026-11-20T12:00:00+09:00"
PHONE = "+821033334444"
UNKNOWN = "x" * 43
BEYOND = (2**63 - 1, 2**63, 2**64, 10**400, -1, -(2**63) - 1)


VERBS = {
    "Answer", "Audit", "Close", "Count", "Delete", "Destroy", "Enrol", "Execute", "Forget", "Issue", "List", "Log",
    "Look", "Make", "Prove", "Read", "Revoke", "Say", "Send", "Set", "Show", "Take", "Tell", "Upload",
}  # fmt: skip


@dataclass
class Served:
    """A service, its description, and the tokens by the first part of a path that they open."""

    client: httpx.Client
    document: dict[str, Any]
    tokens: Mapping[str, str]
    ids: Mapping[str, str]
    cast: Mapping[str, str]
    """The tokens of all roles there are, here and elsewhere."""

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(method, path, operation)."""
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                yield method, path, operation

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Without references; of alternatives the first."""
        while True:
            if "$ref" in schema:
                schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            elif "anyOf" in schema:
                schema = schema["anyOf"][0]
            else:
                return schema

    def example(self, schema: dict[str, Any]) -> Any:
        """Something of this form."""
        schema = self.resolve(schema)
        match schema.get("type"):
            case "integer":
                return schema["minimum"]
            case "boolean":
                return False
            case "array":
                return [self.example(schema["items"])] * schema.get("minItems", 1)
            case "object":
                required = schema.get("required", [])
                return {name: self.example(form) for name, form in schema["properties"].items() if name in required}
        return "A" * max(schema.get("minLength", 1), 1)

    def body(self, operation: dict[str, Any]) -> Any:
        """A body of the described form; None where a route takes none."""
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return self.example(content["schema"]) if content else None

    def url(self, path: str, **values: Any) -> str:
        """The path, its parameters filled in."""
        known: dict[str, Any] = {"registration_id": "A" * 40, "index": 0, "place": 0, "path": "0/000"}
        known |= {"digest": "A" * 43, **self.ids, **values}
        return re.sub(r"{(\w+)}", lambda found: str(known[found[1]]), path)

    def headers(self, method: str, path: str) -> dict[str, str]:
        """With the token that opens the route."""
        keys = [key for key in self.tokens if f"{method} {path}".startswith(key) or path.startswith(key)]
        token = self.tokens[max(keys, key=len)] if keys else UNKNOWN
        return bearer(token)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """All three at noon, with a wallet, a venue and a scanner."""
    folder: Path = tmp_path_factory.mktemp("contract")
    clock = folder / "clock"
    clock.write_text(NOON + "\n", encoding="ascii")
    deployment = Deployment.open_or_make(folder, free_ports(3), clock)
    token = deployment.token
    made: dict[str, Served] = {}
    cast = {name: token(name) for name in TOKENS}
    with ExitStack() as stack:
        for name, create in APPS.items():
            app: FastAPI = create(deployment.config(name), clock)
            client = stack.enter_context(visiting(app))
            made[name] = Served(client, client.get("/openapi.json").json(), {}, {}, cast)
        issuer = str(made["issuer"].client.base_url).rstrip("/")
        registration = drive_at(issuer, wallet.register("Jung Ho", PHONE))
        held = drive_at(issuer, wallet.confirm(issuer, registration, one_time_code(deployment, PHONE)))
        cast["wallet"] = held.token
        common = {"/v1/purge": token("retention-issuer"), "/v1/statements": token("retention-issuer")}
        common |= {"/v1/audit": token("retention-issuer"), "/v1/orders": token("authority-issuer")}
        own = {"/v1/": held.token, "/v1/authority-keys": token("authority-issuer")}
        made["issuer"].tokens = own | common
        venue = made["venue"].client
        enrolment = {"Authorization": f"Bearer {token('enrolment')}"}
        at = venue.post("/v1/venues", json={"name": "Café", "category": "cafe"}, headers=enrolment).json()
        operator = {"Authorization": f"Bearer {at['operator_token']}"}
        path = f"/v1/venues/{at['venue_id']}/scanners"
        scanner = venue.post(path, json={"label": "door"}, headers=operator).json()
        common = {"/v1/purge": token("retention-venue"), "/v1/statements": token("retention-venue")}
        common |= {"/v1/audit": token("retention-venue"), "/v1/orders": token("authority-venue")}
        own = {"post /v1/venues": token("enrolment"), "/v1/venues/": at["operator_token"]}
        own |= {"/v1/trust": scanner["scanner_token"], "/v1/check-ins": scanner["scanner_token"]}
        made["venue"].tokens = own | common
        cast |= {"operator": at["operator_token"], "scanner": scanner["scanner_token"], "nobody's": UNKNOWN}
        made["venue"].ids = {"venue_id": at["venue_id"], "scanner_id": scanner["scanner_id"]}
        made["retention"].tokens = {"/v1/entries": token("retention-issuer"), "/v1/audits": token("auditor")}
        yield made


@pytest.mark.parametrize("name", APPS)
def test_a_description_is_valid_and_tells_each_operation_in_a_sentence(services: dict[str, Served], name: str) -> None:
    """OpenAPI 3.1 by another's validator; what /docs lists begins with a verb, and no two operations share a name."""
    document = services[name].document
    OpenAPIV31SpecValidator(document).validate()
    operations = [operation for _, _, operation in services[name].operations()]
    for operation in operations:
        summary = operation["summary"]
        assert summary.partition(" ")[0] in VERBS and summary.endswith("."), summary
        assert len(summary) <= 150 and operation["description"].replace("\n", " ").startswith(summary), summary
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def problem_codes(operation: dict[str, Any], status: int) -> set[str]:
    """What the description announces for a status."""
    answer = operation["responses"].get(str(status), {})
    return set(answer.get("content", {}).get("application/problem+json", {}).get("examples", {}))


@pytest.mark.parametrize("name", APPS)
def test_no_form_of_error_is_announced_but_the_one_that_comes(services: dict[str, Served], name: str) -> None:
    """A client generated from the description reads every refusal."""
    served = services[name]
    assert "HTTPValidationError" not in json.dumps(served.document)
    for method, path, operation in served.operations():
        for status, answer in operation["responses"].items():
            if status >= "400" and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
                assert problem_codes(operation, int(status)), (method, path, status)


@pytest.mark.parametrize("name", APPS)
def test_refusals_of_every_route_are_those_that_are_announced(services: dict[str, Served], name: str) -> None:
    """Without a token, with one that nobody bears, with bodies of every wrong kind, and for things that are not."""
    served = services[name]
    wrong = []
    for method, path, operation in served.operations():
        url, good = served.url(path), served.headers(method, path)
        absent = served.url(path, venue_id="0" * 16, scanner_id="0" * 16, index=2**40, place=2**40)
        url = absent if path.endswith("operator-token") else url  # a new one would make the operator a stranger
        tries: list[tuple[str, dict[str, Any]]] = [
            (url, {}),
            (url, {"headers": bearer(UNKNOWN)}),
            (absent, {"headers": good}),
            (url, {"headers": good, "params": {"lang": "x" * 99, "nonce": "!", "before": "x", "day": "x"}}),
        ]
        if method != "get":
            tries += [
                (url, {"headers": good, "content": b"x" * 3_000_000}),
                (url, {"headers": good | {"Content-Type": "text/plain"}, "content": b"{}"}),
                (url, {"headers": good | {"Content-Encoding": "gzip"}, "json": {}}),
                (url, {"headers": good, "json": {"surprise": 1}}),
                (url, {"headers": good | {"Content-Type": "application/json"}, "content": b"{"}),
            ]
        if method == "delete":  # of what is needed for the other routes
            tries = [item for item in tries if (item[0] == absent and absent != url) or not item[1].get("headers")]
        for target, options in tries:
            answer = served.client.request(method.upper(), target, **options)
            if answer.status_code < 400 or path == "/readyz":
                continue
            code = answer.json()["code"]
            if answer.status_code >= 500 and code not in ("not_ready", "key_missing"):
                wrong.append((method, path, answer.status_code, code))
            if code not in problem_codes(operation, answer.status_code):
                wrong.append((method, path, answer.status_code, code))
    assert wrong == []


@pytest.mark.parametrize("name", APPS)
def test_statuses_follow_from_the_form_of_a_route(services: dict[str, Served], name: str) -> None:
    """The same in all three services: a token can be missing, a body can be too large, of another type or form."""
    for method, path, operation in services[name].operations():
        announced = {int(status) for status in operation["responses"]}
        if {} not in operation.get("security", [{}]):
            assert 401 in announced, (method, path)
        if "requestBody" in operation:
            assert {413, 415, 422} <= announced, (method, path)
        if any(parameter["in"] in ("path", "query") for parameter in operation.get("parameters", [])):
            assert 422 in announced, (method, path)
        if path.startswith("/v1/"):
            assert {500, 503} <= announced, (method, path)


def integers(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every integer of a document: (where, its schema)."""
    if isinstance(node, dict):
        if node.get("type") == "integer":
            yield path, node
        for key, value in node.items():
            yield from integers(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from integers(value, (*path, str(number)))


@pytest.mark.parametrize("name", APPS)
def test_every_integer_of_a_description_has_bounds_that_a_file_can_hold(services: dict[str, Served], name: str) -> None:
    """In what is asked and in what is answered."""
    found = list(integers(services[name].document))
    assert found
    for where, schema in found:
        assert -(2**63) <= schema.get("minimum", -(2**64)) <= schema.get("maximum", 2**64) < 2**63, where


def numbers_of(schema: dict[str, Any]) -> list[int]:
    """The bounds, their neighbours, and what no file can hold."""
    low, high = int(schema["minimum"]), int(schema["maximum"])
    return sorted({low - 1, low, low + 1, high - 1, high, high + 1, *BEYOND})


def asked(served: Served, operation: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Requests with each number at each integer of a route: (url, options, whether the number is within bounds)."""
    yield from asked_outside(served, operation, path)
    yield from asked_inside(served, operation, path)


def asked_outside(served: Served, operation: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """In path and query."""
    for parameter in operation.get("parameters", []):
        schema = served.resolve(parameter["schema"])
        if schema.get("type") != "integer":
            continue
        for number in numbers_of(schema):
            inside = schema["minimum"] <= number <= schema["maximum"]
            if parameter["in"] == "path":
                yield served.url(path, **{parameter["name"]: number}), {"json": served.body(operation)}, inside
            else:
                yield served.url(path), {"params": {parameter["name"]: number}}, inside


def asked_inside(served: Served, operation: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """In the body, alone or in a list."""
    body = served.body(operation)
    if not isinstance(body, dict):
        return
    form = served.resolve(operation["requestBody"]["content"]["application/json"]["schema"])
    for member, described in form["properties"].items():
        schema = served.resolve(described)
        inner = served.resolve(schema["items"]) if schema.get("type") == "array" else schema
        if inner.get("type") != "integer":
            continue
        for number in numbers_of(inner):
            value = [number] if schema is not inner else number
            yield served.url(path), {"json": {**body, member: value}}, inner["minimum"] <= number <= inner["maximum"]


@pytest.mark.parametrize("name", APPS)
def test_no_integer_reaches_what_cannot_hold_it(services: dict[str, Served], name: str) -> None:
    """A number out of bounds is 422 at every integer of every route, and no number is ever a fault of ours."""
    served = services[name]
    tried = 0
    for method, path, operation in served.operations():
        for url, options, inside in asked(served, operation, path):
            if method == "get":
                options.pop("json", None)
            answer = served.client.request(method.upper(), url, headers=served.headers(method, path), **options)
            tried += 1
            assert answer.status_code < 500 or answer.json()["code"] in ("not_ready", "key_missing"), (url, options)
            if not inside:
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (url, options)
    assert tried >= {"issuer": 20, "venue": 20, "retention": 40}[name]


@pytest.mark.parametrize("name", APPS)
def test_head_is_get_without_its_content(services: dict[str, Served], name: str) -> None:
    """RFC 9110 §9.3.2, at every route and file."""
    served = services[name]
    gets = [(path, served.headers("get", path)) for method, path, _ in served.operations() if method == "get"]
    gets += [("/docs", {}), ("/openapi.json", {}), ("/static/style.css", {})]
    for path, headers in gets:
        url = served.url(path) + ("?nonce=0123456789abcdef" if path in ("/v1/time", "/v1/trust") else "")
        moving = path in ("/v1/time", "/v1/trust", "/metrics")  # the time and counters

        def asked(method: str, url: str = url, headers: dict[str, str] = headers) -> httpx.Response:
            return served.client.request(method, url, headers=headers)

        def around(asked: Callable[[str], httpx.Response] = asked, moving: bool = moving) -> list[httpx.Response]:
            """GET and HEAD of one state: what a task writes meanwhile, as a scanner's last sign of life, shows."""
            before, head, after = (asked(method) for method in ("GET", "HEAD", "GET"))
            return [before, head] if moving or before.content == after.content else []

        whole, head = until(around)
        assert head.status_code == whole.status_code, path
        assert head.content == b"", path
        assert head.headers.get("content-type") == whole.headers.get("content-type"), path
        if not moving:
            assert head.headers.get("content-length") == whole.headers.get("content-length"), path


@pytest.mark.parametrize("name", APPS)
def test_a_method_that_is_not_allowed_is_told_which_are(services: dict[str, Served], name: str) -> None:
    """RFC 9110 §15.5.6: all that the address takes, not only what the first of its routes does."""
    served = services[name]
    for path, operations in served.document["paths"].items():
        answer = served.client.request("PATCH", served.url(path))
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path
        allowed = {method.upper() for method in operations} | ({"HEAD"} if "get" in operations else set())
        assert set(answer.headers["allow"].split(", ")) == allowed, path
    answer = served.client.request("HEAD", "/v1/nothing")
    assert (answer.status_code, answer.content) == (404, b"")


BODIES: dict[str, dict[str, Any]] = {
    "no body": {},
    "{}": {"json": {}},
    "an unknown member": {"json": {"a": 1}},
    "a list": {"json": []},
    "not JSON": {"content": b"{", "headers": {"Content-Type": "application/json"}},
    "a form": {"data": {"a": "1"}},
    "compressed": {"json": {}, "headers": {"Content-Encoding": "gzip"}},
}
ANSWERS = {"no body": 200, "{}": 200, "an unknown member": 422, "a list": 422, "not JSON": 422, "a form": 415}


def test_issuer_and_registry_answer_the_same_to_retention_and_the_authority(services: dict[str, Served]) -> None:
    """One contract, written once: whatever body is sent, whoever sends it."""
    paths = [("POST", "/v1/purge"), ("GET", "/v1/statements"), ("POST", "/v1/audit"), ("POST", "/v1/orders")]
    for method, path in paths:
        for kind, options in BODIES.items():
            if method == "GET" and options:
                continue
            for caller in ("right", "unknown", None):
                said = []
                for name in ("issuer", "venue"):
                    served = services[name]
                    headers = {"right": served.headers(method.lower(), path), None: {}}.get(caller, bearer(UNKNOWN))
                    sent = options | {"headers": headers | options.get("headers", {})}
                    answer = served.client.request(method, path, **sent)
                    said.append((answer.status_code, answer.json().get("code"), sorted(answer.json())))
                assert said[0] == said[1], (path, kind, caller)
                if path == "/v1/purge" and caller == "right":
                    assert said[0][0] == ANSWERS.get(kind, 415), kind


@pytest.mark.parametrize("name", APPS)
def test_a_token_that_nobody_bears_is_an_invalid_token(services: dict[str, Served], name: str) -> None:
    """RFC 6750 §3: told apart from a request without any; a token of another role stays forbidden."""
    served = services[name]
    secured = [item for item in served.operations() if {} not in item[2].get("security", [{}])]
    assert secured or name == "retention"
    for method, path, _ in secured:
        without = served.client.request(method.upper(), served.url(path))
        unknown = served.client.request(method.upper(), served.url(path), headers=bearer(UNKNOWN))
        assert (without.status_code, without.headers["www-authenticate"]) == (401, "Bearer"), path
        challenge = unknown.headers.get("www-authenticate")
        assert (unknown.status_code, challenge) == (401, 'Bearer error="invalid_token"'), path
    if name == "venue":
        scanner = served.client.post("/v1/purge", headers=served.headers("get", "/v1/trust"))
        assert (scanner.status_code, scanner.json()["code"]) == (403, "forbidden")


MAY = {
    ("issuer", "post /v1/audit"): {"retention-issuer"},
    ("issuer", "post /v1/purge"): {"retention-issuer"},
    ("issuer", "get /v1/statements"): {"retention-issuer"},
    ("issuer", "post /v1/orders"): {"authority-issuer"},
    ("issuer", "put /v1/authority-keys"): {"authority-issuer"},
    ("issuer", "post /v1/credentials"): {"wallet"},
    ("issuer", "post /v1/qr"): {"wallet"},
    ("issuer", "get /v1/wallet"): {"wallet"},
    ("issuer", "put /v1/vaccination"): {"wallet"},
    ("issuer", "delete /v1/vaccination"): {"wallet"},
    ("issuer", "delete /v1/wallet"): {"wallet"},
    ("retention", "post /v1/entries"): {"retention-issuer", "retention-venue", "authority-retention"},
    ("retention", "post /v1/audits"): {"auditor"},
}
"""Whose token opens a route. The registry's: tests/venue/test_roles.py."""
ANYBODYS = {
    "issuer": {
        *("get /healthz", "get /readyz", "get /metrics", "get /wallet", "get /v1/time", "get /v1/checkpoint"),
        *("get /v1/keys", "post /v1/registrations", "post /v1/registrations/{registration_id}/confirm"),
    },
    "retention": {
        *("get /healthz", "get /readyz", "get /metrics", "get /", "get /v1/time", "get /v1/keys", "get /v1/orders"),
        *("get /checkpoint", "get /tile/{path}", "get /v1/purge-reports", "get /v1/purge-reports/{index}"),
        *("get /v1/audits", "get /v1/audits/{place}", "get /v1/audits/{place}/proof", "get /audits/{place}"),
    },
}
"""A new route fails the test until it stands in one of the two."""


@pytest.mark.parametrize("name", ["issuer", "retention"])
def test_every_role_at_every_route_gets_what_it_may_and_nothing_else(services: dict[str, Served], name: str) -> None:
    served, wrong = services[name], []
    rows = {route for service, route in MAY if service == name} | ANYBODYS[name]
    assert rows == {f"{method} {path}" for method, path, _ in served.operations()}
    for method, path, operation in served.operations():
        may = MAY.get((name, f"{method} {path}"), {None, *served.cast})
        for who in (None, *served.cast):
            if who in may and (method == "delete" or path == "/v1/audits"):
                continue  # what others need, and what takes long; both succeed elsewhere
            headers = {"Authorization": f"Bearer {served.cast[who]}"} if who else {}
            body = {} if method == "get" else {"json": served.body(operation)}
            answer = served.client.request(method.upper(), served.url(path), headers=headers, **body)
            refused = answer.status_code in (401, 403) and answer.json()["code"] in ("unauthorized", "forbidden")
            if refused == (who in may):
                wrong.append((who, method, path, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize(("name", "page"), [("issuer", "/wallet"), ("venue", "/operator"), ("retention", "/")])
def test_the_address_alone_leads_a_browser_to_a_page(services: dict[str, Served], name: str, page: str) -> None:
    """Whoever types it is not told `not_found`."""
    answer = services[name].client.get("/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, page)
    assert answer.headers["content-type"].startswith("text/html")
