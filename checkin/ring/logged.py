"""Which commitments a service stated for its keys, read from the transparency log (docs/spec/ring.md §5)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from checkin.errors import CheckinError
from checkin.http.client import Client
from checkin.keys.key_ring import KeyName
from checkin.protocol.note import NoteVerifier, decode_note, open_note
from checkin.protocol.statement import kind_of, one
from checkin.purge.statement_store import KEY_MADE
from checkin.service.settings import Strict, Url, VerifierKey, WitnessKey
from checkin.tlog.policy import PinnedLog
from checkin.tlog.reader import LogReader

_TIMEOUT_SECONDS: Final = 15.0


class ReadLog(Strict):
    """A log that is read and not written to: where its files are, its key, its witnesses, how many of them cosign."""

    url: Url
    vkey: VerifierKey
    witnesses: Annotated[tuple[WitnessKey, ...], Field(max_length=16, strict=False)] = ()
    quorum: Annotated[int, Field(ge=0, le=16)] | None = None


class LoggedCommitments:
    """Reads what is new each time; everything is held against a head that the witnesses cosigned."""

    def __init__(self, log: ReadLog, service: NoteVerifier) -> None:
        self._url, self._service = log.url, service
        self._pinned = PinnedLog.of(log.vkey, log.witnesses, log.quorum)
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
        if kind_of(note) != KEY_MADE.kind:
            return
        try:
            values = KEY_MADE.read(open_note(note, [self._service]).text)
            self._found.setdefault(KeyName.parse(one(values, "key")), one(values, "commitment"))
        except (CheckinError, ValueError):
            return  # another service's, or of an earlier key of this one
