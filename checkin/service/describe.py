"""What /openapi.json says of errors: for each status the codes that a route can answer, each with an example."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from checkin.errors import CheckinError
from checkin.service.problems import document


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is what programs look at."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = Field(default=None, description="With `invalid_request`: where, and why.")


def problem_answers(*errors: type[CheckinError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it can answer besides success."""
    by_status: dict[int | str, list[type[CheckinError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {status: _answer(several) for status, several in by_status.items()}


def _answer(errors: list[type[CheckinError]]) -> dict[str, Any]:
    examples = {error.code: {"summary": error.default, "value": document(error())} for error in errors}
    schema = Problem.model_json_schema()
    media = {"application/problem+json": {"schema": schema, "examples": examples}}
    return {"description": " · ".join(f"`{error.code}`" for error in errors), "content": media}
