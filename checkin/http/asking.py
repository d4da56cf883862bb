"""What is asked of a service, and what is taken for its answer; nothing is opened or sent here."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from checkin.errors import CheckinError, ServiceError, Unreachable

Model = TypeVar("Model", bound=BaseModel)
NO_ANSWER: Final = "What answered is not the service: a Wi-Fi's login page or a proxy may be in between."


def conform(model: type[Model], content: Any, other: CheckinError | None = None) -> Model:
    """An answer's content as the interface says it, with what later versions add left aside. For any other raises
    `other`, which quotes nothing of it; without one `Unreachable`: then it is somebody else's."""
    try:
        return model.model_validate(content, strict=True)
    except (ValidationError, RecursionError):
        raise other or Unreachable(NO_ANSWER) from None


def read_json(data: bytes) -> Any:
    """The value that bytes hold as JSON; raises `ServiceError` for anything else, however deep."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ServiceError("The answer is not the JSON that the service documents.") from None
