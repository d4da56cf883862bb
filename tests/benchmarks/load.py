"""Load for servers in processes of their own: requests over many connections, and what they cost."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Requests a second over the wall clock, CPU milliseconds of the server a request, latencies in ms, sorted."""

    rate: float
    cpu: float
    latencies: Sequence[float]


def http(path: str, body: bytes, token: str) -> bytes:
    """A whole request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def http_get(path: str, token: str, *headers: str) -> bytes:
    """The same without a body."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def cpu_seconds(leader: int) -> float:
    """User and system time of all processes of the session of `leader`."""
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def drive(ports: Sequence[int], requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Sends all requests over so many connections, one at a time on each; seconds, and each one's latency."""
    selector = selectors.DefaultSelector()
    pending = list(reversed(requests))
    begun: dict[int, float] = {}
    latencies: list[float] = []
    start = time.perf_counter()

    def send(sock: socket.socket) -> None:
        begun[sock.fileno()] = time.perf_counter()
        sock.sendall(pending.pop())

    for number in range(min(connections, len(requests))):
        fresh = socket.create_connection(("127.0.0.1", ports[number % len(ports)]))
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(fresh, selectors.EVENT_READ)
        send(fresh)
    left = len(requests)
    while left:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            sock = key.fileobj
            answer = sock.recv(65536)
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(65536)
            if not answer.startswith(b"HTTP/1.1 304") and not answer.partition(b"\r\n\r\n")[2]:
                answer += sock.recv(65536)
            assert answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 200", b"HTTP/1.1 304")), answer
            latencies.append(time.perf_counter() - begun[sock.fileno()])
            left -= 1
            if pending:
                send(sock)
            else:
                selector.unregister(sock)
                sock.close()
    return time.perf_counter() - start, latencies


def measure(leaders: Sequence[int], ports: Sequence[int], requests: list[bytes], connections: int) -> Measured:
    """One round."""
    before = sum(map(cpu_seconds, leaders))
    seconds, latencies = drive(ports, requests, connections)
    spent = sum(map(cpu_seconds, leaders)) - before
    number = len(requests)
    return Measured(number / seconds, 1000 * spent / number, sorted(1000 * one for one in latencies))
