"""An issuer with its surroundings: settings, officers with their lists, a clock in a file, server processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from checkin.clock import Calendar, SimulatedClock
from checkin.files.tables import Tables, Values
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.key_list import AuthorityKey, AuthorityList
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.service.auth import token_hash
from issuer.app import create_app
from issuer.contact import Contact
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from tests.support.databases import settle_beside
from tests.support.service_folder import DAY, bearer, make_service
from tests.support.serving import Process, ready, visiting

NAME, PHONE = "카나리아 Canary", "010-1234-5678"
E164 = "+821012345678"


@dataclass(frozen=True)
class Running:
    """An issuer that answers, and the objects behind it."""

    http: httpx.Client
    issuer: Issuer


@dataclass
class Site:
    """An issuer's folder, and the authority's secrets, which no issuer has."""

    folder: Path
    officers: list[NoteSigner] = field(default_factory=list)
    authority: dict[int, OpeningKey] = field(default_factory=dict)
    calendar: Calendar = field(default_factory=Calendar)
    hours: Path | None = None
    """Where another machine's simulated time stands."""

    @classmethod
    def make(cls, folder: Path, **settings: str) -> Site:
        """`settings` are TOML values that replace the common ones."""
        officers = [NoteSigner(f"officer-{name}.example", SigningKey(random_bytes(32))) for name in "abc"]
        vkeys = ", ".join(f'"{officer.verifier.vkey}"' for officer in officers)
        values = {
            "issuer": "7",
            "code_cooldown_seconds": "0",
            "codes_a_day": "50",
            "authority_token_sha256": f'"{token_hash("authority").hex()}"',
            "retention_token_sha256": f'"{token_hash("retention").hex()}"',
            "authority": f'{{ name = "health.example", threshold = 2, officers = [{vkeys}] }}',
        }
        make_service(folder, "issuer.example", **values | settings)
        return cls(folder, officers)

    @property
    def config(self) -> Path:
        """Its settings."""
        return self.folder / "settings.toml"

    @property
    def clock(self) -> SimulatedClock:
        """Set it, and the issuer's time is another."""
        return SimulatedClock(self.hours or self.folder / "clock")

    def set_day(self, day: int, hour: int = 12) -> None:
        """Noon, or another whole hour, of a day."""
        self.clock.set(f"{self.calendar.date(day)}T{hour:02}:00:00+09:00")

    @contextmanager
    def serve(self) -> Iterator[Running]:
        """The app behind a real server, in a thread of this process, so that a test can look inside."""
        app = create_app(self.config, self.folder / "clock")
        with visiting(app) as http:
            yield Running(http, app.state.issuer)

    @contextmanager
    def open(self) -> Iterator[Issuer]:
        """The objects without a server, after one round of housekeeping, with the authority's keys."""
        issuer = Issuer(IssuerSettings.load(self.config), self.clock.path)
        try:
            keep_house(issuer)
            issuer.authority.accept(self.signed_list())
            yield issuer
        finally:
            issuer.close()

    def process(self) -> Process:
        """In a process of its own."""
        return Process("issuer", self.config, self.clock.path)

    def elsewhere(self) -> Site:
        """On another machine over the same engine."""
        there = settle_beside(self.config, self.folder.with_name("elsewhere")).parent
        return replace(self, folder=there, hours=self.folder / "clock")

    def signed_list(self, first: int = DAY, last: int = DAY + 14) -> str:
        """The authority's list with two officers' signatures."""
        return sign_note(self.key_list(first, last).text(), *self.officers[:2])

    def key_list(self, first: int, last: int) -> AuthorityList:
        """The authority's keys of some days, made on first use."""
        keys = {}
        for day in range(first, last + 1):
            opening = self.authority.setdefault(day, OpeningKey(random_bytes(32)))
            keys[day] = AuthorityKey(opening.public, "0" * 64)
        return AuthorityList("health.example", keys, simulated=True)

    def list_keys(self, client: httpx.Client, first: int = DAY, last: int = DAY + 14) -> Any:
        """What the issuer says to the list, signed by two officers."""
        body = {"list": self.signed_list(first, last)}
        return client.put("/v1/authority-keys", json=body, headers=bearer("authority"))

    def messages(self) -> list[tuple[str, str]]:
        """(phone, code) of all messages in the outbox."""
        texts = [path.read_text(encoding="utf-8") for path in (self.folder / "data" / "outbox").glob("*.txt")]
        return [(text.splitlines()[0].removeprefix("To: "), read_code(text)) for text in texts]

    def files(self) -> dict[Path, bytes]:
        """Every file of the data folder, but for those that are gone meanwhile: drafts."""
        found = {}
        for path in (self.folder / "data").rglob("*"):
            with suppress(FileNotFoundError, IsADirectoryError):
                found[path] = path.read_bytes()
        return found


