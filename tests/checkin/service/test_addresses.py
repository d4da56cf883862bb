"""Ports that are picked before anybody listens on them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator

import pytest

from checkin.service import addresses
from checkin.service.addresses import free_ports

ELSEWHERE = """import sys
from checkin.service.addresses import free_ports
print(*free_ports(20), flush=True)
sys.stdin.read()"""
Held = deque[int]


def draw(monkeypatch: pytest.MonkeyPatch, ports: list[int]) -> None:
    """Chance comes to these ports, in this order."""
    drawn = iter(ports)
    monkeypatch.setattr(addresses, "random_bytes", lambda _: (next(drawn) - 10_000).to_bytes(4, "big"))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """What this process keeps from others: nothing yet."""
    made = Held()
    monkeypatch.setattr(addresses, "_HELD", made)
    yield made
    while made:
        socket.close(made.pop())


def test_a_port_is_given_once_though_nobody_listens_there_yet(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or of two services one would have the other's while that one starts, or is away for a moment."""
    first, second = free_ports(2)
    socket.close(held.pop())
    draw(monkeypatch, [first, second])
    assert free_ports(1) == [second]


def test_a_port_on_which_somebody_listens_is_not_given(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports(2)
    while held:
        socket.close(held.pop())
    draw(monkeypatch, [taken, free])
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [free]


def test_a_port_that_another_process_was_given_is_not_given_while_that_lives(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`checkin demo` picks its ports seconds before its services listen there."""
    [free] = free_ports(1)
    socket.close(held.pop())
    command = [sys.executable, "-c", ELSEWHERE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        theirs = [int(port) for port in other.stdout.readline().split()]
        assert len(theirs) == 20
        draw(monkeypatch, [*theirs, free])
        assert free_ports(1) == [free]
        other.communicate()
    draw(monkeypatch, theirs)
    assert free_ports(1) == theirs[:1]


def test_only_the_newest_are_kept(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a file descriptor."""
    monkeypatch.setattr(addresses, "_MOST_HELD", 2)
    first, second, third = free_ports(3)
    assert len(held) == 2
    draw(monkeypatch, [third, second, first])
    assert free_ports(1) == [first]
