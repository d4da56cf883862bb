"""The newest checkpoint of the pinned log that this service has verified, which `day_routes` shows to every caller.

The log queries it when it starts: put back from a backup it must not sign a second history (docs/spec/log.md §7).
"""

from __future__ import annotations

from pathlib import Path

from checkin.files.durable import locked, replace_file
from checkin.protocol.note import decode_note
from checkin.tlog.checkpoint import stated_size
from checkin.tlog.proof import LogProof


def keep_checkpoint(data: Path, proof: str) -> None:
    """Keeps in `data`, a service's folder, the checkpoint of a proof (c2sp.org/tlog-proof) that was verified, unless it
    is of a shorter log: the same tree head may have a new key's signature. Any number of processes."""
    note = LogProof.read(proof).checkpoint
    with locked(data / "checkpoint.lock"):
        known = newest_checkpoint(data)
        if known is None or (known != note and stated_size(note) >= stated_size(known)):
            replace_file(data / "checkpoint.txt", note.encode())


def newest_checkpoint(data: Path) -> str | None:
    try:
        return decode_note((data / "checkpoint.txt").read_bytes())
    except FileNotFoundError:
        return None
