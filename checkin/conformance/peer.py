"""The program that is judged: a process that takes commands, one JSON object a line (docs/spec/conformance.md §2).

It has no network and no clock of its own: its HTTP requests come here, and every line to it has the time.
"""

from __future__ import annotations

import json
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from checkin.errors import SettingsInvalid

PATIENCE_SECONDS: Final = 120.0
MAX_LINE: Final = 2 * 2**20
MAX_AHEAD: Final = 64  # lines that are read before they are looked at
MAX_ASKED: Final = 40  # within one command: more is a loop


class PeerFault(Exception):
    """The program said something that is none of the protocol's lines, or nothing."""


@dataclass(frozen=True)
class Asked:
    """An HTTP request of the program: path with its query, bearer token, JSON body."""

    method: str
    path: str
    token: str | None
    body: Any


@dataclass(frozen=True)
class Answered:
    """What comes back: status, media type, content."""

    status: int
    content: str
    kind: str = "application/json"


def as_json(content: Any, status: int = 200) -> Answered:
    """A service's answer."""
    return Answered(status, json.dumps(content))


def problem(code: str, status: int, **members: Any) -> Answered:
    """A service's refusal (RFC 9457)."""
    content = {"type": f"urn:checkin:problem:{code}", "status": status, "detail": "No.", "code": code}
    return Answered(status, json.dumps(content | members), "application/problem+json")


Answer = Callable[[Asked], Answered | None]


def always(answered: Answered) -> Answer:
    """The same answer to every request."""
    return lambda _: answered


@dataclass(frozen=True)
class Reply:
    """The outcome of a command: `refused` is the code of a refusal, None when it was done; `told` all that it
    answered."""

    refused: str | None
    told: dict[str, Any]
    asked: tuple[Asked, ...]


@dataclass
class Time:
    """The device's clock, unix seconds, and one that setting it does not move."""

    now: float
    steady: float = 1000.0

    def pass_(self, seconds: float) -> None:
        """Both go on."""
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
        self._lines: queue.Queue[bytes] = queue.Queue(MAX_AHEAD)
        self._pump: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restart()

    def restart(self) -> None:
        """Kills the program, as a power failure does; the next command starts it in the same folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            while self._pump is not None and self._pump.is_alive():
                with suppress(queue.Empty):
                    self._lines.get(timeout=0.05)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what it did not read
                        pipe.close()
            self._process = None

    def tell(self, what: str, answer: Answer | None = None, **members: Any) -> Reply:
        """Gives a command and answers the program's requests meanwhile, with nothing where there is no `answer`.

        Raises `PeerFault`.
        """
        self._write({"do": what, **members})
        asked: list[Asked] = []
        while True:
            line = self._read(what)
            if "ask" not in line:
                break
            asked.append(_asked(line["ask"]))
            if len(asked) > MAX_ASKED:
                raise PeerFault(f"it asked more than {MAX_ASKED} times")
            given = answer(asked[-1]) if answer else None
            content = given and {"status": given.status, "type": given.kind, "body": given.content}
            self._write({"answer": content})
        refused, done = line.get("refused"), line.get("done")
        if isinstance(refused, str) and done is None:
            return Reply(refused, line, tuple(asked))
        if isinstance(done, dict) and refused is None:
            return Reply(None, done, tuple(asked))
        raise PeerFault("it ended a command with neither `done` nor `refused`")

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command
                self._command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError:
            raise SettingsInvalid(f"The command {self._command[0]} cannot be started.") from None
        self._lines = queue.Queue(MAX_AHEAD)
        self._pump = threading.Thread(target=_pump, args=(process.stdout, self._lines), daemon=True)
        self._pump.start()
        return process

    def _write(self, line: dict[str, Any]) -> None:
        if self._process is None:
            self._process = self._start()
        content = line | {"now": self.time.now, "steady": self.time.steady}
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(json.dumps(content).encode() + b"\n")
                pipe.flush()
        except OSError:
            raise PeerFault("it ended") from None

    def _read(self, command: str) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise PeerFault(f"it said nothing for {PATIENCE_SECONDS:.0f} seconds within {command!r}") from None
        if not line:
            raise PeerFault("it ended")
        try:
            content = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise PeerFault("it wrote a line that is no JSON object")
        return content


def _pump(pipe: IO[bytes] | None, lines: queue.Queue[bytes]) -> None:
    """Reads all that the program writes, a line at a time; an empty one at the end."""
    while pipe is not None and not pipe.closed:
        try:
            line = pipe.readline(MAX_LINE)
        except (OSError, ValueError):
            line = b""
        lines.put(line)
        if not line:
            return


def _asked(content: Any) -> Asked:
    try:
        method, path, token, body = content["method"], content["path"], content.get("token"), content.get("body")
    except (TypeError, KeyError, AttributeError):
        raise PeerFault("it asked for something that has no method and path") from None
    if not (isinstance(method, str) and isinstance(path, str) and (token is None or isinstance(token, str))):
        raise PeerFault("it asked for something whose method, path or token is no text")
    return Asked(method, path, token, body)
