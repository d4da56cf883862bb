"""A small country: two issuers, a registry and a retention service behind real servers, an authority with officers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

import issuer.app
import retention.app
import venue.app
from checkin.clock import SimulatedClock
from checkin.deployment.deployment import Deployment
from checkin.http.asking import drive
from checkin.http.client import drive_at
from checkin.keys.officer_folder import load_share, load_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, SignedOrder, draft
from checkin.parties import wallet as wallets
from checkin.parties.authority_folder import AuthorityFolder
from checkin.parties.wallet import Wallet
from checkin.protocol.note import NoteSigner
from checkin.service.addresses import free_ports
from checkin.tracing.execute import Parties, execute_order, open_trace, publish
from checkin.tracing.trace import Trace
from checkin.tracing.trace_result import TraceResult
from tests.checkin.tracing.secondissuer import add_issuer
from tests.support.issuer_service import read_code
from tests.support.registry_service import Enrolled, check_in, enrol
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.serving import caller
from tests.support.serving import serving as running
from tests.support.waiting import until

SECOND = "issuer2"
CASE = OrderRequest(case="2026-17", purpose="contacts of a person with measles", basis="Act, Article 76-2")
APPS: dict[str, Callable[[Path, Path], FastAPI]] = {
    "issuer": issuer.app.create_app,
    SECOND: issuer.app.create_app,
    "venue": venue.app.create_app,
    "retention": retention.app.create_app,
}


@dataclass
class Person:
    """Somebody with a phone and an account."""

    name: str
    phone: str
    wallet: Wallet

    def fetch(self, day: int) -> None:
        """One more batch."""
        drive_at(self.wallet.issuer_url, self.wallet.fetch(day, CALENDAR))


@dataclass
class Country:
    """All parties; time is what `set` says."""

    deployment: Deployment
    ports: dict[str, int]
    apps: dict[str, FastAPI] = field(default_factory=dict)
    people: int = 0

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> SimulatedClock:
        """Everybody's."""
        assert self.deployment.simulated_clock
        return SimulatedClock(self.deployment.simulated_clock)

    def set(self, moment: float) -> None:
        """Now it is then."""
        self.clock.set(CALENDAR.rfc3339(moment))

    # --- people and doors ----------------------------------------------------------------------------------------

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def client(self, service: str, token: str | None = None) -> httpx.Client:
        return caller(self.url(service), headers=bearer(token) if token else {})

    def person(self, service: str = "issuer", name: str | None = None, phone: str | None = None) -> Person:
        """Registered by the message that was sent."""
        self.people += 1
        name, phone = name or f"Person {self.people}", phone or f"+8210{20000000 + self.people}"
        outbox = self.deployment.folder / service / "data" / "outbox"
        before = set(outbox.glob("*.txt"))
        registration = drive_at(self.url(service), wallets.register(name, phone))
        (message,) = set(outbox.glob("*.txt")) - before
        code, url = read_code(message.read_text(encoding="utf-8")), self.url(service)
        return Person(name, phone, drive_at(url, wallets.confirm(url, registration, code)))

    def door(self, name: str) -> Enrolled:
        """A venue of that name, with a scanner."""
        with self.client("venue") as client:
            return enrol(client, name, self.deployment.token("enrolment"))

    def code(self, person: Person, moment: float) -> str:
        """A fresh code out of the wallet, made then, which becomes now."""
        self.set(moment)
        day = CALENDAR.day(moment)
        if not person.wallet.left(day):
            person.fetch(day)
        opened = drive(person.wallet.open_code(day))
        assert opened
        return wallets.present(opened, moment, CALENDAR)

    def scan(self, door: Enrolled, text: str) -> httpx.Response:
        """At that door, now."""
        with self.client("venue") as client:
            return check_in(client, door, text)

    def visit(self, person: Person, door: Enrolled, moment: float) -> None:
        """A check-in at that moment, which becomes now."""
        answer = self.scan(door, self.code(person, moment))
        assert answer.status_code == 201, answer.text

    # --- the authority -------------------------------------------------------------------------------------------

    @property
    def authority(self) -> AuthorityFolder:
        return self.deployment.authority()

    @property
    def parties(self) -> Parties:
        return self.deployment.parties()

    @property
    def officers(self) -> list[NoteSigner]:
        return [load_signer(path) for path in self.deployment.officers()]

    def tend(self) -> None:
        """The authority's keys, listed at both issuers, and what was destroyed, stated."""
        self.deployment.tend()

    def settle(self) -> None:
        """Waits until the lists of keys are in the log, and taken."""
        for service in self.apps:
            with self.client(service) as client:
                until(lambda: not any(map(wanting, client.get("/readyz").json()["findings"])))

    def drafted(self, name: str, wish: OrderRequest, *, simulated: bool = True) -> OrderFolder:
        """An order that nobody has signed yet."""
        authority, parties = self.authority, self.parties
        order = draft(
            wish,
            replace(authority, simulated=simulated),
            registry=parties.registry.verifier.name,
            issuers=[party.verifier.name for party in parties.issuers],
            now=self.clock.now(),
        )
        return OrderFolder.make(self.deployment.folder / "orders" / name, order)

    def signed(self, name: str, wish: OrderRequest, **options: bool) -> SignedOrder:
        """By the first two officers."""
        folder = self.drafted(name, wish, **options)
        folder.sign(self.officers[:2])
        return folder.open(self.authority.officers)

    def opened(self, order: SignedOrder, shares: Sequence[int] = (0, 2)) -> Trace:
        """A trace by two officers, not necessarily those who signed."""
        return open_trace(order, self.authority, self.parties, self._shares(shares))

    def execute(
        self, order: SignedOrder, shares: Sequence[int] = (0, 2), parties: Parties | None = None
    ) -> TraceResult:
        """Logged, asked, opened."""
        return execute_order(order, self.authority, parties or self.parties, self._shares(shares))

    def _shares(self, numbers: Sequence[int]) -> list[str]:
        folders = self.deployment.officers()
        return [load_share(folders[number]) for number in numbers]

    def trace(self, name: str, wish: OrderRequest) -> TraceResult:
        """Signed, logged, asked, opened."""
        return self.execute(self.signed(name, wish))

    def body(self, order: SignedOrder, number: int = 0) -> dict[str, str]:
        """What the audience of a part is sent, without a list."""
        proof = publish(order.entry, self.parties)
        return {"part": order.parts[number].note, "entry": order.entry, "proof": proof.write()}

    def send(self, service: str, body: dict[str, Any]) -> httpx.Response:
        """As the authority."""
        token = self.deployment.token("authority-venue" if service == "venue" else "authority-issuer")
        with self.client(service, token) as client:
            return client.post("/v1/orders", json=body)

    def statements(self, service: str) -> dict[str, str]:
        """What a service stated about orders, by name."""
        token = self.deployment.token(f"retention-{service}")
        with self.client(service, token) as client:
            listed = client.get("/v1/statements").json()["statements"]
        return {item["name"]: item["note"] for item in listed if item["name"].startswith("order-")}


