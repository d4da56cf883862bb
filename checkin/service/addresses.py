"""Addresses to listen on, tried before anything is made or started because of them."""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress
from typing import Final

from checkin.clock import STOPWATCH
from checkin.errors import AddressTaken
from checkin.protocol.primitives import random_bytes

_FIRST: Final = 10_000
_MANY: Final = 20_000
_LOOPBACK: Final = "127.0.0.1"
_MOST_HELD: Final = 256  # each takes a file descriptor
_HELD: Final[deque[int]] = deque()  # descriptors: they end with the process, which a socket would complain of


def require_free(host: str, port: int) -> None:
    """Raises `AddressTaken` unless this process could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = f"{host}:{port} cannot be listened on ({error.strerror}): choose another address or port."
            raise AddressTaken(why) from None


def await_free(host: str, port: int, seconds: float) -> None:
    """As `require_free`, but a process that listens there has so many seconds to stop."""
    deadline = STOPWATCH.boot() + seconds
    while STOPWATCH.boot() <= deadline:
        with suppress(AddressTaken):
            require_free(host, port)
            return
        time.sleep(0.1)
    require_free(host, port)


def free_ports(count: int) -> list[int]:
    """So many different free loopback ports, below the kernel's ephemeral range: until a server listens there, and
    while it is away for a moment, no other program's connection gets one by accident; nor does, while this process
    lives, another call in any process."""
    found: list[int] = []
    while len(found) < count:
        port = _FIRST + int.from_bytes(random_bytes(4), "big") % _MANY
        if _hold(port):
            found.append(port)
    return found


def _hold(port: int) -> bool:
    """Reserves a port by the UDP port of the same number, which nothing else here uses; False where one is taken."""
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind((_LOOPBACK, port))
        require_free(_LOOPBACK, port)
    except (OSError, AddressTaken):
        mark.close()
        return False
    _HELD.append(mark.detach())
    if len(_HELD) > _MOST_HELD:
        socket.close(_HELD.popleft())
    return True
