"""A server that answers a byte at a time: each comes long before any timeout between two bytes would end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

PAUSE = 0.05


@dataclass
class Trickle:
    """The server: its address, and how often it came to the end of its answer."""

    url: str
    ended: int = 0


@contextmanager
def trickling(answer: bytes, at_once: int = 0) -> Iterator[Trickle]:
    """It runs. The first `at_once` bytes of the whole answer, status line and all, come together."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    trickle = Trickle(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(65_536)
                connection.sendall(answer[:at_once])
                for at in range(at_once, len(answer)):
                    if stop.wait(PAUSE):
                        return
                    connection.sendall(answer[at : at + 1])
                trickle.ended += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield trickle
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def whole(body: bytes, *headers: str) -> bytes:
    """An answer with this body."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
