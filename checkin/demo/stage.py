"""What the demonstration's chapters stand on: the deployment, its clock, and the hands that do things at a door
and in an office."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlite_utils

from checkin.clock import Calendar, SimulatedClock, SystemClock
from checkin.demo.narrator import Narrator, expect
from checkin.demo.thief import open_subject, open_visits
from checkin.deployment.deployment import ISSUER_NUMBER, Deployment
from checkin.deployment.processes import Processes
from checkin.errors import CheckinError
from checkin.http.asking import Keeping, Steps, drive
from checkin.http.client import Client, drive_at
from checkin.keys.key_ring import KeyRing
from checkin.keys.officer_folder import load_share
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, draft
from checkin.parties import wallet
from checkin.parties.scanner import Scanner
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation
from checkin.protocol.credential import Draft, Mode, Status, issue, new_opening
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.purge.statement_store import report_name
from checkin.service.addresses import free_ports
from checkin.tracing.execute import execute_order
from checkin.tracing.trace_result import TraceResult
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import SubKeys

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
        """Where results are left."""
        return self.folder / "artifacts"

    @property
    def copies(self) -> Path:
        """The stolen databases."""
        return self.folder / "stolen"

    def ring(self, service: str) -> KeyRing:
        """A service's key ring, from outside: the same slots that its process maps."""
        folder = self.deployment.folder / service / "keys"
        return KeyRing(folder, self.deployment.master_key(service), allow_unfit=bool(self.deployment.warnings))

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
        """A batch of today."""
        pinned = self.deployment.verifier("issuer")
        self.at("issuer", held.fetch(self.today, self.calendar, pinned=pinned))

    def code(self, held: Wallet) -> str:
        """A fresh code out of a wallet, for one door."""
        opened = drive(held.open_code(self.today))
        expect(opened, "The wallet has no code left.")
        assert opened is not None  # noqa: S101 - just expected
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


def refused(stage: Stage, code: str, scanner: Scanner, text: str) -> None:
    """Raises `StoryFailedError` unless the scan is refused with exactly this code."""
    found = refusal(lambda: stage.at("venue", scanner.scan(text, stage.clock.now())))
    expect(found == code, f"Refused with {found or 'nothing'} instead of {code}.")


def closed(attempt: Callable[[], object], whose: str) -> None:
    """Raises `StoryFailedError` unless the attempt fails for want of a key."""
    found = refusal(attempt)
    expect(found in ("day_destroyed", "key_destroyed", "key_missing"), f"With the key ring of the {whose}: {found}")


def opened(stage: Stage, registry: SubKeys, issuer: SubKeys, authority: OpeningKey) -> list[int]:
    """The subject numbers behind all visits in the stolen copies."""
    visits = open_visits(stage.copies, stage.day, registry)
    return [open_subject(visit, stage.day, authority, issuer) for visit in visits]


def forged(stage: Stage) -> str:
    """A code that the visitor issued, not an issuer."""
    holder = SigningKey(random_bytes(32))
    opening = new_opening(Status.NONE)
    draft = Draft(stage.day, Mode.SCREEN, random_bytes(16), holder.public, random_bytes(72), opening)
    credential = issue(draft, ISSUER_NUMBER, SigningKey(random_bytes(32)))
    return presentation.to_text(presentation.present(credential, holder, int(stage.clock.now())))


def altered(text: str) -> str:
    """A genuine code with one bit of its signature changed."""
    token = bytearray(presentation.from_text(text))
    token[-1] ^= 1
    return presentation.to_text(bytes(token))


def found_in(folder: Path, needles: list[str]) -> list[str]:
    """Which of the texts occur in any file below the folder."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    expect(contents, "There was no file to search.")
    return [needle for needle in needles if any(needle.encode() in content for content in contents)]


def gone(stage: Stage, service: str) -> bool:
    """Whether the service has a statement about the day's destruction."""
    token = stage.deployment.token(f"retention-{service}")
    with Client(stage.deployment.url(service), token) as client:
        names = [statement["name"] for statement in client.get("/v1/statements")["statements"]]
    return report_name(stage.day) in names


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Raises `StoryFailedError` when it does not come true in so many seconds."""
    deadline = SystemClock().boot() + seconds
    while not condition():
        expect(SystemClock().boot() < deadline, f"It did not happen in {seconds / 60:.0f} minutes.")
        time.sleep(0.1)


def visit_rows(stage: Stage) -> list[Row]:
    """What the registry has stored of the first day."""
    with closing(SqliteStore(stage.deployment.folder / "venue" / "data" / "visits", ordered=True)) as store:
        return list(store.rows(stage.day))


def table_rows(stage: Stage, service: str) -> list[list[str]]:
    """Database, table, rows and columns of everything that a service's data folder holds."""
    rows = []
    for path in sorted((stage.deployment.folder / service / "data").rglob("*.*")):
        if path.suffix not in (".db", ".sqlite"):
            continue
        with sqlite_utils.Database(path) as database:
            for table in database.tables:
                columns = ", ".join(column.name for column in table.columns)
                rows.append([path.name, table.name, str(table.count), columns])
    return rows
