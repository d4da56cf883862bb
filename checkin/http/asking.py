"""A party's requests to a service and what it keeps, step by step, and what is taken for an answer; nothing is opened
or sent here (docs/adr/0020-parties-without-io.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from checkin.errors import CheckinError, ServiceError, Unreachable

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
NO_ANSWER: Final = "What answered is not the service: a Wi-Fi's login page or a proxy may be in between."


@dataclass(frozen=True)
class Ask:
    """A question: a GET, or the POST of a body. What comes back is the answer's JSON or, `raw`, its bytes; what it was
    refused with is raised in its place."""

    path: str
    token: str | None = None
    body: Any = None
    raw: bool = False
    to: str = ""
    """The name of the service, where a party queries several."""


@dataclass(frozen=True)
class Keep:
    """What the party knows now, as `plain` returns it, is on the disk before its next step; unless it is not `needed`,
    and the disk refuses."""

    plain: Callable[[], dict[str, Any]]
    needed: bool = True


Steps = Generator[Ask | Keep, Any, T]
"""A party's steps, one after the other, and their result."""
Keeping = Callable[[dict[str, Any]], None]
"""Puts what a party knows on the disk."""


def nobody(_: Ask) -> Any:
    """The answer where there is no network."""
    raise Unreachable


def drive(steps: Steps[T], answer: Callable[[Ask], Any] = nobody, keep: Keeping | None = None) -> T:
    """Carries the steps out; without `keep` there is no file."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Keep):
                if keep:
                    with nullcontext() if step.needed else suppress(OSError):
                        keep(step.plain())
                step = next(steps)
                continue
            try:
                answered = answer(step)
            except CheckinError as error:
                step = steps.throw(error)
            else:
                step = steps.send(answered)
    except StopIteration as end:
        result: T = end.value
        return result


def conform(model: type[Model], content: Any, other: CheckinError | None = None) -> Model:
    """An answer's content as the interface says it, with what later versions add left aside. For any other raises
    `other`, which quotes nothing of it; without one `Unreachable`: then another program answered."""
    try:
        return model.model_validate(content, strict=True)
    except (ValidationError, RecursionError):
        raise other or Unreachable(NO_ANSWER) from None


def read_json(data: bytes | str) -> Any:
    """The value that UTF-8 or a text holds as JSON; raises `ServiceError` for anything else, however deep. Python takes
    UTF-16 and numbers such as NaN for JSON, too: no browser does."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        return json.loads(text, parse_constant=int)  # which takes none of those
    except (ValueError, RecursionError):
        raise ServiceError("The answer is not the JSON that the service documents.") from None
