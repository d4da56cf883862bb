"""A service's own list of keys, put into the log before it is published: data/key-list.json, which its workers share,
or one row of a table.

The list in force and its proof stay published while a newer list waits for the log, so a log that is down for days
keeps no door closed: lists reach 14 days ahead (docs/spec/keys.md §5.2).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from checkin.clock import STOPWATCH
from checkin.errors import CheckinError, NotReady
from checkin.files.durable import locked, replace_file
from checkin.files.tables import Commit, Tables, TableSet
from checkin.http.client import Client
from checkin.protocol.key_list import IntakeList, IssuerList
from checkin.protocol.note import sign_note, unverified_text
from checkin.service.checkpoint_seen import keep_checkpoint
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import LogSettings
from checkin.service.tasks import URGENT_SECONDS
from checkin.tlog.submission import proof_of, submit

TIMEOUT_SECONDS: Final = 3.0
_CHANGED: Final = "key_list"
_FIRST: Final = """CREATE TABLE IF NOT EXISTS key_list (
    one bigint NOT NULL PRIMARY KEY,
    note text NOT NULL,
    proof text NOT NULL,
    waiting text NOT NULL
);
INSERT INTO key_list (one, note, proof, waiting) VALUES (1, '', '', '') ON CONFLICT DO NOTHING"""
KEY_LIST: Final = TableSet("key_list", (_FIRST,), (_CHANGED,))
_LOAD: Final = "SELECT note, proof, waiting FROM key_list"
_SAVE: Final = "UPDATE key_list SET note = :note, proof = :proof, waiting = :waiting"
log = structlog.get_logger()


class LogAnswer(BaseModel):
    """The log that a service pins: its verifier key, its witnesses', and how many of these must have cosigned."""

    vkey: str
    witnesses: list[str]
    quorum: Annotated[int, Field(ge=0, le=16)]


K = TypeVar("K", IssuerList, IntakeList)


@dataclass(frozen=True)
class PublishedList(Generic[K]):
    """The list in force: the signed note, the proof (c2sp.org/tlog-proof) that the log has it if any, what it says."""

    note: str
    proof: str | None
    list: K


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _State:
    note: str = ""
    proof: str = ""
    waiting: str = ""
    """The note that is submitted to the log; stored before it is shown anywhere."""


class KeyListFile:
    """A `KeyListState` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "key-list.json"
        self._lock = folder / "key-list.lock"

    def load(self) -> _State:
        """What the file says; a damaged one is as good as none: the log has the list, and proves it again."""
        try:
            return TypeAdapter(_State).validate_json(self._path.read_bytes())
        except ValidationError:
            log.error("key_list_file_damaged")
        except FileNotFoundError:
            pass
        return _State()

    def update(self, step: Callable[[_State], _State]) -> _State:
        """Stores and returns what `step` makes of it; nothing else changes it meanwhile."""
        with locked(self._lock):
            state = self.load()
            if (new := step(state)) != state:
                replace_file(self._path, json.dumps(asdict(new)).encode())
            return new


class KeyListTable:
    """A `KeyListState` in a table of one row."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: tuple[int, _State] = (-1, _State())

    def load(self) -> _State:
        number, (known, state) = self._tables.look()[_CHANGED], self._known
        if number != known:
            state = _State(*self._tables.read(_LOAD)[0])
            self._known = (number, state)
        return state

    def update(self, step: Callable[[_State], _State]) -> _State:
        def whole(commit: Commit) -> _State:
            commit.alone()
            state = _State(*commit.execute(_LOAD)[0])
            if (new := step(state)) != state:
                commit.execute(_SAVE, asdict(new))
                commit.changed(_CHANGED)
            return new

        return self._tables.write(whole)


KeyListState = KeyListFile | KeyListTable
"""What is in force and what waits, for all workers."""


