"""A ring node's settings; `docs/scaling.md` shows all of them at work. And the log of theirs: which commitments a
service stated for its keys (docs/spec/ring.md §5)."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from checkin.errors import CheckinError
from checkin.http.client import Client
from checkin.keys.key_ring import KeyName
from checkin.protocol.note import NoteVerifier, decode_note, open_note
from checkin.protocol.statement import kind_of, one
from checkin.purge.statement_store import KEY_MADE
from checkin.service.settings import AuthoritySettings, Peer, ServiceSettings, Url, VerifierKey, WitnessedLog
from checkin.tlog.reader import LogReader

_TIMEOUT_SECONDS: Final = 15.0
NODES: Final = 3


class ReadLog(WitnessedLog):
    """A log that is read and not written to: where its files are beside the rest."""

    url: Url


class LoggedCommitments:
    """Key commitments in the log: reads what is new each time, against a checkpoint that the witnesses cosigned."""

    def __init__(self, log: ReadLog, *service: NoteVerifier) -> None:
        """`service`: its key, and those that it had before."""
        self._url, self._service = log.url, service
        self._pinned = log.pinned
        self._found: dict[KeyName, str] = {}
        self._size = 0

    def read(self) -> dict[KeyName, str]:
        """By key, what was stated first. Raises `Unreachable`, `NoteUntrusted`, `ProofInvalid`."""
        with Client(self._url, timeout=_TIMEOUT_SECONDS) as client:
            head = self._pinned.head(decode_note(client.get_bytes("/checkpoint")))
            reader = LogReader(lambda path: client.get_bytes(f"/{path}"), head)
            for entry in reader.entries(self._size):
                self._add(entry.decode(errors="replace"))
        self._size = max(self._size, head.size)
        return self._found

    def _add(self, note: str) -> None:
        if kind_of(note) == KEY_MADE.kind:
            with suppress(CheckinError, ValueError):  # another service's
                values = KEY_MADE.read(open_note(note, self._service).text)
                self._found.setdefault(KeyName.parse(one(values, "key")), one(values, "commitment"))


class RingSettings(ServiceSettings):
    """What a node needs beyond the common settings; its `name` and `statement_key` are its own, not the service's."""

    service: VerifierKey
    """The verifier key of the statements of the service that it holds keys for."""
    former: Annotated[tuple[VerifierKey, ...], Field(max_length=32, strict=False)] = ()
    """Verifier keys that the service had before: what they signed in the log counts."""
    apps: Annotated[tuple[VerifierKey, ...], Field(min_length=1, max_length=64, strict=False)]
    """The app nodes that may use keys."""
    members: Annotated[tuple[Peer, ...], Field(min_length=NODES, max_length=NODES, strict=False)]
    """The three nodes of the ring, itself among them; the same in the settings of all three."""
    log: ReadLog | None = None
    """The log that has the service's statements: `url`, `vkey`, `witnesses`, `quorum`. A node fetches no key that
    another commitment was logged for, and no old one that none was logged for."""
    authority: AuthoritySettings | None = None
    """The authority with officers that may have keys destroyed before they are due; without it none are."""
    maker: str
    """The name of the node that draws new keys; the same in the settings of all three."""

    @model_validator(mode="after")
    def _one_ring(self) -> Self:
        names = [peer.verifier.name for peer in self.members]
        if len({*names}) != NODES or len({peer.url for peer in self.members}) != NODES:
            raise ValueError("members are three different nodes at three addresses")
        if self.name not in names or self.maker not in names:
            raise ValueError("name and maker are names of members")
        if self.workers != 1:
            raise ValueError("a ring node has one worker")
        return self
