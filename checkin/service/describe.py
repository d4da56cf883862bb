"""What /openapi.json says of errors: for each status the codes that a route can answer, each with an example.

A route names its own with `problem_answers`; what follows from its form (a bearer token, a body, parameters) is added
to the whole document by `install`, and FastAPI's own form of a 422, which nothing here answers, is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Annotated, Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, Field

from checkin.errors import (
    CheckinError,
    InternalError,
    MediaTypeUnsupported,
    NotReady,
    RequestInvalid,
    RequestTooLarge,
    Unauthorized,
)
from checkin.service.auth import OPTIONAL
from checkin.service.problems import document

_MEDIA: Final = "application/problem+json"
_SENTENCE: Final = re.compile(r".+?[.](?=\s|$)", re.DOTALL)
_FOREIGN: Final = ("HTTPValidationError", "ValidationError")


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is what programs look at."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
    errors: list[dict[str, str]] | None = Field(default=None, description="With `invalid_request`: where, and why.")
    same_venue: bool | None = Field(default=None, description="With `already_used`: whether at the venue that asks.")


def problem_answers(*errors: type[CheckinError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it can answer besides success."""
    by_status: dict[int | str, list[type[CheckinError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {status: _answer({error.code: _example(error) for error in kinds}) for status, kinds in by_status.items()}


def install(app: FastAPI) -> None:
    """Complete the app's OpenAPI document, when it is first requested."""
    generate: Callable[[], dict[str, Any]] = app.openapi
    # FastAPI's documented way to extend the description.
    app.openapi = cache(lambda: _completed(generate()))  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    models = schema.setdefault("components", {}).setdefault("schemas", {})
    models["Problem"] = Problem.model_json_schema()
    for name in _FOREIGN:
        models.pop(name, None)
    schema["components"].get("securitySchemes", {}).pop(OPTIONAL, None)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if {OPTIONAL: []} in operation.get("security", []):
                operation["security"] = [{"HTTPBearer": []}, {}]
            operation["summary"] = _first_sentence(operation["description"])
            responses = operation["responses"]
            if _FOREIGN[0] in str(responses.get("422", "")):
                del responses["422"]
            _add(responses, _by_form(path, method, operation))
    return schema


def _first_sentence(text: str) -> str:
    """What /docs shows beside the route."""
    found = _SENTENCE.match(text)
    return " ".join(found[0].split()) if found else text


def _by_form(path: str, method: str, operation: dict[str, Any]) -> Iterator[type[CheckinError]]:
    if {} not in operation.get("security", [{}]):
        yield Unauthorized
    if method != "get":
        yield from (RequestTooLarge, MediaTypeUnsupported)
    parameters = [parameter["in"] for parameter in operation.get("parameters", [])]
    if "requestBody" in operation or {"path", "query"} & {*parameters}:
        yield RequestInvalid
    if path.startswith("/v1/"):
        yield from (NotReady, InternalError)


def _add(responses: dict[str, Any], errors: Iterable[type[CheckinError]]) -> None:
    """Beside what is there; an answer that is no problem document stays what it is."""
    for error in errors:
        media = responses.get(str(error.status), _answer({}))["content"].get(_MEDIA)
        if media is not None:
            responses[str(error.status)] = _answer(media["examples"] | {error.code: _example(error)})


def _example(error: type[CheckinError]) -> dict[str, Any]:
    return {"summary": error.default, "value": document(error())}


def _answer(examples: dict[str, Any]) -> dict[str, Any]:
    one = {"type": "object", "properties": {"code": {"enum": sorted(examples)}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, one]}
    description = " · ".join(f"`{code}`" for code in examples)
    return {"description": description, "content": {_MEDIA: {"schema": schema, "examples": examples}}}