class KeyListPublisher(Generic[K]):
    """Publishes a service's key list through the log; one per process. Nothing but `run` queries the log."""

    def __init__(
        self,
        party: ServiceIdentity,
        settings: LogSettings | None,
        make: Callable[[], K],
        read: Callable[[str], K],
        state: KeyListState,
    ) -> None:
        """`make` gives the list as it should be now, `read` one from its text. Raises `SettingsInvalid`."""
        self._party = party
        self._make: Callable[[], K] = make
        self._read: Callable[[str], K] = lru_cache(1)(read)
        self.pinned = settings.pinned if settings else None
        self._token = settings.token if settings and settings.url else ""
        self._url = settings.url if settings else None
        self._state = state
        self._failure = ""
        self._urgent_for: tuple[str, float] = ("", 0.0)
        if self._url:
            self._state.update(self._without_foreign_proof)

    @property
    def log(self) -> LogAnswer | None:
        """The pinned log, for the answers with the list."""
        return LogAnswer(**self.pinned.plain()) if self.pinned else None

    def published(self) -> PublishedList[K]:
        """The public list. Before the log took any list, the present one without a proof; raises as `make`."""
        state = self._state.load() if self._url else _State()
        if not state.proof:
            listed = self._make()
            return PublishedList(sign_note(listed.text(), self._party.signer), None, listed)
        return PublishedList(state.note, state.proof, self._read(unverified_text(state.note)))

    def run(self) -> None:
        """A task: a list that changed is signed, written down, logged, proved, and only then published."""
        if self.pinned is None or self._url is None:
            return
        note = sign_note(self._make().text(), self._party.signer)
        if self._is_published(note):
            self._fail("")
            return
        if self._urgent_for[0] != note:
            self._urgent_for = (note, STOPWATCH.boot() + URGENT_SECONDS)
        try:
            with Client(self._url, self._token, TIMEOUT_SECONDS) as client:
                proof = proof_of(client, submit(client, note), self.pinned)
            if proof is None:
                self._fail(NotReady.code)  # the witnesses are away
                return
            self.pinned.require(note, proof.write())
        except CheckinError as error:
            self._fail(error.code)
            return
        self._publish(note, proof.write())

    def urgent(self) -> bool:
        """Whether `run` should come again in half a second: a list is new, and not in the log yet."""
        return bool(self._failure) and STOPWATCH.boot() < self._urgent_for[1]

    def findings(self) -> Iterator[Finding]:
        """For /readyz, once a log is pinned: fails when no list in the log has today's key."""
        if self.pinned is None:
            return
        if self._url is None:
            text = "The pinned log has no url in the settings: the list of keys is published without a proof."
            yield Finding("logged_list", "warning", f"{text} Who pins the log, too, refuses it.")
            return
        state, reason = self._state.load(), f" ({self._failure})" if self._failure else ""
        with suppress(CheckinError):
            if not state.proof or self._party.today() not in self.published().list.keys:
                text = f"No list with today's key is in the log yet{reason}: see the retention service."
                if self._party.today() not in self._make().keys:
                    text = "There is no key for today that a list could name."
                yield Finding("logged_list", "failure", text)
            elif state.waiting:
                text = f"The newest list of keys waits for the log{reason}; the one before stays in force."
                yield Finding("logged_list", "warning", text)
            else:
                yield Finding("logged_list", "ok", "The list of keys is in the log.")

    def _is_published(self, note: str) -> bool:
        """If not, it waits from now on."""

        def step(state: _State) -> _State:
            done = bool(state.proof) and state.note == note
            return replace(state, waiting="" if done else note)

        if step(state := self._state.load()) == state:  # as in nearly every round: nothing is written
            return not state.waiting
        return not self._state.update(step).waiting

    def _publish(self, note: str, proof: str) -> None:
        """Unless another worker has made a newer one meanwhile."""
        self._state.update(lambda state: _State(note, proof) if state.waiting == note else state)
        keep_checkpoint(self._party.data, proof)
        self._fail("")

    def _without_foreign_proof(self, state: _State) -> _State:
        """The state without a proof from a log that is pinned no more: readers would refuse it."""
        if self.pinned and state.proof:
            try:
                self.pinned.require(state.note, state.proof)
            except CheckinError:
                return _State()
        return state

    def _fail(self, code: str) -> None:
        if code and code != self._failure:
            log.warning("list_waits_for_log", code=code)
        self._failure = code
