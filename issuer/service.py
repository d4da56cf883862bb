"""The issuer of one process: opens all its parts, and runs its periodic tasks and the purge's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Gauge

from checkin.certificate.trust_list import TrustList
from checkin.clock import RETENTION_DAYS
from checkin.errors import SettingsInvalid
from checkin.keys.key_ring import Purpose
from checkin.protocol.key_list import IssuerList
from checkin.purge.statement_store import SMALL_COUNT
from checkin.service.day_store import DayService
from checkin.service.frame import Finding
from checkin.vault.closing import settle_days
from issuer.access_notices import NOTICES, AccessNotices
from issuer.accounts import Accounts, IssuedDays
from issuer.authority_keys import WARN_DAYS, AuthorityKeys
from issuer.credential_batches import BatchIssuer
from issuer.database import ISSUER
from issuer.hosted import Hosted
from issuer.identities import Identities, Rotation
from issuer.identity_keys import IdentityKeys
from issuer.order_steps import Disclosures
from issuer.registrations import Registrations
from issuer.settings import IssuerSettings
from issuer.signing_keys import AHEAD_DAYS, SigningKeys
from issuer.sms import Gateway, HttpGateway, Outbox
from issuer.throttle import MessageThrottle
from issuer.vaccination import Vaccination

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
_TODAY: Final = RETENTION_DAYS - 1  # days after the oldest that is kept
_FULL: Final = (
    "All registrations together reached `registrations_a_minute`, so people are refused at this moment. If it is a "
    "flood, bound what one address may send at the proxy (`limit_req`)."
)


class Issuer(DayService):
    """Plain objects with one interface; the routes are thin over it."""

    def __init__(self, settings: IssuerSettings, simulated_clock: Path | None = None) -> None:
        """Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`, `TrustListInvalid`."""
        super().__init__(settings, settings.authority, settings.log, "issuer", simulated_clock)
        self.settings = settings
        party = self.party
        self.database = self.engine.tables(ISSUER)
        self.identity_keys = IdentityKeys(party.ring)
        self.identities = Identities(self.database, self.identity_keys)
        self.rotation = Rotation(self, self.identities)
        self.signing = SigningKeys(party, self.database, settings.issuer)
        self.lists = self.key_list(self.signing.list, IssuerList.read)
        self.authority = AuthorityKeys(party, self.database, settings.authority, self.lists.pinned)
        self.issued = IssuedDays(self)
        self.batches = BatchIssuer(self, self.identities, self.authority, self.signing, settings.batches_a_day)
        self.notices = AccessNotices(party, self.vault, self.engine.tables(NOTICES))
        self.orders = self.executor(Disclosures(self, self.identities, self.notices, settings.issuer).steps())
        self.hosted = Hosted(party, self.database, self.vault, self.batches)
        self.accounts = Accounts(self, self.identities, self.issued, self.hosted, self.notices)
        # In a database older than the journal no account can be read, and no token opens one: their keys are destroyed.
        self.endings.replay(self.database, self.accounts.end_again, lambda _: None)
        self.outbox = (
            None if settings.sms else Outbox(party.data / "outbox", lambda: party.calendar.start(party.today()))
        )
        self.gateway: Gateway = self.outbox or HttpGateway(settings.sms)  # type: ignore[arg-type]  # one of the two
        self.throttle = MessageThrottle(self.database, self.identity_keys, settings, self.counts)
        self.registrations = Registrations(self, self.identities, self.accounts, self.gateway, self.throttle)
        self.vaccination = Vaccination(self.identities, _trust_list(settings), party.calendar, self.counts)
        self.purger = self.purger_of(
            {
                # one may wait over midnight
                "registrations": lambda oldest: self.registrations.forget_before(oldest + _TODAY - 1),
                "hosted credentials": lambda oldest: self.hosted.forget_before(oldest + _TODAY),
                "messages": self._forget_messages,
                "access notices": self.notices.forget_before,
                "answers to orders": lambda _: self.orders.forget(),
                "identities": self.identities.forget_before,
                "signing keys": self.signing.forget_before,
                "authority keys": self.authority.forget_before,
                "identity keys": lambda oldest: self.rotation.run(oldest, self.purger.retire),
            },
            ahead={Purpose.DAY: 1, Purpose.SIGNING: AHEAD_DAYS},
        )
        self.metrics = CollectorRegistry()
        self._yesterday = Gauge(
            "checkin_issuer_batches_yesterday",
            f"Batches issued for yesterday, 0 for fewer than {SMALL_COUNT}; moves once a day.",
            multiprocess_mode="mostrecent",
            registry=self.metrics,
        )
        self._ahead = Gauge(
            "checkin_issuer_authority_days_ahead",
            "For how many days from today on the authority has listed keys.",
            multiprocess_mode="mostrecent",
            registry=self.metrics,
        )
        self._one = CapacityLimiter(1)
        self._counted: int | None = None
        self._idle_looked: int | None = None
        self._refused: list[int] = []

    async def in_one_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """What issuing does, in the one thread that it has: many take the interpreter's lock from one another at each
        signature, which costs as much processor time as the work itself (docs/benchmarks.md)."""
        return await to_thread.run_sync(work, *arguments, limiter=self._one)

    def make_keys(self) -> None:
        """Keys of today and of the days ahead, and the published list."""
        self.rotation.ensure(self.guard.floor(self.party.calendar))
        self.purger.make_keys()
        self._refused = self.signing.publish()

    def settle_days(self) -> None:
        """Erases the order of arrival from ledgers of past days, from the database and from the notices. Raises
        `ClockUntrusted` where it is not sure which days are past: a day that is settled takes no batch more."""
        self.guard.require_trusted()
        today = self.party.calendar.day(self.guard.settled())
        settle_days(self.vault.store, self.engine.hold, lambda day: day < today)
        self.database.settle(today)
        self.notices.settle(today)

    def end_idle_accounts(self) -> None:
        """Deletes the accounts that are not used any more, once a day. Raises `ClockUntrusted` where it is not sure
        which day it is."""
        self.guard.require_trusted()
        today = self.party.calendar.day(self.guard.settled())
        if self._idle_looked != today:
            self.accounts.end_idle(today, self.settings.idle_days)
            self._idle_looked = today

    def count(self) -> None:
        """Moves the gauges; the one that counts people's batches once a day."""
        self._ahead.set(self.authority.days_ahead())
        today = self.party.today()
        if self._counted != today:
            rows = self.vault.store.measure(today - 1).rows
            self._yesterday.set(rows if rows >= SMALL_COUNT else 0)
            self._counted = today

    def findings(self) -> Iterator[Finding]:
        """What readiness depends on here alone."""
        yield _ahead("authority_keys", self.authority.days_ahead(), "`checkin authority keys` lists more.")
        yield _ahead("signing_keys", self.signing.days_ahead(), "The key ring must be writable.")
        if self._refused:
            dates = ", ".join(self.party.calendar.date(day) for day in self._refused)
            yield Finding("key_list", "failure", f"The ring's signing keys contradict the published list: {dates}.")
        yield from self.lists.findings()
        if not self.identity_keys.live():
            yield Finding("identity_key", "failure", "There is no identity key: look at the key ring.")
        if self.throttle.full:
            yield Finding("registrations", "warning", _FULL)
        if self.outbox:
            yield Finding("sms", "warning", "Messages go to the local outbox, in plaintext: set an SMS gateway.")

    def close(self) -> None:
        """Gives back files and connections."""
        self.batches.close()
        self.hosted.close()
        self.gateway.close()
        super().close()

    def _forget_messages(self, oldest: int) -> None:
        if self.outbox:
            self.outbox.forget_before(self.party.calendar.start(oldest + _TODAY - 1))


def _trust_list(settings: IssuerSettings) -> TrustList | None:
    if settings.certificate_trust is None:
        return None
    try:
        return TrustList.parse(settings.certificate_trust.read_bytes())
    except OSError:
        raise SettingsInvalid(f"The trust list {settings.certificate_trust.name} cannot be read.") from None


def _ahead(name: str, days: int, remedy: str) -> Finding:
    text = f"Keys are listed for {days} days from today on. {remedy}"
    if days == 0:
        return Finding(name, "failure", f"No key is listed for today: nothing is issued. {remedy}")
    return Finding(name, "warning" if days < WARN_DAYS else "ok", text)
