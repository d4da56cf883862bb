"""Every route, given anything: never an error of ours, only documented codes, always a problem document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.support.issuer_service import PHONE, Running, Site, begin, holder_keys, register
from tests.support.service_folder import DAY, bearer

ROUTES = [
    ("POST", "/v1/registrations"),
    ("POST", "/v1/registrations/{registration_id}/confirm"),
    ("POST", "/v1/credentials"),
    ("POST", "/v1/qr"),
    ("PUT", "/v1/vaccination"),
    ("DELETE", "/v1/vaccination"),
    ("GET", "/v1/wallet"),
    ("GET", "/v1/keys"),
    ("PUT", "/v1/authority-keys"),
    ("POST", "/v1/purge"),
    ("GET", "/v1/statements"),
    ("POST", "/v1/audit"),
    ("POST", "/v1/orders"),
]
FEW = examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, str]]]:
    """One issuer for all that is thrown at it, and the tokens that open its routes."""
    limits = {"batches_a_day": "100", "codes_a_day": "1000", "registrations_a_minute": "100000"}
    site = Site.make(tmp_path_factory.mktemp("routes") / "issuer", **limits)
    with site.serve() as running:
        site.list_keys(running.http)
        wallet = register(site, running.http)
        yield (
            running,
            {"wallet": wallet, "authority": "authority", "retention": "retention", "id": begin(running.http)},
        )


def _token(path: str, tokens: dict[str, str]) -> dict[str, str]:
    if path in ("/v1/purge", "/v1/statements", "/v1/audit"):
        return bearer(tokens["retention"])
    return bearer(tokens["authority"] if path in ("/v1/authority-keys", "/v1/orders") else tokens["wallet"])


def _near(path: str) -> dict[str, Any]:
    """A body that is right."""
    bodies: dict[str, dict[str, Any]] = {
        "/v1/registrations": {"name": "x", "phone": PHONE},
        "/v1/registrations/{registration_id}/confirm": {"code": "00000000"},
        "/v1/credentials": {"day": DAY, "holder_keys": holder_keys()[1], "mode": 0},
        "/v1/qr": {"show_status": False},
        "/v1/vaccination": {"certificate": "HC1:6BF"},
        "/v1/authority-keys": {"list": "checkin/authority-keys/v1\n"},
        "/v1/orders": {"part": "x", "entry": "x", "proof": "x"},
    }
    return bodies.get(path, {})


def _judge(answer: httpx.Response, method: str, path: str, described: dict[str, Any]) -> None:
    documented = described["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in documented, (method, path, answer.status_code, answer.text)
    # 503 stands for a state that is documented (no trust list, no key), never for a fault.
    assert answer.status_code < 500 or answer.json()["code"] == "not_ready"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        examples = documented[str(answer.status_code)]["content"]["application/problem+json"]["examples"]
        assert problem["code"] in examples
        assert problem["status"] == answer.status_code


@pytest.mark.parametrize(("method", "path"), ROUTES)
@FEW
@given(data=st.data())
def test_a_malformed_request_gets_a_documented_answer(
    world: tuple[Running, dict[str, str]], method: str, path: str, data: st.DataObject
) -> None:
    """Bytes, JSON of any form, and right bodies with one member changed, added or missing."""
    running, tokens = world
    described = running.http.get("/openapi.json").json()
    body = data.draw(st.binary(max_size=40) | json_values.map(_dump) | _changed(_near(path)).map(_dump))
    target = path.replace("{registration_id}", tokens["id"])
    headers = _token(path, tokens) | {"Content-Type": "application/json"}
    answer = running.http.request(method, target, content=body, headers=headers)
    _judge(answer, method, path, described)


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def _changed(body: dict[str, Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from([*body, "more"])
    replaced = st.tuples(names, json_values).map(lambda pair: {**body, pair[0]: pair[1]})
    return replaced | names.map(lambda name: {key: value for key, value in body.items() if key != name})


@FEW
@given(registration=st.text("ABCabc019-_=.%", min_size=1, max_size=60), code=st.from_regex(r"\A[0-9]{8}\Z"))
def test_any_text_as_a_registration_id_is_a_wrong_code(
    world: tuple[Running, dict[str, str]], registration: str, code: str
) -> None:
    running, _ = world
    raw = registration.encode().replace(b"%", b"%25")
    url = running.http.base_url.copy_with(raw_path=b"/v1/registrations/" + raw + b"/confirm")
    answer = running.http.post(url, json={"code": code})
    assert (answer.status_code, answer.json()["code"]) in [(403, "code_wrong"), (404, "not_found")]


@FEW
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_any_other_token_opens_nothing(world: tuple[Running, dict[str, str]], token: str) -> None:
    running, _ = world
    for method, path in ROUTES[2:]:
        if path != "/v1/keys":
            answer = running.http.request(method, path, json=_near(path), headers=bearer(token))
            assert answer.status_code in (401, 403)
            assert token not in answer.text or len(token) < 8


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES[2:] if route[1] != "/v1/keys"])
def test_a_route_for_somebody_asks_who_it_is(world: tuple[Running, dict[str, str]], method: str, path: str) -> None:
    running, _ = world
    answer = running.http.request(method, path, json=_near(path))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_one_partys_token_opens_no_other_partys_route(world: tuple[Running, dict[str, str]]) -> None:
    running, tokens = world
    for name, path, method in [
        ("wallet", "/v1/purge", "POST"),
        ("authority", "/v1/purge", "POST"),
        ("wallet", "/v1/authority-keys", "PUT"),
        ("retention", "/v1/authority-keys", "PUT"),
        ("authority", "/v1/wallet", "GET"),
    ]:
        answer = running.http.request(method, path, json=_near(path), headers=bearer(tokens[name]))
        assert answer.status_code in (401, 403), (name, path)


@pytest.mark.parametrize("path", ["/v1/registrations", "/v1/credentials", "/v1/authority-keys", "/v1/vaccination"])
def test_a_crowd_of_unknown_members_is_refused_as_one_error(world: tuple[Running, dict[str, str]], path: str) -> None:
    """One for each of them took a worker seconds, which nobody else was served in."""
    running, tokens = world
    body = _near(path) | {f"x{number}": 0 for number in range(2000)}
    method = "PUT" if path in ("/v1/authority-keys", "/v1/vaccination") else "POST"
    answer = running.http.request(method, path, json=body, headers=_token(path, tokens))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["why"] for error in answer.json()["errors"]] == ["too_many_members"]


def test_a_body_that_is_too_large_is_not_read(world: tuple[Running, dict[str, str]]) -> None:
    running, _ = world
    answer = running.http.post("/v1/registrations", content=b" " * 70_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    answer = running.http.put("/v1/authority-keys", json={"list": "x" * 100_000}, headers=bearer("authority"))
    assert (answer.status_code, answer.json()["code"]) == (400, "note_malformed")


def test_an_invalid_request_is_told_where_and_not_what(world: tuple[Running, dict[str, str]]) -> None:
    running, _ = world
    answer = running.http.post("/v1/registrations", json={"name": ["CANARY"], "phone": PHONE})
    assert answer.json()["errors"] == [{"at": "body.name", "why": "string_type"}]
    assert "CANARY" not in answer.text


def test_every_route_is_described_with_its_errors(world: tuple[Running, dict[str, str]]) -> None:
    """OpenAPI knows every route of the issuer, its security, and for each error status the codes with an example."""
    running, _ = world
    described = running.http.get("/openapi.json").json()
    own = {
        (method.upper(), path)
        for path, methods in described["paths"].items()
        for method in methods
        if path.startswith("/v1/") and path != "/v1/time"
    }
    assert own == {*ROUTES, ("DELETE", "/v1/wallet"), ("GET", "/v1/checkpoint")}
    for method, path in own:
        route = described["paths"][path][method.lower()]
        assert route["description"]
        public = path.startswith("/v1/registrations") or path in ("/v1/keys", "/v1/checkpoint")
        assert ({} in route.get("security", [{}])) == public
        for status, answer in route["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"]
                for code, example in answer["content"]["application/problem+json"]["examples"].items():
                    assert example["value"]["code"] == code
