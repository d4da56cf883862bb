"""What nobody foresaw must not tell anything: not to the client, not to the log."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
import structlog
from fastapi import FastAPI

from checkin.service import problems
from checkin.service.limits import UnexpectedErrors

SECRET = "010-1234-5678"


def broken() -> FastAPI:
    """An app with a route that fails with a personal datum in its message."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(UnexpectedErrors)

    @app.get("/broken")
    def fail() -> None:
        raise KeyError(SECRET)

    @app.get("/number/{number}")
    def number(number: int) -> int:
        return number

    return app


def ask(method: str, path: str) -> httpx.Response:
    """One request to the app, through ASGI alone."""

    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(broken(), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path)

    return asyncio.run(exchange())


def test_an_unexpected_error_quotes_nothing(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A 500 with a stable code; the log has the error's type and place, not its message."""
    structlog.reset_defaults()
    caplog.set_level(logging.DEBUG)
    answer = ask("GET", "/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    seen = capsys.readouterr()
    assert "unexpected_error" in seen.out
    assert "KeyError" in seen.out
    assert SECRET not in answer.text + seen.out + seen.err + caplog.text


def test_what_was_sent_is_never_repeated() -> None:
    """An invalid request is told where and why."""
    answer = ask("GET", f"/number/{SECRET}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"] == [{"at": "path.number", "why": "int_parsing"}]
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nowhere", "not_found"), ("POST", "/broken", "method_not_allowed")]
)
def test_the_framework_s_own_refusals_are_problems_too(method: str, path: str, code: str) -> None:
    """One form for every error."""
    answer = ask(method, path)
    assert answer.json()["code"] == code
