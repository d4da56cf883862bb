"""A service's retention on real files under a simulated clock, for tests; several stand for several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from checkin.clock import SimulatedClock
from checkin.keys.generation import Generation
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import open_note
from checkin.protocol.statement import Values
from checkin.purge.clock_guard import ClockGuard
from checkin.purge.early import EarlyDestructions
from checkin.purge.purger import Purger, PurgeTask
from checkin.purge.statement_store import KINDS, StatementFolder
from checkin.service.day_store import DayService
from checkin.service.endings import Endings
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import AuthoritySettings, RingUse
from checkin.service.vault_folder import CommonSettings
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import Vault
from tests.support.service_folder import CALENDAR, DAY, HOUR, at

REPORT = f"purge-{CALENDAR.date(DAY)}"


def day_key(day: int = DAY) -> KeyName:
    """The name of a day's key."""
    return KeyName(Purpose.DAY, day)


class House:
    """One process of a registry."""

    def __init__(
        self,
        folder: Path,
        peers: Callable[[], Iterable[float]] = tuple,
        tasks: Mapping[str, PurgeTask] | None = None,
        ahead: dict[Purpose, int] | None = None,
        ring: RingUse | None = None,
        *,
        authority: AuthoritySettings | None = None,
    ) -> None:
        settings = CommonSettings(
            name="registry.example",
            data=folder / "data",
            keys=folder / "keys",
            master_key=None if ring else folder / "master.key",
            ring=ring,
            statement_key=folder / "statement.key",
            allow_unfit_storage=True,
            authority=authority,
        )
        self.party = ServiceIdentity(settings, folder / "clock")
        assert isinstance(self.party.clock, SimulatedClock)
        self.clock = self.party.clock
        if not (settings.data / "generation.json").exists():  # as at the first start of a service
            Generation(settings.data, settings.keys).open(self.party.calendar.date(self.party.today()))
        self.guard = ClockGuard(folder / "keys" / "clock.json", self.clock, peers)
        self.store = SqliteStore(folder / "data" / "visits", ordered=True)
        self.vault = Vault("venue", self.store, self.party.ring)
        self.book = StatementFolder(folder / "data" / "statements")
        self.early = EarlyDestructions(settings.keys, settings.name, authority, self.clock, self.party.calendar)
        self.purger = Purger(self.party, self.guard, self.vault, self.book, self.early, tasks=tasks, ahead=ahead)

    @property
    def service(self) -> DayService:
        """As a registry's parts are given it."""
        service = DayService.__new__(DayService)
        service.party, service.guard, service.vault = self.party, self.guard, self.vault
        service.endings = Endings(self.party, self.guard)
        return service

    def go(self, day: int, seconds: float = 0.0) -> None:
        """Set the clock."""
        self.clock.set(at(day, seconds))

    def open_day(self, day: int = DAY, rows: int = 12) -> None:
        """A day with a key and rows."""
        self.party.ring.ensure(day_key(day), oldest=0)
        sealed = [self.vault.seal(day, bytes([n]) * 16, b"g" * 16, n % 24, b"a visit") for n in range(rows)]
        self.vault.insert(day, sealed)

    def first_day(self) -> None:
        """As a service that starts for the first time: nothing is due, keys are made, people come."""
        self.purger.run()
        self.purger.make_keys()
        self.open_day()

    def statement(self, name: str) -> Values:
        """What a statement says, verified."""
        note = self.book.get(name)
        assert note is not None, f"there is no {name}"
        text = open_note(note, [self.party.signer.verifier]).text
        return KINDS[text.partition("\n")[0]].read(text)

    def live(self, day: int = DAY) -> bool:
        """Whether anything of the day is left that could be read."""
        return day_key(day) in self.party.ring.names() or day in self.store.days()


def age(house: House, days: int, seconds: float = HOUR) -> list[str]:
    """The service runs through the days, as it does; what it states at the last one."""
    made: list[str] = []
    for day in range(house.party.today() + 1, DAY + days + 1):
        house.go(day, seconds)
        made = house.purger.run()
        house.purger.close_due_days()
    return made
