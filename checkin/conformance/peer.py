"""The program that is judged: a process that takes commands, one JSON object a line (docs/spec/conformance.md §2).

It has no network and no clock of its own: its HTTP requests come here, and every line to it has the time.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import Any, Final
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError

from checkin.clock import STOPWATCH
from checkin.errors import SettingsInvalid

PATIENCE_SECONDS: Final = 120.0
MAX_LINE: Final = 2 * 2**20
MAX_ASKED: Final = 40  # within one command: more is a loop


class Broken(Exception):
    """The program did something else than the page says, or said what is none of the protocol's lines."""


class Asked(BaseModel):
    """An HTTP request of the program: path with its query, bearer token, JSON body."""

    method: str
    path: str
    token: str | None = None
    body: Any = None

    @property
    def route(self) -> str:
        """`GET /v1/trust`, without the query."""
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def nonce(self) -> str:
        """The query's; empty without one."""
        return parse_qs(self.path.partition("?")[2]).get("nonce", [""])[0]


@dataclass(frozen=True)
class Answered:
    """What comes back: status, media type, content."""

    status: int
    content: str
    kind: str = "application/json"


def as_json(content: Any, status: int = 200) -> Answered:
    return Answered(status, json.dumps(content))


def problem(code: str, status: int, **members: Any) -> Answered:
    """A service's refusal (RFC 9457)."""
    content = {"type": f"urn:checkin:problem:{code}", "status": status, "detail": "No.", "code": code}
    return Answered(status, json.dumps(content | members), "application/problem+json")


Answer = Callable[[Asked], Answered | None]


def always(answered: Answered) -> Answer:
    return lambda _: answered


@dataclass(frozen=True)
class Reply:
    """The outcome of a command: `refused`, the code of a refusal or None; `told`, all that it answered."""

    refused: str | None
    told: dict[str, Any]
    asked: tuple[Asked, ...]


@dataclass
class Time:
    """The device's clock, unix seconds, and one that setting it does not move."""

    now: float
    steady: float = 1000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds


class Program:
    """One program: started at its first command, anew after `restart`; `folder` and `time` are its own."""

    def __init__(self, command: str, folder: Path, time: Time) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError:
            self._command = []
        if not self._command:
            raise SettingsInvalid("Give the command of the program to be judged.")
        self.folder = folder
        self.time = time
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def restart(self) -> None:
        """Kills the program, as a power failure does; the next command starts it in the same folder."""
        if self._process is not None:
            with suppress(OSError), self._process:  # closes its pipes; it may not have read all
                self._process.kill()
            self._process = None

    def tell(self, what: str, answer: Answer | None = None, **members: Any) -> Reply:
        """Gives a command and answers its requests meanwhile, without `answer` with nothing; raises `Broken`."""
        self._write({"do": what, **members})
        asked: list[Asked] = []
        while True:
            line = self._read(what)
            if "ask" not in line:
                break
            try:
                asked.append(Asked.model_validate(line["ask"], strict=True))
            except ValidationError:
                raise Broken("it asked for something whose method, path or token is no text") from None
            if len(asked) > MAX_ASKED:
                raise Broken(f"it asked more than {MAX_ASKED} times")
            given = answer(asked[-1]) if answer else None
            content = given and {"status": given.status, "type": given.kind, "body": given.content}
            self._write({"answer": content})
        refused, done = line.get("refused"), line.get("done")
        if isinstance(refused, str) and done is None:
            return Reply(refused, line, tuple(asked))
        if isinstance(done, dict) and refused is None:
            return Reply(None, done, tuple(asked))
        raise Broken("it ended a command with neither `done` nor `refused`")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._unread = b""
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                    self._command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            except OSError:
                raise SettingsInvalid(f"The command {self._command[0]} cannot be started.") from None
        return self._process

    def _write(self, line: dict[str, Any]) -> None:
        content = line | {"now": self.time.now, "steady": self.time.steady}
        pipe = self._started().stdin
        assert pipe is not None  # noqa: S101 - it was started with one
        try:
            pipe.write(json.dumps(content).encode() + b"\n")
            pipe.flush()
        except OSError:
            raise Broken("it ended") from None

    def _read(self, command: str) -> dict[str, Any]:
        try:
            content = json.loads(self._line(command))
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise Broken("it wrote a line that is no JSON object")
        return content

    def _line(self, command: str) -> bytes:
        """Without its end; empty in place of one that is too long."""
        pipe = self._started().stdout
        assert pipe is not None  # noqa: S101 - it was started with one
        until = STOPWATCH.boot() + PATIENCE_SECONDS
        while b"\n" not in self._unread and len(self._unread) < MAX_LINE:
            if not select([pipe], [], [], max(0.0, until - STOPWATCH.boot()))[0]:
                raise Broken(f"it said nothing for {PATIENCE_SECONDS:.0f} seconds within {command!r}")
            more = os.read(pipe.fileno(), MAX_LINE)
            if not more:
                raise Broken("it ended")
            self._unread += more
        line, ended, self._unread = self._unread.partition(b"\n")
        return line if ended and len(line) < MAX_LINE else b""
