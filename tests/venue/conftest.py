"""A registry with one issuer, its clock standing at noon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from checkin.errors import Unreachable
from checkin.files.tables import SqliteTables
from checkin.protocol.key_list import issuer_kid
from checkin.protocol.note import NoteVerifier
from checkin.service.identity import ServiceIdentity
from checkin.service.tasks import Tasks
from tests.support.registry_service import ENROLMENT, Enrolled, Issuer, Phone, Registry, enrol, intake_keys
from tests.support.service_folder import DAY, NOON, bearer
from tests.venue.realtime import CALENDAR, today
from venue.database import REGISTRY
from venue.issuer_trust import Fetched, IssuerTrust, fetch_list
from venue.settings import TrustedIssuer as Pinned
from venue.settings import VenueSettings


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
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its start a service in this process does nothing by itself: what a test sees, it has asked for."""
    monkeypatch.setattr(Tasks, "start", lambda _: None)


@pytest.fixture
def enrolment() -> dict[str, str]:
    """The header with the enrolment secret."""
    return bearer(ENROLMENT)


class Book:
    """An `IssuerTrust` by itself, with an issuer that hands over whatever it is told to."""

    def __init__(self, folder: Path, *issuers: Issuer) -> None:
        registry = Registry(folder, list(issuers))
        settings = VenueSettings.load(registry.config)
        self.registry = registry
        self.party = ServiceIdentity(settings, registry.clock)
        self.database = SqliteTables(self.party.data, REGISTRY)
        self.pinned: tuple[Pinned, ...] = settings.issuers
        self.asked = 0
        self.down = False
        self.trust = IssuerTrust(self.party, self.database, settings.issuers, self.fetch)

    def fetch(self, url: str) -> Fetched:
        self.asked += 1
        if self.down:
            raise Unreachable
        return fetch_list(url)

    def findings(self) -> dict[str, str]:
        return {finding.name: finding.level for finding in self.trust.findings()}


@pytest.fixture
def issuer(new_issuer: NewIssuer) -> Issuer:
    """The only one that the registry pins."""
    return new_issuer()


@pytest.fixture
def book(tmp_path: Path, issuer: Issuer) -> Iterator[Book]:
    """With that issuer."""
    made = Book(tmp_path / "registry", issuer)
    yield made
    made.database.close()


def kid(issuer: Issuer, day: int) -> bytes:
    """Of an issuer's key of the day."""
    return issuer_kid(issuer.number, issuer.keys[day].public)


@pytest.fixture
def registry(tmp_path: Path, new_issuer: NewIssuer) -> tuple[Registry, Issuer]:
    """A registry under the real clock, as in production."""
    issuer = new_issuer(1, simulated=False, day=today())
    return Registry(tmp_path / "registry", [issuer], now=None, zone=CALENDAR.zone), issuer
