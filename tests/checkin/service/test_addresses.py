"""Ports that are picked before anybody listens on them."""

from __future__ import annotations

import socket

import pytest

from checkin.service.addresses import free_ports


def draw(monkeypatch: pytest.MonkeyPatch, given: set[int], ports: list[int]) -> None:
    """Chance comes to these ports, in this order; some were given out before."""
    drawn = iter(ports)
    monkeypatch.setattr("checkin.service.addresses._GIVEN", given)
    monkeypatch.setattr("checkin.service.addresses.random_bytes", lambda _: (next(drawn) - 10_000).to_bytes(4, "big"))


def test_a_port_is_given_once_though_nobody_listens_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or of two services one would have the other's while that one starts, or is away for a moment."""
    first, second, third = free_ports(3)
    draw(monkeypatch, {first}, [first, second, second, third])
    assert free_ports(2) == [second, third]


def test_a_port_on_which_somebody_listens_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports(2)
    draw(monkeypatch, set(), [taken, free])
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [free]
