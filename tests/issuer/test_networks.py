"""Attacker: one client that registers all day as fast as it can, so that nobody else can register.

Control: the bound of a network set as high as that of all together; then it closes registration for everyone.
"""

from __future__ import annotations

from functools import partial
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from issuer.service import Issuer
from issuer.throttle import network_of
from tests.support.issuer_service import NAME, Running, Site

LOOPBACK = [ip_network("127.0.0.1")]


def ask(client: httpx.Client, number: int, address: str) -> int:
    """The status of a registration of a phone of its own, brought by the proxy from an address."""
    body = {"name": NAME, "phone": f"010-{number // 10000 + 1000:04}-{number % 10000:04}"}
    return client.post("/v1/registrations", json=body, headers={"X-Forwarded-For": address}).status_code


def warned(issuer: Issuer) -> bool:
    """Whether /readyz says that people are refused."""
    return any(found.name == "registrations" and found.level == "warning" for found in issuer.findings())


def flood(running: Running, count: int) -> list[int]:
    """One attacker with all addresses of a /24."""
    return [ask(running.http, number, f"203.0.113.{number % 256}") for number in range(count)]


def test_700_registrations_from_one_network_do_not_close_registration_for_another(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", proxies='["127.0.0.1"]')
    with site.serve() as running:
        answers, settings = flood(running, 700), running.issuer.settings
        assert settings.registrations_a_minute_of_a_network <= answers.count(202) < settings.registrations_a_minute / 2
        assert set(answers) == {202, 429}
        assert ask(running.http, 9999, "203.0.114.1") == 202
        assert not warned(running.issuer)


def test_without_a_bound_of_its_own_one_network_closes_registration_for_all(tmp_path: Path) -> None:
    bounds = {"registrations_a_minute": "20", "registrations_a_minute_of_a_network": "20"}
    site = Site.make(tmp_path / "issuer", proxies='["127.0.0.1"]', **bounds)
    with site.serve() as running:
        assert flood(running, 25).count(202) == 20
        assert ask(running.http, 9999, "203.0.114.1") == 429
        assert warned(running.issuer), "and then /readyz says so"
        answer = running.http.get("/readyz").json()
        assert any("limit_req" in finding["text"] for finding in answer["findings"])


def test_nobody_chooses_the_network_he_is_counted_under() -> None:
    """X-Forwarded-For is believed of no one that the settings do not name; nor what a client put in front of it."""
    assert len({network_of("8.8.8.8", [f"9.9.{n}.9"], []) for n in range(5)}) == 1
    believed = partial(network_of, proxies=LOOPBACK)
    assert len({believed("127.0.0.1", [f"9.9.{n}.9, 8.8.8.8"]) for n in range(5)}) == 1
    assert believed("127.0.0.1", ["9.9.9.9", "8.8.8.8"]) == believed("127.0.0.1", ["8.8.8.8"])
    assert believed("8.8.8.8", ["9.9.9.9"]) == believed("127.0.0.1", ["8.8.8.8"])


def test_a_network_is_a_24_of_ipv4_or_a_56_of_ipv6() -> None:
    def of(address: str) -> str | None:
        return network_of("127.0.0.1", [address], LOOPBACK)

    assert of("8.8.8.1") == of("8.8.8.255") == of("::ffff:8.8.8.9")
    assert of("8.8.8.1") != of("8.8.9.1")
    assert of("2001:db8:1:2ff::1") == of("2001:db8:1:200:9::1")
    assert of("2001:db8:1:2ff::1") != of("2001:db8:1:300::1")


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7", "172.17.0.1", "fd00::1", "::1", None, "testclient"])
def test_a_proxy_that_nobody_named_is_no_network(peer: str | None) -> None:
    """All that it brings would have one bound together."""
    assert network_of(peer, ["8.8.8.8"], []) is None


@pytest.mark.parametrize("header", [[], [""], ["unknown"], ["8.8.8.8, x"], ["_hidden"], ["127.0.0.1"]])
def test_a_believed_proxy_that_names_nobody_is_no_network(header: list[str]) -> None:
    assert network_of("127.0.0.1", header, LOOPBACK) is None


def test_a_chain_of_proxies_is_followed_to_the_first_that_is_not_believed() -> None:
    of = partial(network_of, proxies=[*LOOPBACK, ip_network("10.0.0.0/8")])
    assert of("127.0.0.1", ["9.9.9.9, 8.8.8.8, 10.1.1.1"]) == of("8.8.8.1", [])
    assert of("10.0.0.1", ["10.2.2.2"]) is None


def test_no_address_is_kept_and_another_process_knows_none_again(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60", proxies='["127.0.0.1"]')
    kept = []
    for _ in range(2):
        with site.serve() as running:
            running.issuer.throttle._a_day = 100
            assert ask(running.http, 7, "8.8.8.8") == 202
            bounds = (running.issuer.throttle._network, running.issuer.throttle._phone)
            kept.append({name for bound in bounds if bound for name in bound._own.storage})
    assert [len(names) for names in kept] == [2, 2]
    assert kept[0].isdisjoint(kept[1])
    assert not any("8.8.8" in name for name in kept[0] | kept[1])
