"""The whole system in one process: issuer, registry, log and authority as objects on real files, under one clock.

Nothing is served and nothing runs by itself, so that a step costs milliseconds; what the parties send each other goes
by a call. `prepared` makes the folder once, copies of it are opened as often as wanted.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from checkin.clock import SimulatedClock
from checkin.errors import CheckinError
from checkin.http.asking import drive
from checkin.keys.key_ring import Purpose
from checkin.keys.officer_folder import load_share, load_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, SignedOrder, draft
from checkin.parties.authority_folder import AuthorityFolder
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.purge.statement_store import StatementStore
from checkin.service.day_store import DayService
from checkin.service.identity import ServiceIdentity
from checkin.service.order_executor import OrderBody
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.proof import LogProof
from checkin.tracing.trace import Trace
from checkin.tracing.trace_result import TraceResult
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from retention.log import Log
from tests.support.databases import name_database, settle_beside
from tests.support.issuer_service import keep_house
from tests.support.service_folder import CALENDAR, NOON, make_service
from venue import checkins, lists, scan_batches, scanners, venues
from venue.checkins import Commits, Visits
from venue.database import REGISTRY, end_again, end_all
from venue.gates import GATES, Gates
from venue.issuer_trust import Fetched, IssuerTrust
from venue.order_steps import Traces
from venue.settings import VenueSettings

LOG_SIGNER: Final = NoteSigner("retention.example/log", SigningKey(b"\x07" * 32))
ISSUER: Final = 7
CASE: Final = OrderRequest(case="2026-17", purpose="contacts of a person with measles", basis="Act, Article 76-2")


class Registry(DayService):
    """What `venue.app` makes, without the routes."""

    def __init__(self, folder: Path, clock: Path, fetch: Any) -> None:
        settings = VenueSettings.load(folder / "settings.toml")
        super().__init__(settings, settings.authority, settings.log, "venue", clock)
        party, guard, vault, endings = self.party, self.guard, self.vault, self.endings
        self.database = database = self.engine.tables(REGISTRY)
        endings.replay(database, end_again, end_all)
        self.trust = IssuerTrust(party, database, settings.issuers, fetch)
        self.gates = Gates(self, database, self.engine.tables(GATES))
        ahead = {Purpose.DAY: 1, Purpose.INTAKE: lists.INTAKE_DAYS_AHEAD}
        self.purger = self.purger_of({"trust": self.trust.forget, "gates": self.gates.forget}, ahead=ahead)
        visits = Visits(vault, party.calendar)
        self.commits = Commits(vault)
        self.door = checkins.CheckIns(self, self.trust, visits, self.commits, self.gates)
        self.queue = scan_batches.BatchIntake(self, self.trust, visits, self.gates, 2)
        self.orders = self.executor(Traces(party, guard, vault, database).steps())
        self.venues = venues.Venues(database, endings)
        self.scanners = scanners.Scanners(database, endings, party, guard)

    def keep_house(self) -> None:
        """The tasks of the service, in their order."""
        self.guard.tick()
        for task in (
            self.purger.run,
            self.orders.forget,
            self.purger.make_keys,
            self.purger.close_due_days,
            self.gates.forget_closed,
            self.gates.keep,
            self.trust.refresh_missing,
        ):
            task()

    def intake_keys(self) -> dict[int, bytes]:
        """What a scanner seals to."""
        return {day: key.public for day, key in lists.intake_list(self.party).keys.items()}

    def close(self) -> None:
        """Gives back what it holds."""
        for close in (self.commits.close, self.gates.close, super().close):
            close()


@dataclass(frozen=True)
class Door:
    """A venue and its scanner's token."""

    venue: str
    token: str


