"""Who may do what: every role at every route. A route without a row here fails the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from tests.support.registry_service import ENROLMENT, METRICS, RETENTION, Phone, enrol, scan_id, sealed
from tests.support.service_folder import DAY, NOON, bearer
from tests.venue.conftest import Scene
from venue.app import create_app

ANYONE = (
    *("/healthz", "/readyz", "/docs", "/openapi.json", "/v1/time", "/v1/checkpoint", "/v1/lists"),
    *("/static", "/scanner", "/operator"),
)


@dataclass(frozen=True)
class Row:
    """A route, who may use it, and the body with which he succeeds."""

    method: str
    path: str
    role: str
    success: int
    body: str = ""


ROWS = [
    Row("POST", "/v1/venues", "enrolment", 201, "venue"),
    Row("POST", "/v1/venues/{venue_id}/operator-token", "enrolment", 201),
    Row("DELETE", "/v1/venues/{venue_id}", "enrolment", 204),
    Row("GET", "/v1/venues/{venue_id}", "operator", 200),
    Row("PUT", "/v1/venues/{venue_id}/capacity", "operator", 200, "capacity"),
    Row("PUT", "/v1/venues/{venue_id}/status-rule", "operator", 200, "rule"),
    Row("POST", "/v1/venues/{venue_id}/scanners", "operator", 201, "label"),
    Row("GET", "/v1/venues/{venue_id}/scanners", "operator", 200),
    Row("DELETE", "/v1/venues/{venue_id}/scanners/{scanner_id}", "operator", 204),
    Row("GET", "/v1/venues/{venue_id}/stats", "operator", 200),
    Row("GET", "/v1/trust", "scanner", 200),
    Row("POST", "/v1/check-ins", "scanner", 201, "check_in"),
    Row("POST", "/v1/check-ins/batch", "scanner", 200, "batch"),
    Row("POST", "/v1/purge", "retention", 200, "empty"),
    Row("GET", "/v1/statements", "retention", 200),
    Row("POST", "/v1/audit", "retention", 200, "empty"),
    Row("GET", "/metrics", "metrics", 200),
    Row("POST", "/v1/orders", "authority", 200, "order"),
]
# A token that nobody bears is 401, one whose bearer is of another role or venue 403.
GONE = ("revoked operator", "revoked scanner", "closed venue's operator", "closed venue's scanner")
STORED, PINNED = ("operator", "scanner"), ("enrolment", "retention", "metrics")
NOBODYS = (*GONE, "garbage", "strange garbage", "long garbage")


@dataclass
class Cast:
    """Everybody's tokens."""

    scene: Scene
    tokens: Mapping[str, str]

    def body(self, kind: str) -> Any:
        """A body that is good the first time."""
        at, phone = self.scene.at, Phone(self.scene.issuer, DAY)
        bodies: dict[str, Any] = {
            "": None,
            "empty": {},
            "venue": {"name": "Bakery", "category": "shop"},
            "rule": {"accepted": [1]},
            "capacity": {"capacity": 40},
            "label": {"label": "side door"},
            "check_in": {"token": phone.at(NOON), "scan_id": scan_id()},
            "order": {"part": "-", "entry": "-", "proof": "-"},
            "batch": {"sealed": [sealed(at, self.scene.intake, phone.bytes_at(NOON), NOON)]},
        }
        return bodies[kind]

    def ask(self, row: Row, token: str | None) -> httpx.Response:
        """The route of this scene's venue and scanner, with that token."""
        path = row.path.format(venue_id=self.scene.at.venue_id, scanner_id=self.scene.at.scanner_id)
        headers = {} if token is None else bearer(token)
        return self.scene.client.request(row.method, path, json=self.body(row.body), headers=headers)


@pytest.fixture
def cast(scene: Scene) -> Cast:
    """Two venues, and tokens that were revoked."""
    other, client = scene.venue(), scene.client
    revoked = enrol(client, "Gone")
    gone = f"/v1/venues/{revoked.venue_id}/scanners/{revoked.scanner_id}"
    client.delete(gone, params={"reason": "stolen"}, headers=bearer(revoked.operator))
    client.post(f"/v1/venues/{revoked.venue_id}/operator-token", headers=bearer(ENROLMENT))
    closed = enrol(client, "Closed")
    client.delete(f"/v1/venues/{closed.venue_id}", headers=bearer(ENROLMENT))
    return Cast(
        scene,
        {
            "enrolment": ENROLMENT,
            "retention": RETENTION,
            "metrics": METRICS,
            "operator": scene.at.operator,
            "scanner": scene.at.scanner,
            "another operator": other.operator,
            "revoked operator": revoked.operator,
            "revoked scanner": revoked.scanner,
            "closed venue's operator": closed.operator,
            "closed venue's scanner": closed.scanner,
            "garbage": "x" * 43,
            "strange garbage": '=; "x',
            "long garbage": "x" * 5000,
        },
    )


