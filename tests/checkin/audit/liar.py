"""A retention service that lies: true answers of a real one, with any member of any answer replaced."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from checkin.http.client import Client
from tests.support.answering_server import AnsweringServer, Heard, Said

Path = tuple[str | int, ...]
_NONE = json.dumps(
    {"type": "urn:checkin:problem:not_found", "code": "not_found", "status": 404, "title": "No.", "detail": "None."}
).encode()
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnihton\u2066\u200e\r\n✓ Nothing is wrong."
GONE = object()
"""Stands for a member that is not there."""
LIES: tuple[Any, ...] = (
    GONE, None, True, -1, 0, 2**70, 1.5, "", "x" * 70_000, [], {}, [1, 2], [[1]], {"a": 1},
    "../../keys/vkeys", "/etc/passwd", "..", "a\0b", "\ud800", ESCAPES,
)  # fmt: skip


def members(answer: Any, path: Path = ()) -> Iterator[Path]:
    """Where every member of an answer is, the answer itself first."""
    yield path
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield from members(value, (*path, name))
    elif isinstance(answer, list):
        for number, value in enumerate(answer):
            yield from members(value, (*path, number))


def lied(answer: Any, path: Path, lie: Any) -> bytes:
    """The answer as JSON, with the lie in that place."""
    if not path:
        return b"" if lie is GONE else json.dumps(lie).encode()
    changed = copy.deepcopy(answer)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    if lie is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = lie
    return json.dumps(changed).encode()


class Liar:
    """Answers GET from `answers`, by the request's target, or else by `any_other`; counts what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""

    def answer(self, target: str) -> bytes | None:
        """None: 404."""
        self.asked.append(target)
        return self.answers.get(target)


class Recorder(Client):
    """Keeps what a true service answered, by the request's target."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.heard: dict[str, bytes] = {}

    def get_bytes(self, path: str) -> bytes:
        """As `Client`."""
        self.heard[path] = super().get_bytes(path)
        return self.heard[path]


@contextmanager
def lying(liar: Liar) -> Iterator[Liar]:
    """Serves it on a loopback port."""

    def answer(heard: Heard) -> Said:
        body = liar.answer(heard.target)
        return Said(_NONE, 404, "application/problem+json") if body is None else Said(body)

    with AnsweringServer(answer) as server:
        liar.url = server.url
        yield liar
