"""Putting an entry into the log over HTTP, and getting the proof to carry along once witnesses saw it there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from checkin.errors import CheckinError, NotFound, NotReady, ServiceError
from checkin.http.client import Client
from checkin.protocol.note import decode_note
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.proof import LogProof, PinnedLog
from checkin.tlog.reader import LogReader

PATIENCE_SECONDS: Final = 60


def submit(client: Client, entry: str) -> int:
    """The entry's place; the same text again has the same one. `client` bears the submitter's token."""
    try:
        return int(client.post("/v1/entries", {"note": entry})["index"])
    except (ValueError, KeyError, TypeError):
        raise ServiceError("The log's answer does not have the documented form.") from None


def proof_of(client: Client, index: int, pinned: PinnedLog) -> LogProof | None:
    """The proof for a place under the newest checkpoint; None until a cosigned checkpoint covers it.

    Raises `NoteUntrusted` when the checkpoint is another log's, `ProofInvalid`.
    """
    try:
        note = decode_note(client.get_bytes("/checkpoint"))
    except NotFound:
        return None  # a new log; its witnesses have not cosigned anything yet
    try:
        checkpoint = pinned.head(note)
    except CheckinError:
        open_checkpoint(note, pinned.verifier)  # another log's is an error; one that waits for witnesses is not
        return None
    if checkpoint.size <= index:
        return None
    reader = LogReader(lambda path: client.get_bytes(f"/{path}"), checkpoint)
    return LogProof(index, tuple(reader.inclusion(index)), note)


def submit_and_wait(client: Client, entry: str, pinned: PinnedLog, tell: Callable[[str, int, int], None]) -> LogProof:
    """Both, waiting for the witnesses up to a minute; raises `NotReady` after that: then do it again later."""
    index = submit(client, entry)
    for second in range(PATIENCE_SECONDS):
        if proof := proof_of(client, index, pinned):
            return proof
        tell("waiting for the log's witnesses", second, PATIENCE_SECONDS)
        time.sleep(1)
    raise NotReady("The log shows no checkpoint with this entry that its witnesses cosigned: try again later.")