def keep_house(issuer: Issuer) -> None:
    """What the frame of the service does at start and every 20 seconds; here an error is a failure."""
    issuer.guard.tick()
    purger, tidy = issuer.purger, issuer.database.tidy
    for chore in (purger.run, issuer.make_keys, purger.close_due_days, issuer.settle_days, tidy, issuer.count):
        chore()


def enrol(issuer: Issuer, name: str = NAME, phone: str = E164) -> int:
    """The subject of a phone, without a message."""
    return issuer.identities.find(issuer.accounts.register(Contact(name, phone)).token)


def rows_in(tables: Tables, name: str) -> int:
    """How many a table has."""
    return int(tables.read(f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608 - a table's name


def damage(issuer: Issuer, subject: int) -> None:
    """A disk has changed what is sealed."""
    update = "UPDATE identities SET sealed = :zeros WHERE subject = :subject"
    values: Values = {"subject": subject, "zeros": bytes(540)}
    issuer.database.write(lambda commit: commit.execute(update, values))


def read_code(text: str) -> str:
    """The eight digits of a message."""
    found = re.search(r"\b[0-9]{8}\b", text.partition("\n")[2])
    assert found
    return found[0]


def begin(client: httpx.Client, name: str = NAME, phone: str = PHONE) -> str:
    """A registration_id."""
    answer = client.post("/v1/registrations", json={"name": name, "phone": phone})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["registration_id"])


def confirm(client: httpx.Client, registration: str, code: str) -> Any:
    """The answer to a code."""
    return client.post(f"/v1/registrations/{registration}/confirm", json={"code": code})


def register(site: Site, client: httpx.Client, name: str = NAME, phone: str = PHONE) -> str:
    """A wallet token, by the message that this registration sent."""
    answer = register_with(site, client, name, phone)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["wallet_token"])


def register_with(
    site: Site, client: httpx.Client, name: str = NAME, phone: str = PHONE, token: str = "", **proof: str
) -> Any:
    """The answer to the right code, given with a proof of an earlier wallet: `recovery_code`, or its token."""
    before = set((site.folder / "data" / "outbox").glob("*.txt"))
    registration = begin(client, name, phone)
    (message,) = set((site.folder / "data" / "outbox").glob("*.txt")) - before
    body = {"code": read_code(message.read_text(encoding="utf-8")), **proof}
    return client.post(f"/v1/registrations/{registration}/confirm", json=body, headers=bearer(token) if token else {})


def publics(count: int = 10) -> list[bytes]:
    """Holder keys whose private halves are forgotten."""
    return [SigningKey(random_bytes(32)).public for _ in range(count)]


def holder_keys(count: int = 10) -> tuple[list[bytes], list[str]]:
    """Seeds, and public halves as they are sent."""
    seeds = [random_bytes(32) for _ in range(count)]
    return seeds, [b64url_encode(SigningKey(seed).public) for seed in seeds]


def ask_batch(client: httpx.Client, token: str, day: int = DAY, **more: Any) -> Any:
    """The answer to a request for a batch with fresh holder keys."""
    body = {"day": day, "holder_keys": holder_keys()[1], **more}
    return client.post("/v1/credentials", json=body, headers=bearer(token))


@contextmanager
def workers(site: Site, count: int = 1) -> Iterator[list[httpx.Client]]:
    """The issuer in so many processes; each client has one that answers."""
    with ready([site.process() for _ in range(count)], "/healthz") as running, ExitStack() as stack:
        yield [stack.enter_context(process.client()) for process in running]
