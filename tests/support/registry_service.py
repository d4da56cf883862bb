"""A registry with its surroundings: issuers that publish their keys over HTTP, phones that show codes, processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from checkin.protocol import presentation
from checkin.protocol.credential import Draft, Mode, StatusOpening, issue, new_opening
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.intake import Place, Scan, seal_entry
from checkin.protocol.key_list import IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, open_note, sign_note
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.service.auth import token_hash
from tests.support import serving
from tests.support.answering_server import AnsweringServer, Said
from tests.support.service_folder import CALENDAR, NOON, bearer, make_service
from tests.support.serving import visiting
from venue.app import create_app

ENROLMENT = "enrolment-secret-of-this-test"
RETENTION = "retention-token-of-this-test"
METRICS = "metrics-token-of-this-test"
BUCKETS = 25  # of a day's check-ins by hours since its local start


@dataclass
class Issuer:
    """An issuer as far as a registry sees it: its number, its daily keys, its signed list under /v1/keys."""

    number: int
    simulated: bool = True
    keys: dict[int, SigningKey] = field(default_factory=dict)
    signer: NoteSigner = field(init=False)
    note: str | None = None
    """Answered instead of the true list, if set."""

    def __post_init__(self) -> None:
        self.signer = NoteSigner(f"issuer{self.number}.example", SigningKey(random_bytes(32)))
        self._server = AnsweringServer(lambda _: Said(json.dumps(self._published()).encode()))
        self.url, self.stop = self._server.url, self._server.stop

    def list_days(self, *days: int) -> None:
        for day in days:
            self.keys.setdefault(day, SigningKey(random_bytes(32)))

    def listed(self) -> str:
        keys = {day: ListedKey(issuer_kid(self.number, key.public), key.public) for day, key in self.keys.items()}
        return sign_note(IssuerList(self.number, keys, self.simulated).text(), self.signer)

    def _published(self) -> dict[str, Any]:
        return {"issuer": self.number, "keys": [], "list": self.note or self.listed()}


@dataclass
class Phone:
    """A credential of one day and its holder key."""

    issuer: Issuer
    day: int
    mode: Mode = Mode.SCREEN
    visit_id: bytes = field(default_factory=lambda: random_bytes(16))
    opening: StatusOpening = field(default_factory=lambda: new_opening(0))  # type: ignore[arg-type]
    holder: SigningKey = field(default_factory=lambda: SigningKey(random_bytes(32)))

    def bytes_at(self, iat: float, *, show: bool = False, signer: SigningKey | None = None) -> bytes:
        draft = Draft(self.day, self.mode, self.visit_id, self.holder.public, random_bytes(72), self.opening)
        if not hasattr(self, "_credential"):
            self._credential = issue(draft, self.issuer.number, signer or self.issuer.keys[self.day])
        return presentation.present(self._credential, self.holder, int(iat), self.opening if show else None)

    def at(self, iat: float, *, show: bool = False) -> str:
        return presentation.to_text(self.bytes_at(iat, show=show))


@dataclass(frozen=True)
class Enrolled:
    """A venue with one scanner."""

    venue_id: str
    operator: str
    scanner_id: str
    scanner: str

    @property
    def place(self) -> Place:
        return Place(bytes.fromhex(self.venue_id), bytes.fromhex(self.scanner_id))


def scan_id() -> str:
    return b64url_encode(random_bytes(16))


class Registry:
    """A registry's folder, and requests to it by whichever client it is given."""

    def __init__(self, folder: Path, issuers: list[Issuer], *, now: float | None = NOON, **settings: Any) -> None:
        """`now` None: the real clock."""
        self.folder = folder
        self.clock = folder / "clock" if now is not None else None
        pinned = ", ".join(
            f'{{ number = {issuer.number}, url = "{issuer.url}", vkey = "{issuer.signer.verifier.vkey}" }}'
            for issuer in issuers
        )
        self.config = make_service(
            folder,
            enrolment_secret_sha256=f'"{token_hash(ENROLMENT).hex()}"',
            retention_token_sha256=f'"{token_hash(RETENTION).hex()}"',
            metrics_token_sha256=f'"{token_hash(METRICS).hex()}"',
            issuers=f"[{pinned}]",
            **{name: json.dumps(value) for name, value in settings.items()},
        )
        if now is not None:
            self.set(now)

    def set(self, now: float) -> None:
        """Move the simulated clock, and the machine's boot clock with it."""
        assert self.clock
        self.clock.write_text(CALENDAR.rfc3339(now) + "\n")

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """The service in a thread of this process, over HTTP."""
        with visiting(create_app(self.config, self.clock), log_level="error", server_header=False) as client:
            yield client


def enrol(client: httpx.Client, name: str = "Cafe", secret: str = ENROLMENT) -> Enrolled:
    """A venue and a scanner, over the API."""
    venue = client.post("/v1/venues", json={"name": name, "category": "cafe"}, headers=bearer(secret))
    assert venue.status_code == 201, venue.text
    return add_scanner(client, venue.json()["venue_id"], venue.json()["operator_token"])


def add_scanner(client: httpx.Client, venue: str, operator: str) -> Enrolled:
    scanner = client.post(f"/v1/venues/{venue}/scanners", json={"label": "door"}, headers=bearer(operator)).json()
    return Enrolled(venue, operator, scanner["scanner_id"], scanner["scanner_token"])


def check_in(client: httpx.Client, at: Enrolled, token: str, scan: str | None = None) -> httpx.Response:
    return client.post("/v1/check-ins", json={"token": token, "scan_id": scan or scan_id()}, headers=bearer(at.scanner))


def intake_keys(client: httpx.Client, at: Enrolled, verifier: Any) -> dict[int, bytes]:
    """What the registry lists, verified as a scanner would."""
    trust = client.get("/v1/trust", headers=bearer(at.scanner)).json()
    keys = IntakeList.read(open_note(trust["intake"], [verifier]).text).keys
    return {day: key.public for day, key in keys.items()}


def sealed(
    at: Enrolled,
    keys: dict[int, bytes],
    token: bytes,
    scanned_at: float,
    scan: bytes | None = None,
    *,
    day: int | None = None,
) -> str:
    """An entry of a scanner's queue."""
    if day is None:
        day = presentation.read(token).credential.day
    return b64url_encode(seal_entry(Scan(int(scanned_at), scan or random_bytes(16), token), day, at.place, keys[day]))


def upload(client: httpx.Client, at: Enrolled, entries: list[str]) -> list[str]:
    """One word an entry: the result, or the code of its refusal."""
    answer = client.post("/v1/check-ins/batch", json={"sealed": entries}, headers=bearer(at.scanner))
    assert answer.status_code == 200, answer.text
    return [item.get("code", item["result"]) for item in answer.json()["results"]]


class Process(serving.Process):
    """A registry in a process of its own."""

    def __init__(self, registry: Registry, *, workers: int = 1) -> None:
        super().__init__("venue", registry.config, registry.clock, workers=workers)


@contextmanager
def processes(registry: Registry, number: int, *, workers: int = 1) -> Iterator[list[Process]]:
    """So many servers on one data folder."""
    running = [Process(registry, workers=workers) for _ in range(number)]
    with serving.ready(running):
        yield running