def wanting(finding: dict[str, str]) -> bool:
    """Whether a service is not ready, or waits for an issuer's list."""
    return finding["level"] == "failure" or (finding["name"].startswith("issuer_") and finding["level"] == "warning")


def person_order(person: Person, first: int = DAY, last: int = DAY) -> OrderRequest:
    """Who was near somebody."""
    return replace(CASE, phone=person.phone, days=(first, last))


def venue_order(door: Enrolled, begin: float, end: float) -> OrderRequest:
    """Who was at a place."""
    return replace(CASE, venue=door.venue_id, window=(begin, end))


@contextmanager
def country(folder: Path, moment: float = NOON) -> Iterator[Country]:
    """Made and running."""
    folder.mkdir()
    clock = folder / "clock"
    clock.write_text(CALENDAR.rfc3339(moment) + "\n", encoding="ascii")
    ports = dict(zip(("issuer", "venue", "retention", SECOND), free_ports(4), strict=True))
    deployment = Deployment.open_or_make(
        folder, (ports["issuer"], ports["venue"], ports["retention"]), simulated_clock=clock
    )
    add_issuer(deployment, SECOND, ports[SECOND])
    self = Country(deployment, ports)
    with ExitStack() as stack:
        for services in (("issuer", SECOND), ("venue",), ("retention",)):
            for service in services:
                self.apps[service] = stack.enter_context(serving(self, service))
        self.tend()
        self.settle()
        yield self


@contextmanager
def serving(country: Country, service: str) -> Iterator[FastAPI]:
    """One service behind a real server, in a thread, so that a test can look inside."""
    app = APPS[service](country.deployment.folder / service / "settings.toml", country.clock.path)
    with running(app, country.ports[service]):
        yield app
