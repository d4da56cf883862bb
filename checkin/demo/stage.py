"""What the demonstration's chapters stand on: deployment, clock, and the hands at a door and in an office."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from checkin.clock import STOPWATCH, Calendar, SimulatedClock, SystemClock
from checkin.demo.narrator import Narrator, expect
from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.errors import CheckinError
from checkin.http.asking import Keeping, Steps, drive
from checkin.http.client import Client, drive_at
from checkin.keys.key_ring import KeyRing
from checkin.keys.officer_folder import load_share
from checkin.keys.secret_file import read_secret
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, draft
from checkin.parties import wallet
from checkin.parties.scanner import Scanner
from checkin.parties.wallet import Wallet
from checkin.protocol.primitives import OpeningKey
from checkin.service.addresses import free_ports
from checkin.tracing.execute import execute_order
from checkin.tracing.trace_result import TraceResult

MARKER: Final = "clock"  # the file by which a folder is known to be a story's
_LABELS: Final = ("front door", "back door")
PATIENCE_SECONDS: Final = 600.0  # a busy machine takes its time
T = TypeVar("T")


@dataclass
class Stage:
    """What the chapters share."""

    folder: Path
    tell: Narrator
    deployment: Deployment
    clock: SimulatedClock
    calendar: Calendar
    day: int
    processes: Processes

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def copies(self) -> Path:
        """The stolen databases."""
        return self.folder / "stolen"

    def ring(self, service: str) -> KeyRing:
        """A service's key ring, from outside: the same slots that its process maps."""
        folder = self.deployment.folder / service
        master = read_secret(folder / "master.key")
        return KeyRing(folder / "keys", master, allow_unfit=bool(self.deployment.warnings))

    def authority_day_key(self) -> OpeningKey:
        """Two officers' shares, joined; raises once the day's key is destroyed."""
        shares = [load_share(folder) for folder in self.deployment.officers()[:2]]
        ring = self.deployment.authority().ring
        return ring.open_day(self.day, ring.unlock(shares))

    def advance(self, seconds: float) -> float:
        """Let simulated time pass; the new now."""
        now = self.clock.now() + seconds
        self.clock.set(self.calendar.rfc3339(now))
        return self.clock.now()

    def settle(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until all services are ready; raises `StoryFailedError` for those that are not in so many seconds."""
        waiting = self.processes.settle(seconds)
        expect(not waiting, f"Not ready after {seconds / 60:.0f} minutes, see /readyz: {', '.join(waiting)}.")

    def at(self, service: str, steps: Steps[T], keep: Keeping | None = None) -> T:
        """What a party's steps come to at one of the services."""
        return drive_at(self.deployment.url(service), steps, keep)

    @property
    def today(self) -> int:
        """By the clock; `day` is the story's first."""
        return self.calendar.day(self.clock.now())

    def fetch(self, held: Wallet) -> None:
        pinned = self.deployment.verifier("issuer")
        self.at("issuer", held.fetch(self.today, self.calendar, pinned=pinned))

    def code(self, held: Wallet) -> str:
        """A fresh code out of a wallet, for one door."""
        opened = expect(drive(held.open_code(self.today)), "The wallet has no code left.")
        return wallet.present(opened, self.clock.now(), self.calendar)

    def leave(self, name: str, content: str | bytes | Any) -> None:
        """Write an artifact: bytes and text as they are, the rest as JSON."""
        path = self.artifacts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            content = text.encode()
        path.write_bytes(content)


@contextmanager
def raised(folder: Path, tell: Narrator, hour: int = 12, issuer: str = "") -> Iterator[Stage]:
    """Three services as processes in a new folder, under a clock of their own that shows this hour of today; `issuer`:
    lines for its settings."""
    calendar, path = Calendar(), folder / MARKER
    day = calendar.day(SystemClock().now())
    path.write_text(calendar.rfc3339(calendar.start(day) + hour * 3600) + "\n", encoding="ascii")
    clock = SimulatedClock(path)
    with tell.step("deployment", "Keys, settings and a health authority with three officers", "two must agree to act"):
        deployment = Deployment.open_or_make(folder, free_ports(3), simulated_clock=path)
    with deployment.config("issuer").open("a", encoding="utf-8") as settings:
        settings.write(issuer)
    for warning in deployment.warnings:
        tell.say(f"warning: {warning}")
    stage = Stage(folder, tell, deployment, clock, calendar, day, Processes(deployment))
    happens = "Issuer, registry and retention run as three processes"
    with ExitStack() as stack:
        with tell.step("services", happens, "three parties, three folders"):
            stack.enter_context(stage.processes)
            stage.settle()
        yield stage


def registered(deployment: Deployment, name: str, phone: str, keep: Keeping | None = None) -> Wallet:
    """A new wallet; the code comes through the outbox. `phone` in E.164."""
    url = deployment.url("issuer")
    registration = drive_at(url, wallet.register(name, phone))
    return drive_at(url, wallet.confirm(url, registration, one_time_code(deployment, phone)), keep)


def one_time_code(deployment: Deployment, phone: str) -> str:
    """What the message to `phone` (E.164) in the issuer's outbox says; the outbox keeps no order."""
    texts = [text for to, text in messages(deployment) if to == phone]
    expect(len(texts) == 1, f"There are {len(texts)} messages to this phone in the outbox.")
    return texts[0].split()[0]


def messages(deployment: Deployment) -> list[tuple[str, str]]:
    """(phone in E.164, text) of everything in the issuer's outbox."""
    outbox = deployment.folder / "issuer" / "data" / "outbox"
    parts = [path.read_text(encoding="utf-8").partition("\n\n") for path in outbox.glob("*.txt")]
    return [(head.removeprefix("To: "), text) for head, _, text in parts]


def enrol(stage: Stage, name: str) -> Scanner:
    """A venue with one scanner that has fetched its lists."""
    (scanner,) = gates(stage, name, 1)
    stage.at("venue", scanner.refresh(stage.clock.now()))
    return scanner


def gates(stage: Stage, name: str, count: int) -> list[Scanner]:
    """A venue with so many scanners, which have fetched nothing yet."""
    with Client(stage.deployment.url("venue"), stage.deployment.token("enrolment")) as client:
        venue = client.post("/v1/venues", {"name": name, "category": "cafe", "capacity": 40})
    with Client(stage.deployment.url("venue"), venue["operator_token"]) as client:
        path = f"/v1/venues/{venue['venue_id']}/scanners"
        devices = [client.post(path, {"label": label}) for label in _LABELS[:count]]
    return [Scanner(venue["venue_id"], device["scanner_id"], device["scanner_token"]) for device in devices]


def write_order(stage: Stage, name: str, request: OrderRequest) -> OrderFolder:
    """An order without a signature yet, in the artifacts."""
    authority, parties = stage.deployment.authority(), stage.deployment.parties()
    order = draft(
        request,
        authority,
        registry=parties.registry.verifier.name,
        issuers=[issuer.verifier.name for issuer in parties.issuers],
        now=stage.clock.now(),
    )
    return OrderFolder.make(stage.artifacts / name, order)


def execute(stage: Stage, folder: OrderFolder) -> TraceResult:
    """What a signed order finds, with two officers' shares; raises what the parties refuse with."""
    authority = stage.deployment.authority()
    shares = [load_share(path) for path in stage.deployment.officers()[:2]]
    return execute_order(folder.open(authority.officers), authority, stage.deployment.parties(), shares)


def refusal(attempt: Callable[[], object]) -> str:
    """The code with which an attempt is refused; empty if it is not."""
    try:
        attempt()
    except CheckinError as error:
        return error.code
    return ""


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Raises `StoryFailedError` when it does not come true in so many seconds."""
    deadline = STOPWATCH.boot() + seconds
    while not condition():
        expect(STOPWATCH.boot() < deadline, f"It did not happen in {seconds / 60:.0f} minutes.")
        time.sleep(0.1)
