"""A retention service over HTTP, and services that it asks: with a real purger behind them, or that say anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from checkin.files.durable import replace_file
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.protocol.statement import StatementType
from checkin.purge.statement_store import KEY_MADE, PURGE_REPORT
from retention.app import create_app
from retention.parts import Parts
from tests.support.answering_server import AnsweringServer, Heard, Said
from tests.support.purging_service import House
from tests.support.service_folder import CALENDAR, DAY, HOUR, at, make_service
from tests.support.serving import visiting

TOKEN = "a-token-of-this-test"
Answers = Callable[[], Any]


class Server(AnsweringServer):
    """Answers by path, in JSON; counts who was asked."""

    def __init__(self, routes: dict[str, Answers]) -> None:
        self.routes = routes
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.query: dict[str, list[str]] = {}
        super().__init__(self._answer)

    def _answer(self, heard: Heard) -> Said:
        address = urlsplit(heard.target)
        self.asked.append(f"{heard.method} {address.path}")
        if address.path not in ("/v1/checkpoint", "/readyz"):  # which everybody may ask for
            self.tokens.add(heard.token)
        self.query = parse_qs(address.query)
        answer = self.routes.get(address.path)
        return Said(json.dumps(answer()).encode()) if answer else Said(b"{}", 404)


@dataclass
class Service:
    """A service as retention sees it: it says what it is told to say."""

    name: str = "registry.example"
    notes: list[str] = field(default_factory=list)
    simulated: bool = True
    now: Callable[[], float] = lambda: CALENDAR.start(DAY)

    def __post_init__(self) -> None:
        self.signer = NoteSigner(self.name, SigningKey(random_bytes(32)))
        self.server = Server(
            {
                "/readyz": lambda: {"ready": True},
                "/v1/purge": lambda: {"statements": []},
                "/v1/statements": lambda: {"statements": [{"name": "x", "note": note} for note in self.notes]},
                "/v1/time": lambda: {"note": self.time(self.server.query["nonce"][0])},
            }
        )

    def say(self, kind: StatementType, **values: str) -> str:
        """A note of this service, said from now on."""
        clock = {"clock": "simulated"} if self.simulated else {}
        text = kind.write({"service": self.name, **clock, **{key.replace("_", "-"): v for key, v in values.items()}})
        note = sign_note(text, self.signer)
        self.notes.append(note)
        return note

    def make_key(self, day: int) -> str:
        return self.say(KEY_MADE, key=f"day-{day}", commitment="ab" * 32, day=CALENDAR.date(day))

    def report(self, day: int, rows: str = "12", done: int | None = None) -> str:
        return self.say(
            PURGE_REPORT,
            day=CALENDAR.date(day),
            rows=rows,
            bytes="-",
            root="-",
            closing="-",
            key=f"day-{day}",
            commitment="ab" * 32,
            due=CALENDAR.date(day + 28),
            done=CALENDAR.date(done or day + 28),
            oldest_day_held=CALENDAR.date(day + 1),
            days_held="28",
            hold="none",
        )

    def time(self, nonce: str) -> str:
        values = {"service": self.name, "nonce": nonce, "time": CALENDAR.rfc3339(self.now())}
        clock = {"clock": "simulated"} if self.simulated else {}
        return sign_note(TIME_STATEMENT.write(values | clock), self.signer)


def serve_house(house: House) -> Server:
    """A service with a real purger."""

    def purge() -> Any:
        return {"statements": [house.book.get(name) for name in house.purger.run()]}

    return Server(
        {
            "/v1/purge": purge,
            "/v1/statements": lambda: {"statements": [{"name": n, "note": note} for n, note in house.book.all()]},
        }
    )


class Retention:
    """The folder of a retention service that asks these (name, url, vkey); `issuers`: the numbers of some of them."""

    def __init__(self, folder: Path, *services: tuple[str, str, str], issuers: Mapping[str, int] | None = None) -> None:
        self.folder = folder
        self.clock = folder / "clock"
        tables = [
            f'{{ name = "{name}", url = "{url}", vkey = "{vkey}", token_file = "token"'
            + (f", issuer = {issuers[name]} }}" if issuers and name in issuers else " }")
            for name, url, vkey in services
        ]
        self.config = make_service(folder, "retention.example", services=f"[{', '.join(tables)}]")
        replace_file(folder / "token", f"{TOKEN}\n".encode())

    def go(self, day: int, seconds: float = HOUR) -> None:
        self.clock.write_text(at(day, seconds) + "\n")

    def parts(self) -> Parts:
        return Parts.open(self.config, self.clock)

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """The service in a thread of this process, over HTTP."""
        with visiting(create_app(self.config, self.clock), log_level="error", server_header=False) as client:
            yield client


def pinned(service: Service) -> tuple[str, str, str]:
    """What retention has in its settings about it."""
    return service.name, service.server.url, service.signer.verifier.vkey
