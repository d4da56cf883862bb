"""A party's steps carried out with answers that a test makes: no server, no file, no thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from checkin.conformance.peer import Answer, Asked
from checkin.http.asking import Ask, Steps, drive

T = TypeVar("T")


@dataclass
class Answers:
    """`answer` gives what a question is answered, or raises; `asked`: the questions; `kept`: what the party's file
    would hold, each time that it was kept."""

    answer: Callable[[Ask], Any]
    asked: list[Ask] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)

    def to(self, steps: Steps[T]) -> T:
        """What the steps come to."""
        return drive(steps, self._answered, lambda content: self.kept.append(json.loads(json.dumps(content))))

    def _answered(self, ask: Ask) -> Any:
        self.asked.append(ask)
        return self.answer(ask)


def answering(answer: Answer) -> Callable[[Ask], Any]:
    """A harness's good answers."""

    def answered(ask: Ask) -> Any:
        method = "GET" if ask.body is None else "POST"
        told = answer(Asked(method=method, path=ask.path, token=ask.token, body=ask.body))
        assert told is not None and told.status < 300, ask
        return json.loads(told.content)

    return answered


def standing(now: float) -> Any:
    """In the place of a judged program, for a stage whose time stands still."""
    return SimpleNamespace(time=SimpleNamespace(now=now))
