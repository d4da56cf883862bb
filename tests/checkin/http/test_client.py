"""A client of the services takes for an answer what a service answers, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from checkin.errors import CheckinError, RequestInvalid, ServiceError
from checkin.http.asking import Ask, Keep, Steps, conform, read_json
from checkin.http.client import Client, drive_at, problem_error
from checkin.parties.scanner import CheckInAnswer, UploadAnswer, waits
from tests.vectors.answervectors import ANSWERS

MODELS: dict[str, Any] = {"check-in": CheckInAnswer, "batch": UploadAnswer, "any": None}


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["name"])
def test_what_is_no_answer_of_the_service_is_unreachable(case: dict[str, Any]) -> None:
    """The same cases as the pages'."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(case["status"], headers={"Content-Type": case["kind"]}, content=case["content"])

    with Client("http://registry.test") as client:
        client._http._transport = httpx.MockTransport(answer)
        try:
            if case["model"] == "file":
                seen = "ok" if client.get_bytes("/tile/0/000") == case["content"].encode() else ""
            else:
                content, model = client.post("/v1/check-ins"), MODELS[case["model"]]
                seen = "ok" if model is None or conform(model, content) else ""
        except CheckinError as error:
            seen = error.code
    assert seen == case["expected"]


def test_no_other_encoding_than_utf_8_is_json() -> None:
    """Python would take it; no page does. A mark of byte order before UTF-8 is left aside by both."""
    assert read_json(b"\xef\xbb\xbf{}") == {}
    with pytest.raises(ServiceError):
        read_json("{}".encode("utf-16"))


def test_a_client_is_opened_only_when_something_is_asked() -> None:
    """A code that the wallet has is shown at once."""

    def steps(step: Ask | Keep) -> Steps[str]:
        yield step
        return "done"

    assert drive_at("no address", steps(Keep(dict))) == "done"
    with pytest.raises(RequestInvalid):
        drive_at("no address", steps(Ask("/v1/keys")))


def test_a_party_asks_over_the_same_connection_with_a_token_of_its_own_or_none() -> None:
    """And the client is still who it was."""
    heard = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append((request.url.raw_path.decode(), request.headers.get("Authorization")))
        return httpx.Response(200, json={})

    with Client("http://issuer.test", "first") as client:
        client._http._transport = httpx.MockTransport(answer)
        client.answer(Ask("/v1/check-ins", "second", {}))
        client.answer(Ask("/v1/time?nonce=a"))
        client.answer(Ask("/v1/lists/a", raw=True))
        client.post("/v1/check-ins")
    assert heard == [
        ("/v1/check-ins", "Bearer second"),
        ("/v1/time?nonce=a", None),
        ("/v1/lists/a", None),
        ("/v1/check-ins", "Bearer first"),
    ]


@pytest.mark.parametrize(("status", "queued"), [(403, False), (422, False), (429, True), (500, True), (503, True)])
def test_a_code_that_is_not_known_is_judged_by_its_status(status: int, queued: bool) -> None:
    """A scanner that queued a newer registry's refusal would let its bearer in."""
    problem = {"type": "urn:checkin:problem:brand_new", "title": "No.", "status": status, "code": "brand_new"}
    kind = {"Content-Type": "application/problem+json"}
    error = problem_error(httpx.Response(status, headers=kind, content=json.dumps(problem)))
    assert (error.code, waits(error)) == ("service_error", queued)
