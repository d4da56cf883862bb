"""A DSN file: a secret file of one line, how a server is reached. What it holds is never shown."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from checkin.errors import SettingsInvalid
from checkin.files.durable import secret_text


def read_line(path: Path, wrong: str) -> str:
    """The line. Raises `SettingsInvalid` with `wrong`, or where others can read the file."""
    line = secret_text(path, wrong, "utf-8")
    if not line or "\n" in line:
        raise SettingsInvalid(wrong)
    return line


def is_here(host: str) -> bool:
    """Whether a server is on this machine: a folder of sockets, or a loopback address."""
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False
