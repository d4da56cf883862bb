"""The town at real services: wallets, scanners, their connections, and the moment that the clock shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from checkin.clock import STOPWATCH
from checkin.demo.stage import Stage, gates, messages
from checkin.http.client import Client, drive_at
from checkin.http.exchange import KEPT_SECONDS, Exchange
from checkin.parties import wallet as wallets
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.scanner_trust import Lists
from checkin.parties.wallet import Wallet
from checkin.protocol.note import NoteVerifier
from checkin.simulation.plan import Plan, gates_of

HANDS: Final = 4
TIMEOUT_SECONDS: Final = 120.0
UNBOUNDED: Final = "registrations_a_minute = 1000000\n"
"""For the issuer's settings: a town registers in one morning of real time."""
T = TypeVar("T")
_SHARED: Final = "/v1/keys"  # the same for all wallets


class OneConnection(Client):
    """A `Client` over one connection, from one thread at a time: the standard library's, for the time that a pool,
    hooks and a timer take for a request is most of what a town's day takes. It queries this machine's own services,
    so nothing slow is cut."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        super().__init__(url, token, timeout)
        self._kept = _Kept(self._http, url, timeout)
        self._exchange = self._kept

    def forget(self) -> None:
        self._kept.shared.clear()

    def __exit__(self, *error: object) -> None:
        self._kept.connection.close()
        super().__exit__(*error)


class _Kept(Exchange):
    """Exchanges over one connection that is kept. `shared`: answers that are the same for all wallets, as a cache on
    the way keeps them."""

    def __init__(self, http: httpx.Client, url: str, timeout: float) -> None:
        super().__init__(http, 0, 0)
        address = urlsplit(url)
        self.connection = HTTPConnection(address.hostname or "", address.port, timeout=timeout)
        self.shared: dict[str, httpx.Response] = {}
        self._used = 0.0

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """As `Exchange`."""
        if url in self.shared:
            return self.shared[url]
        path = f"{url}?{query}" if (query := urlencode(options.get("params") or {})) else url
        headers, body = dict(options["headers"]), None
        if "json" in options:
            headers["Content-Type"], body = "application/json", json.dumps(options["json"]).encode()
        if STOPWATCH.boot() - self._used > KEPT_SECONDS:  # the service may be giving it up in this moment
            self.connection.close()
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self.connection.close()
            raise httpx.ReadError("The connection broke.") from None
        self._used = STOPWATCH.boot()
        kept = {"content-type": answer.headers.get("content-type", "")}
        response = httpx.Response(answer.status, headers=kept, content=content)
        if url == _SHARED and response.is_success:
            self.shared[url] = response
        return response


@dataclass
class Tally:
    """What happened, counted as it happens, and how long each part of it took. `scans`: codes held before a scanner.
    Each is accepted, refused, or in a queue until it is uploaded."""

    batches: int = 0
    scans: int = 0
    accepted: int = 0
    conflicts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    told: set[int] = field(default_factory=set)
    """People with an access notice in a later batch: an order had found them."""
    hours: Counter[int] = field(default_factory=Counter)
    """Scans by the hour of the day."""
    seconds: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds what it takes to the part's seconds."""
        begun = STOPWATCH.boot()
        yield
        self.seconds[part] += STOPWATCH.boot() - begun  # type: ignore[assignment]  # a Counter adds any number

    def scanned(self, minute: int, results: list[str]) -> None:
        """What scanners said in a minute of the day: results, or codes of refusals."""
        self.scans += len(results)
        self.hours[minute // 60] += len(results)
        self.ended(result for result in results if result != ScanResult.QUEUED)

    def ended(self, results: Iterable[str]) -> None:
        """What a registry said of codes, or the codes of refusals."""
        for result in results:
            if result in (ScanResult.ACCEPTED, ScanResult.REPEATED):
                self.accepted += 1
            elif result == "conflict":
                self.conflicts += 1
            else:
                self.refused[result] += 1

    def rate(self, number: int, part: str) -> float:
        """A second, of a part."""
        return round(number / self.seconds[part], 1) if self.seconds[part] else 0.0


@dataclass(frozen=True)
class Hand:
    """A thread's share of the town: every fourth person, every fourth venue, over one connection to each service."""

    number: int
    issuer: OneConnection
    registry: OneConnection
    lists: Lists = field(default_factory=dict)
    """What its scanners fetched, as a cache on the way keeps it."""

    def holds(self, number: int) -> bool:
        """Whether the person or the venue of this number is in its share."""
        return number % HANDS == self.number


@dataclass
class Town:
    """A plan, and what it takes to live it. People and gates as the plan numbers them; none of their files is kept."""

    stage: Stage
    plan: Plan
    pool: ThreadPoolExecutor
    hands: list[Hand]
    clients: dict[str, OneConnection]
    """Connections to issuer and registry with retention's token, and to retention."""
    wallets: list[Wallet] = field(default_factory=list)
    gates: dict[tuple[int, int], Scanner] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def issuer(self) -> NoteVerifier:
        """The key that every wallet pins."""
        return self.stage.deployment.verifier("issuer")

    def set(self, day: int, minute: int) -> float:
        """Now it is half a minute past that minute of that day, by number; unix seconds."""
        now = self.stage.calendar.start(self.stage.day + day) + 60 * minute + 30
        return self.stage.advance(now - self.stage.clock.now())

    def share(self, work: Callable[[Hand], list[T]]) -> list[T]:
        return [result for results in self.pool.map(work, self.hands) for result in results]


@contextmanager
def settled(stage: Stage, plan: Plan) -> Iterator[Town]:
    """The town once all people have registered, and every venue has enrolled."""
    with ExitStack() as stack:

        def connected(service: str, token: str | None = None) -> OneConnection:
            return stack.enter_context(OneConnection(stage.deployment.url(service), token, TIMEOUT_SECONDS))

        pool = stack.enter_context(ThreadPoolExecutor(HANDS))
        hands = [Hand(number, connected("issuer"), connected("venue")) for number in range(HANDS)]
        asked = {name: connected(name, stage.deployment.token(f"retention-{name}")) for name in ("issuer", "venue")}
        town = Town(stage, plan, pool, hands, asked | {"retention": connected("retention")})
        town.wallets = _registered(stage, plan, pool)
        for where, name in enumerate(plan.venues):
            for number, scanner in enumerate(gates(stage, name, gates_of(where))):
                scanner.lists = hands[where % HANDS].lists
                town.gates[where, number] = scanner
        yield town


def _registered(stage: Stage, plan: Plan, pool: ThreadPoolExecutor) -> list[Wallet]:
    """All messages are sent before the first is read: the outbox is one folder, without an order."""
    issuer, people = stage.deployment.url("issuer"), range(plan.size.people)
    phones = [plan.phone(who) for who in people]
    waiting = list(pool.map(lambda who: drive_at(issuer, wallets.register(plan.people[who], phones[who])), people))
    codes = {phone: text.split()[0] for phone, text in messages(stage.deployment)}

    def confirm(who: int) -> Wallet:
        return drive_at(issuer, wallets.confirm(issuer, waiting[who], codes[phones[who]]))

    return list(pool.map(confirm, people))
