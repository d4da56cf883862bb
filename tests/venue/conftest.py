"""A registry with one issuer, its clock standing at noon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from checkin.note import NoteVerifier
from checkin.service import app as frame
from tests.venue.world import DAY, ENROLMENT, NOON, Enrolled, Issuer, Phone, Registry, bearer, enrol, intake_keys


@dataclass
class Scene:
    """The service over HTTP, and one venue with one scanner."""

    registry: Registry
    client: httpx.Client
    issuer: Issuer
    at: Enrolled
    intake: dict[int, bytes]

    def phone(self, day: int = DAY) -> Phone:
        """A visitor with a fresh code of the day."""
        return Phone(self.issuer, day)

    def venue(self, name: str = "Library") -> Enrolled:
        """Another venue."""
        return enrol(self.client, name)

    def findings(self) -> dict[str, str]:
        """What /readyz says: name → level."""
        return {item["name"]: item["level"] for item in self.client.get("/readyz").json()["findings"]}


NewIssuer = Callable[..., Issuer]


@pytest.fixture
def new_issuer() -> Iterator[NewIssuer]:
    """Makes issuers that answer over HTTP and have keys from four days ago until tomorrow."""
    made: list[Issuer] = []

    def make(number: int = 1, *, simulated: bool = True, day: int = DAY) -> Issuer:
        issuer = Issuer(number, simulated)
        issuer.list_days(*range(day - 4, day + 2))
        made.append(issuer)
        return issuer

    yield make
    for issuer in made:
        issuer.stop()


@pytest.fixture
def scene(tmp_path: Path, new_issuer: NewIssuer) -> Iterator[Scene]:
    """A running registry at noon."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer], now=NOON)
    with registry.client() as client:
        at = enrol(client)
        yield Scene(registry, client, issuer, at, intake_keys(client, at, verifier(client, at)))


def verifier(client: httpx.Client, at: Enrolled) -> NoteVerifier:
    """The registry's key, as a scanner learns it at enrolment."""
    trust = client.get("/v1/trust", headers=bearer(at.scanner)).json()
    return NoteVerifier.parse(trust["registry"]["vkey"])


@pytest.fixture(autouse=True)
def no_chores(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its start a service in this process does nothing by itself: what a test sees, it has asked for."""
    monkeypatch.setattr(frame, "SIMULATED_HOUSEKEEPING_SECONDS", 3600.0)


@pytest.fixture
def enrolment() -> dict[str, str]:
    """The header with the enrolment secret."""
    return bearer(ENROLMENT)
