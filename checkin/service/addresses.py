"""Addresses to listen on, tried before anything is made or started because of them."""

from __future__ import annotations

import socket

from checkin.errors import AddressTaken


def require_free(host: str, port: int) -> None:
    """Raises `AddressTaken` unless this process could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = f"{host}:{port} cannot be listened on ({error.strerror}): choose another port."
            raise AddressTaken(why) from None
