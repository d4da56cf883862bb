"""Bodies of requests: nothing beside what is documented, and no work for whoever sends more."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Number = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A place, a size or a count, in a request or an answer: what a file takes, and every reader of JSON reads exactly."""


class Body(BaseModel):
    """The base of every request's body: no further members, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_crowds(cls, given: Any) -> Any:
        """One error instead of one for each unknown member: a body of two megabytes of them took seconds."""
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            raise PydanticCustomError("too_many_members", "the body has more members than are documented")
        return given