class Whole:
    """Opened in a copy of the prepared folder; `close` removes it."""

    def __init__(self, dsn: str | None = None, service: str = "registry") -> None:
        """`dsn`: of the database in which the state of a `service` (registry, issuer) lies, otherwise in its folder."""
        self.folder = Path(tempfile.mkdtemp(dir=memory()))
        shutil.copytree(prepared(), self.folder, dirs_exist_ok=True)
        if dsn is not None:
            name_database(self.folder / service / "settings.toml", dsn)
        self.loop = asyncio.new_event_loop()
        self.clock = SimulatedClock(self.folder / "clock")
        self.authority = AuthorityFolder.open(self.folder / "authority", simulated=True, allow_unfit=True)
        self.log = Log(self.folder / "log", LOG_SIGNER)
        self.issuer = self.open_issuer()
        self.registry = self.open_registry()
        self._published: set[tuple[StatementStore, str]] = set()

    def open_issuer(self) -> Issuer:
        """A process of it."""
        return Issuer(IssuerSettings.load(self.folder / "issuer" / "settings.toml"), self.folder / "clock")

    def open_registry(self) -> Registry:
        """A process of it."""
        return Registry(self.folder / "registry", self.folder / "clock", lambda _: self.issuers_list())

    def registry_elsewhere(self) -> Registry:
        """One on another machine over the same engine."""
        return Registry(self._elsewhere("registry").parent, self.folder / "clock", lambda _: self.issuers_list())

    def issuer_elsewhere(self) -> Issuer:
        """As `registry_elsewhere`."""
        return Issuer(IssuerSettings.load(self._elsewhere("issuer")), self.folder / "clock")

    def _elsewhere(self, service: str) -> Path:
        return settle_beside(self.folder / service / "settings.toml", self.folder / "elsewhere")

    def issuers_list(self) -> Fetched:
        """What the issuer answers to the registry."""
        return Fetched(sign_note(self.issuer.signing.list().text(), self.issuer.party.signer))

    def enrol(self, name: str) -> Door:
        """A venue with a scanner."""
        venue = self.registry.venues.enrol(venues.NewVenue(name=name, category="cafe"))
        scanner = self.registry.scanners.enrol(venue.venue_id, "door")
        return Door(venue.venue_id, scanner.scanner_token)

    def check_in(self, door: Door, text: str, scan: bytes) -> str:
        """`accepted`, `repeated`, or the code of the refusal."""
        try:
            scanner = self.registry.scanners.bearing(door.token)
            admitted = self.registry.door.admit(checkins.CheckInRequest(text, scan), scanner)
            return self.loop.run_until_complete(admitted)
        except CheckinError as error:
            return error.code

    def upload(self, door: Door, entries: list[str]) -> list[str]:
        """A word an entry; nothing when none could be judged now."""
        try:
            taken = self.registry.queue.take(self.registry.scanners.uploading(door.token), entries)
        except CheckinError:
            return []
        return [one.code if one.result == "undecided" else one.code or one.result for one in taken]  # type: ignore[misc]

    # --- nights ---------------------------------------------------------------------------------------------------

    def keep_house(self) -> list[str]:
        """A round of every party's tasks; the codes of what failed."""
        failed = []
        for work in (self._issuers_round, self.registry.keep_house, self.publish):
            try:
                work()
            except CheckinError as error:
                failed.append(error.code)
        return failed

    def _issuers_round(self) -> None:
        keep_house(self.issuer)
        self.issuer.end_idle_accounts()

    def tend(self, now: float) -> None:
        """The officers come together: keys of the days ahead, listed and logged; what is due is destroyed."""
        self.authority.destroy_due(now, confirm_clock=True)
        if self.authority.make_keys(now):
            with suppress(CheckinError):  # an issuer whose clock is wrong passes them over; they come again
                self.issuer.authority.accept(*self.listed(now))

    def listed(self, now: float) -> tuple[str, str]:
        """The list of the authority's keys, signed by two officers, and the proof that it is in the log."""
        note = sign_note(self.authority.list_keys(now).text(), *(load_signer(path) for path in self.officers()[:2]))
        [place] = self.log.append([note.encode()])
        return note, self.log.proof(place)

    def publish(self) -> None:
        """New statements of both services go into the log."""
        new: list[bytes] = []
        for book in (self.issuer.book, self.registry.book):
            names = [name for name in book.names() if (book, name) not in self._published]
            new += [note.encode() for name in names if (note := book.get(name))]
            self._published |= {(book, name) for name in names}
        if new:
            self.log.append(new)

    # --- orders ---------------------------------------------------------------------------------------------------

    def drafted(self, wish: OrderRequest, now: float, *, simulated: bool = True) -> OrderFolder:
        """An order that nobody has signed yet."""
        authority = self.authority
        order = draft(
            wish,
            replace(authority, simulated=simulated),
            registry=self.registry.party.settings.name,
            issuers=[self.issuer.party.settings.name],
            now=now,
        )
        return OrderFolder.make(Path(tempfile.mkdtemp(dir=self.folder)), order)

    def signed(self, wish: OrderRequest, now: float, *, simulated: bool = True) -> SignedOrder:
        """By the first two officers."""
        folder = self.drafted(wish, now, simulated=simulated)
        folder.sign([load_signer(path) for path in self.officers()[:2]])
        return folder.open(self.authority.officers)

    def logged(self, order: SignedOrder) -> LogProof:
        """The proof that the order's entry is in the log, where it is put."""
        [place] = self.log.append([order.entry.encode()])
        return LogProof.read(self.log.proof(place))

    def trace(self, wish: OrderRequest, now: float) -> TraceResult:
        """Signed, logged, asked, opened. Raises what nobody answered with."""
        order = self.signed(wish, now)
        desks = [(self.registry.party, self.registry.orders), (self.issuer.party, self.issuer.orders)]
        by_name = {party.signer.name: (party.signer.verifier, desk) for party, desk in desks}
        ring = self.authority.ring.unlock([load_share(self.officers()[number]) for number in (0, 2)])
        trace = Trace(
            order,
            self.authority,
            {name: verifier for name, (verifier, _) in by_name.items()},
            {ISSUER: self.issuer.party.signer.name},
            ring,
            lambda day: self.authority.ring.open_day(day, ring),
        )
        steps = trace.run(self.logged(order))
        return drive(steps, lambda ask: by_name[ask.to][1].take(OrderBody(**ask.body)).model_dump())

    def officers(self) -> list[Path]:
        """Their folders."""
        return sorted((self.folder / "authority" / "officers").iterdir())

    # --- looking --------------------------------------------------------------------------------------------------

    def head(self) -> Any:
        """The log's published checkpoint, verified."""
        return open_checkpoint(self.log.published(), LOG_SIGNER.verifier)

    def data(self) -> Iterator[Path]:
        """Every file of the services' data and of the log."""
        for name in ("issuer/data", "registry/data", "log"):
            yield from (path for path in (self.folder / name).rglob("*") if path.is_file())

    def close(self) -> None:
        """Removes it."""
        self.registry.close()
        self.issuer.close()
        self.log.close()
        self.loop.close()
        shutil.rmtree(self.folder)


