"""Two workers of an issuer that count at one server hold together what each of them would hold for itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.errors import TooManyRequests, Unreachable
from checkin.protocol.primitives import sha256
from issuer.contact import Contact
from issuer.service import Issuer
from tests.issuer.test_registrations import Gateway
from tests.support.counts_server import CountsServer
from tests.support.issuer_service import E164, NAME, Site
from tests.support.service_folder import DAY

NETWORK = "203.0.113.0/24"


@pytest.fixture
def two(tmp_path: Path, counts_server: CountsServer) -> Iterator[list[Issuer]]:
    """A phone has a pause of a minute, a network two registrations, and all together have four."""
    bounds = {"registrations_a_minute": "4", "registrations_a_minute_of_a_network": "2"}
    file = f'"{counts_server.dsn_file}"'
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60", throttles_dsn_file=file, **bounds)
    with site.open() as here, site.open() as there:
        yield [here, there]


def phones() -> Iterator[Contact]:
    """Different ones."""
    return (Contact(NAME, f"+8210876543{number:02}") for number in range(100))


def refused(issuer: Issuer, contact: Contact, network: str | None, why: str) -> None:
    """By this bound, at this issuer."""
    with pytest.raises(TooManyRequests, match=why):
        issuer.registrations.begin(contact, network)


def test_a_phone_a_network_and_all_have_one_bound_at_both(two: list[Issuer], counts_server: CountsServer) -> None:
    (here, there), others = two, phones()
    here.registrations.begin(Contact(NAME, E164), NETWORK)
    refused(there, Contact(NAME, E164), None, "on its way to this phone")
    there.registrations.begin(next(others), NETWORK)
    refused(here, next(others), NETWORK, "from your network")
    here.registrations.begin(next(others))
    assert not there.throttle.full
    there.registrations.begin(next(others))
    refused(here, next(others), None, "Too many people")
    assert there.throttle.full
    kept = counts_server.kept()
    assert sorted(value for value, _ in kept.values()) == ["0", "0", "1", "1", "1", "1", "2", "4"]
    mac = here.identity_keys.day_mac(here.identity_keys.current(), DAY, E164)
    told = " ".join(kept)
    for secret in (E164, E164[1:], NETWORK, NETWORK.partition("/")[0]):
        assert secret not in told
        assert sha256(secret.encode()).hex()[:32] not in told
    assert mac.hex() not in told, "nor what a row of the database is found by"


def test_what_one_did_not_send_the_other_may_send_at_once(two: list[Issuer]) -> None:
    here, there = two
    gateway = here.registrations._gateway = Gateway()
    gateway.fails = True
    for _ in range(2):
        with pytest.raises(Unreachable):
            here.registrations.begin(Contact(NAME, E164))
    there.registrations.begin(Contact(NAME, E164))
    refused(here, Contact(NAME, E164), None, "on its way to this phone")


def test_a_proof_of_a_status_counts_at_both(two: list[Issuer]) -> None:
    for number in range(10):
        two[number % 2].vaccination._bound.pass_one("7")
    with pytest.raises(TooManyRequests):
        two[0].vaccination._bound.pass_one("7")