def expected(row: Row, who: str) -> int:
    """The status for somebody who may not."""
    if row.role in STORED and who in PINNED:
        return 401  # a route that looks in the database does not look among the secrets of the settings
    return 401 if who in NOBODYS else 403


def test_every_role_at_every_route_gets_what_it_may_and_nothing_else(cast: Cast) -> None:
    wrong = []
    for row in ROWS:
        cells = {"nobody": (None, 401)} | {
            who: (token, expected(row, who)) for who, token in cast.tokens.items() if who != row.role
        }
        for who, (token, status) in cells.items():
            answer = cast.ask(row, token)
            code = {401: "unauthorized", 403: "forbidden"}[status]
            if (answer.status_code, answer.json()["code"]) != (status, code):
                wrong.append(f"{who} at {row.method} {row.path}: {answer.status_code} instead of {status}")
            challenge = "Bearer" if token is None else 'Bearer error="invalid_token"'
            if status == 401 and answer.headers.get("www-authenticate") != challenge:
                wrong.append(f"{who} at {row.method} {row.path}: no challenge")
    assert wrong == []


def test_a_body_is_not_looked_at_before_the_token(cast: Cast) -> None:
    """An attacker without the right token sends nonsense: nobody takes the trouble to find what is wrong."""
    rows = [row for row in ROWS if row.method in ("POST", "PUT")]
    nonsense = {f"member{number}": 0 for number in range(200)}
    for row in rows:
        path = row.path.format(venue_id=cast.scene.at.venue_id, scanner_id=cast.scene.at.scanner_id)
        for token, status in ((None, 401), (cast.tokens["garbage"], 401)):
            headers = {} if token is None else bearer(token)
            answer = cast.scene.client.request(row.method, path, json=nonsense, headers=headers)
            assert answer.status_code == status, (row, answer.text[:300])


def test_the_right_role_succeeds_at_every_route(cast: Cast) -> None:
    """The deletions last, because nothing works after them."""
    answers = {}
    tokens = dict(cast.tokens)
    for row in sorted(ROWS, key=lambda row: (row.method == "DELETE", -len(row.path))):
        if row.path.endswith(("operator-token", "/v1/orders")):  # the first is tested below, orders elsewhere
            continue
        answers[row] = cast.ask(row, tokens[row.role]).status_code
    assert answers == {row: row.success for row in answers}


def test_a_renewed_operator_token_works_and_the_old_one_is_void(scene: Scene) -> None:
    answer = scene.client.post(f"/v1/venues/{scene.at.venue_id}/operator-token", headers=bearer(ENROLMENT))
    assert answer.status_code == 201
    path = f"/v1/venues/{scene.at.venue_id}/stats"
    fresh = answer.json()["operator_token"]
    assert [scene.client.get(path, headers=bearer(token)).status_code for token in (fresh, scene.at.operator)] == [
        200,
        401,
    ]


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "bearer", "Token x", "Bearer  x"])
def test_a_header_of_another_form_is_no_credential(scene: Scene, header: str) -> None:
    for row in ROWS:
        path = row.path.format(venue_id=scene.at.venue_id, scanner_id=scene.at.scanner_id)
        answer = scene.client.request(row.method, path, json={}, headers={"Authorization": header})
        assert answer.status_code in (401, 403, 422), (row, answer.text)
        if row.path != "/v1/venues":
            assert answer.json()["code"] in ("unauthorized", "forbidden", "invalid_request")


def test_another_venues_operator_learns_nothing_of_which_venues_there_are(scene: Scene) -> None:
    other = scene.venue()
    answers = [
        scene.client.get(f"/v1/venues/{venue}/stats", headers=bearer(other.operator))
        for venue in (scene.at.venue_id, "0123456789abcdef")
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """All that the app answers to."""
    for route in app.routes:
        if hasattr(route, "original_router"):  # FastAPI's wrapper of a router that was included
            yield from routes_of(route.original_router)
        elif isinstance(route, Mount):
            yield "GET", route.path
        else:
            assert isinstance(route, APIRoute | Route), route
            yield from ((method, route.path) for method in (route.methods or set()) - {"HEAD"})


def test_every_route_has_a_row(scene: Scene) -> None:
    app = create_app(scene.registry.config, scene.registry.clock)
    found = {(method, path) for method, path in routes_of(app) if path != "/" and not path.startswith(ANYONE)}
    assert found == {(row.method, row.path) for row in ROWS}
    described = {(method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations}
    assert {(row.method, row.path) for row in ROWS} <= described


def test_what_anyone_may_see_needs_no_token(scene: Scene) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/v1/time?nonce=0123456789abcdef"):
        assert scene.client.get(path).status_code == 200