def memory() -> str | None:
    """Where syncs are free, if there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - made by mkdtemp inside it


@cache
def prepared() -> Path:
    """Settings and keys of all, made once a process."""
    folder = Path(tempfile.mkdtemp(dir=memory()))
    (folder / "clock").write_text(CALENDAR.rfc3339(NOON) + "\n", encoding="ascii")
    AuthorityFolder.init(
        folder / "authority", "health.example", officers=3, threshold=2, now=NOON, simulated=True, allow_unfit=True
    )
    officers = [load_signer(path).verifier.vkey for path in sorted((folder / "authority" / "officers").iterdir())]
    pins = {
        "authority": f'{{ name = "health.example", threshold = 2, officers = {officers} }}',
        "log": f'{{ vkey = "{LOG_SIGNER.verifier.vkey}" }}',
    }
    unused = f'"{"0" * 64}"'
    issuer = make_service(
        folder / "issuer", "issuer.example", issuer=str(ISSUER), authority_token_sha256=unused, **pins
    )
    vkey = ServiceIdentity(IssuerSettings.load(issuer), folder / "clock").signer.verifier.vkey
    pinned = f'[{{ number = {ISSUER}, url = "http://127.0.0.1:9", vkey = "{vkey}" }}]'
    make_service(folder / "registry", enrolment_secret_sha256=unused, issuers=pinned, **pins)
    return folder
