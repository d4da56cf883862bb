"""Secrets as files, readable by their owner alone: keys as base64 and a newline, bearer tokens as a line of text."""

from __future__ import annotations

from pathlib import Path

from checkin.errors import SettingsInvalid
from checkin.files.durable import create_file, refuse_public, secret_text, write_over
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.primitives import random_bytes


def make_secret(path: Path) -> bytes:
    """Write 32 fresh random bytes to a new file, mode 0600, on disk when it returns; `FileExistsError`."""
    secret = random_bytes(32)
    if not create_file(path, _text(secret)):
        raise FileExistsError(path)
    return secret


def replace_secret(path: Path, secret: bytes) -> None:
    """Write 32 bytes over those that the file holds, which then lie nowhere any more; on disk when it returns."""
    write_over(path, _text(secret))


def read_secret(path: Path) -> bytes:
    """The 32 bytes; raises `SettingsInvalid` when the file is missing, of another form, or readable by others."""
    try:
        refuse_public(path)
        return b64_decode(path.read_text(encoding="ascii").removesuffix("\n"), 32)
    except (OSError, ValueError):
        raise SettingsInvalid(f"The secret file {path.name} is missing or does not hold 32 base64 bytes.") from None


def read_token(path: Path) -> str:
    """The bearer token in a file; raises `SettingsInvalid` when it is missing, no token, or readable by others."""
    token = secret_text(path, f"The token file {path.name} is missing or is not ASCII.")
    if not token or not token.isprintable() or " " in token:
        raise SettingsInvalid(f"The token file {path.name} must hold one token.")
    return token


def _text(secret: bytes) -> bytes:
    return (b64_encode(secret) + "\n").encode()
