"""A request's body holds what is documented, and one that holds more costs whoever reads it next to nothing."""

from __future__ import annotations

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from pydantic import Field, ValidationError

from checkin.service import problems
from checkin.service.body import Body


class Asked(Body):
    """Two members, one of them a list."""

    items: Annotated[list[str], Field(max_length=1000)]
    more: int = 0


def test_a_crowd_of_unknown_members_is_one_error() -> None:
    """An attacker sends 50,000 members that nobody documented: they are counted, not listed."""
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate({f"member{number}": 0 for number in range(50_000)})
    assert [item["type"] for item in refused.value.errors()] == ["too_many_members"]


def test_a_single_unknown_member_is_still_named() -> None:
    """Somebody who mistypes a member hears which one."""
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate({"items": [], "moer": 1})
    assert [(item["loc"], item["type"]) for item in refused.value.errors()] == [(("moer",), "extra_forbidden")]


def test_nothing_is_converted() -> None:
    """A number in quotes is no number."""
    with pytest.raises(ValidationError):
        Asked.model_validate({"items": [], "more": "1"})
    assert Asked.model_validate({"items": ["a"], "more": 1}) == Asked(items=["a"], more=1)


def test_a_thousand_errors_are_answered_in_a_few_lines() -> None:
    """An attacker cannot have a service write more than was sent: the first twenty errors are named, and no more."""
    app = FastAPI()
    problems.install(app)

    @app.post("/")
    def route(_: Asked) -> None:
        """Never reached here."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/", json={"items": [1] * 1000})

    answer = asyncio.run(ask())
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
