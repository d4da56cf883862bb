"""Logs of these tests: whose key signs their heads, what is appended, and what a reader takes from them."""

from __future__ import annotations

from pathlib import Path

from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, Cosigner, open_checkpoint
from checkin.tlog.reader import LogReader
from retention.log import Log

SIGNER = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
WITNESS = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))


def entries(low: int, high: int) -> list[bytes]:
    """Statements, so to speak."""
    return [f"statement {number}\n".encode() for number in range(low, high)]


def head_of(log: Log) -> Checkpoint:
    """What a reader who pinned the log's key believes."""
    return open_checkpoint(log.checkpoint(), SIGNER.verifier)


def reader_of(log: Log) -> LogReader:
    """Reads entries out of the files, each proved to be under the newest checkpoint."""
    return LogReader(log.file, head_of(log))


def files_of(folder: Path) -> dict[str, bytes]:
    """The public files."""
    names = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] == "tile")
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}
