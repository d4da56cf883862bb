"""Secrets as files, readable by their owner alone: keys as base64 and a newline, bearer tokens as a line of text."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from checkin.errors import SettingsInvalid
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.primitives import random_bytes


def make_secret(path: Path, size: int = 32) -> bytes:
    """Write `size` fresh random bytes to a new file, mode 0600, on disk when it returns; `FileExistsError`."""
    secret = random_bytes(size)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(b64_encode(secret) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return secret


def read_secret(path: Path, size: int = 32) -> bytes:
    """The bytes; raises `SettingsInvalid` when the file is missing, of another form, or readable by others."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsInvalid(f"Others can read the secret file {path.name}: run chmod 600 on it.")
        return b64_decode(path.read_text(encoding="ascii").removesuffix("\n"), size)
    except (OSError, ValueError):
        raise SettingsInvalid(f"The secret file {path.name} is missing or does not hold {size} base64 bytes.") from None


def read_token(path: Path) -> str:
    """The bearer token in a file; raises `SettingsInvalid`."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"The token file {path.name} cannot be read.") from None
