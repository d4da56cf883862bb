"""A deployment of real processes under the real clock, and whoever visits it without a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkin.clock import Calendar, SystemClock
from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.http.asking import drive
from checkin.http.client import Client, drive_at
from checkin.parties import wallet
from checkin.protocol.encoding import base45_decode
from checkin.protocol.presentation import read
from checkin.service.addresses import free_ports
from tests.support.issuer_service import read_code
from tests.support.noon import zone_at_noon

_numbers = iter(range(2000_0000, 9999_9999, 7919))


def new_number() -> str:
    """The last eight digits of a phone that nobody has."""
    return str(next(_numbers))


def visit_of(text: str) -> bytes:
    """The visit id in a code."""
    return read(base45_decode(text.removeprefix("CK1:"))).credential.visit_id


@dataclass
class Venue:
    """An enrolled venue, with what its operator keeps."""

    url: str
    id: str
    token: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request as the operator."""
        with Client(self.url, self.token) as client:
            path = f"/v1/venues/{self.id}{path}"
            return client.get(path) if method == "GET" else getattr(client, method.lower())(path, body)

    def device(self, label: str) -> str:
        """A new scanner's enrolment, the text of the operator's code."""
        made = self.ask("POST", "/scanners", {"label": label})
        return json.dumps({"venue_id": self.id, **made, "label": label})

    def total(self) -> int:
        """Check-ins that the registry has of this venue."""
        return sum(day["total"] for day in self.ask("GET", "/stats")["days"])


@dataclass
class Site:
    """Three services and their folder."""

    deployment: Deployment
    processes: Processes
    calendar: Calendar
    down: set[str] = field(default_factory=set)

    def url(self, service: str, path: str = "") -> str:
        """An address."""
        return self.deployment.url(service) + path

    def venue(self, name: str = "Café Mugunghwa") -> Venue:
        """A venue of its own."""
        with Client(self.url("venue"), self.deployment.token("enrolment")) as client:
            made = client.post("/v1/venues", {"name": name, "category": "cafe", "capacity": 40})
        return Venue(self.url("venue"), made["venue_id"], made["operator_token"])

    def message(self, phone: str) -> str:
        """The code in the newest message to a phone (its last eight digits)."""
        folder = self.deployment.folder / "issuer" / "data" / "outbox"
        texts = (path.read_text(encoding="utf-8") for path in folder.glob("*.txt"))
        text = next(text for text in texts if text.partition("\n")[0].endswith(phone))
        return read_code(text)

    def kill(self, *names: str) -> None:
        """As a power cut would."""
        for name in names:
            self.processes.kill(name)
            self.down.add(name)

    def restart(self) -> None:
        """What was killed runs again."""
        for name in sorted(self.down):
            self.processes.start(name)
        for name in sorted(self.down):
            self.processes.wait_for(name)
        self.down.clear()


@contextmanager
def running(folder: Path, trust: bytes = b"") -> Iterator[Site]:
    """A deployment under the real clock, at noon; with signer certificates, its issuer takes vaccination proofs."""
    calendar = Calendar(zone_at_noon())
    deployment = Deployment.open_or_make(folder, free_ports(3), zone=calendar.zone)
    if trust:
        (deployment.folder / "trust.pem").write_bytes(trust)
        with deployment.config("issuer").open("a", encoding="utf-8") as settings:
            settings.write('certificate_trust = "../trust.pem"\n')
    with Processes(deployment) as processes:
        yield Site(deployment, processes, calendar)


class Visitor:
    """Somebody with a fresh code whenever one is asked for."""

    def __init__(self, site: Site) -> None:
        phone = new_number()
        self.issuer, self.calendar = site.url("issuer"), site.calendar
        registration = drive_at(self.issuer, wallet.register("Park Seo-jun", f"+8210{phone}"))
        self.held = drive_at(self.issuer, wallet.confirm(self.issuer, registration, site.message(phone)))

    def code(self) -> str:
        """Signed now."""
        day = self.calendar.day(SystemClock().now())
        if not self.held.left(day):
            drive_at(self.issuer, self.held.fetch(day, self.calendar))
        opened = drive(self.held.open_code(day))
        assert opened is not None
        return wallet.present(opened, SystemClock().now(), self.calendar)
