"""The town at real services: everybody's wallet, every gate's scanner, and the moment that the clock shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from checkin.demo.stage import Stage, gates, messages
from checkin.errors import TooManyRequests
from checkin.http.client import Client
from checkin.parties import wallet as wallets
from checkin.parties.scanner import Scanner
from checkin.parties.wallet import Wallet
from checkin.simulation.plan import Plan, gates_of
from checkin.simulation.tally import Tally

HANDS: Final = 4  # so many wallets ask the issuer at once
TIMEOUT_SECONDS: Final = 120.0
_WAIT_SECONDS: Final = 2.0
_CONNECTED: Final = ("issuer", "venue", "retention")


@dataclass(frozen=True)
class Gate:
    """A scanner and its connection to the registry."""

    scanner: Scanner
    client: Client


@dataclass
class Town:
    """A plan, and what it takes to live it. People and gates as the plan numbers them."""

    stage: Stage
    plan: Plan
    pool: ThreadPoolExecutor
    clients: dict[str, Client]
    """Connections to issuer and registry with retention's token, and to retention."""
    wallets: list[Wallet] = field(default_factory=list)
    gates: dict[tuple[int, int], Gate] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def set(self, day: int, minute: int) -> float:
        """Now it is half a minute past that minute of that day, by number; unix seconds."""
        now = self.stage.calendar.start(self.stage.day + day) + 60 * minute + 30
        return self.stage.advance(now - self.stage.clock.now())


@contextmanager
def settled(stage: Stage, plan: Plan) -> Iterator[Town]:
    """Everybody has registered, and every venue has enrolled."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(HANDS))
        town = Town(stage, plan, pool, {name: stack.enter_context(_connected(stage, name)) for name in _CONNECTED})
        town.wallets = _registered(stage, plan, pool)
        for where, name in enumerate(plan.venues):
            for number, scanner in enumerate(gates(stage, name, gates_of(where))):
                client = stack.enter_context(Client(stage.deployment.url("venue"), scanner.token, TIMEOUT_SECONDS))
                town.gates[where, number] = Gate(scanner, client)
        yield town


def _connected(stage: Stage, service: str) -> Client:
    token = None if service == "retention" else stage.deployment.token(f"retention-{service}")
    return Client(stage.deployment.url(service), token, TIMEOUT_SECONDS)


def _registered(stage: Stage, plan: Plan, pool: ThreadPoolExecutor) -> list[Wallet]:
    """All messages are sent before the first is read: the outbox is one folder, without an order."""
    issuer, folder = stage.deployment.url("issuer"), stage.folder / "wallets"
    folder.mkdir(mode=0o700)
    phones = [plan.phone(who) for who in range(plan.size.people)]
    waiting = list(pool.map(lambda name, phone: _registration(issuer, name, phone), plan.people, phones))
    codes = {phone: text.split()[0] for phone, text in messages(stage.deployment)}

    def confirm(who: int) -> Wallet:
        return wallets.confirm(issuer, waiting[who], codes[phones[who]], folder / f"{who + 1}.json")

    return list(pool.map(confirm, range(plan.size.people)))


def _registration(issuer: str, name: str, phone: str) -> str:
    """The issuer sends so many messages a minute of real time and no more."""
    while True:
        try:
            return wallets.register(issuer, name, phone)
        except TooManyRequests:
            time.sleep(_WAIT_SECONDS)
