"""The newest checkpoint of the pinned log that this service has verified, which `day_routes` shows to every caller.

The log queries it when it starts: put back from a backup it must not sign a second history (docs/spec/log.md §7).
"""

from __future__ import annotations

from checkin.files.durable import locked, replace_file
from checkin.protocol.note import decode_note
from checkin.service.identity import ServiceIdentity
from checkin.tlog.checkpoint import stated_size
from checkin.tlog.proof import LogProof


class CheckpointSeen:
    """The file `data/checkpoint.txt`; any number of processes."""

    def __init__(self, party: ServiceIdentity) -> None:
        self._path = party.data / "checkpoint.txt"
        self._lock = party.data / "checkpoint.lock"

    def saw(self, proof: str) -> None:
        """Keeps the checkpoint of a proof (c2sp.org/tlog-proof) that was verified, unless it is of a shorter log: the
        same tree head may have a new key's signature."""
        note = LogProof.read(proof).checkpoint
        with locked(self._lock):
            known = self.newest()
            if known is None or (known != note and stated_size(note) >= stated_size(known)):
                replace_file(self._path, note.encode())

    def newest(self) -> str | None:
        try:
            return decode_note(self._path.read_bytes())
        except FileNotFoundError:
            return None
