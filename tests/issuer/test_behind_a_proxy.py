"""Two issuers of two workers each, over one PostgreSQL and one key ring, behind a plain proxy, are one issuer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkin.orders.part import BATCHES
from checkin.protocol import presentation
from tests.support.behind_a_proxy import AT_ONCE, Caller, proxy
from tests.support.databases import ask, name_database
from tests.support.deployment_in_process import CASE, Whole
from tests.support.issuer_service import E164, NAME, Site, holder_keys
from tests.support.ring_processes import RealRing
from tests.support.service_folder import CALENDAR, DAY
from tests.support.serving import Process, ready
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.checkin.vault.engines.promotion import Cluster

MIDNIGHT = int(CALENDAR.start(DAY + 1))
PEOPLE, BATCHES_A_DAY, CODES_A_DAY = 10, 6, 60
SHARED = "+821087654321"


class Town(Caller):
    """People who know the address of the proxy alone, and the authority with a part of an order."""

    def __init__(self, url: str, sites: list[Site], order: dict[str, str]) -> None:
        super().__init__(url)
        self._sites = sites
        self._order = order
        self.day = DAY

    def begun(self, phone: str) -> tuple[str, str]:
        """A registration, and the code of its message."""
        before = self._messages()
        begun = self.ask("POST", "/v1/registrations", body={"name": NAME, "phone": phone}).json()["registration_id"]
        if len(sent := self._messages() - before) > 1:  # asked again: which of them is this one's cannot be told
            return self.begun(phone)
        [(_, code)] = sent
        return begun, code

    def _messages(self) -> set[tuple[str, str]]:
        return {message for site in self._sites for message in site.messages()}

    def confirmed(self, begun: tuple[str, str]) -> list[str]:
        """A token; none where the code was used by a request whose answer was lost."""
        answer = self.ask("POST", f"/v1/registrations/{begun[0]}/confirm", body={"code": begun[1]})
        assert answer.status_code == 201 or answer.json()["code"] == "code_wrong", answer.text
        return [answer.json()["wallet_token"]] if answer.status_code == 201 else []

    def registered(self, phone: str) -> str:
        """Its token."""
        return until(lambda: self.confirmed(self.begun(phone)))[0]

    def bears(self, token: str) -> bool:
        """Whether the token is an account's."""
        status = self.ask("GET", "/v1/wallet", token).status_code
        assert status in (200, 401)
        return status == 200

    def batch(self, token: str) -> list[str]:
        """Its credentials; none when all of the day are used up."""
        answer = self.ask("POST", "/v1/credentials", token, {"day": self.day, "holder_keys": holder_keys()[1]})
        assert answer.status_code == 200 or answer.json()["code"] == "quota_used", answer.text
        return list(answer.json().get("credentials", []))

    def code(self, token: str) -> list[bytes]:
        """The visit id of a hosted code; none when all of the day are used up."""
        answer = self.ask("POST", "/v1/qr", token, {})
        assert answer.status_code == 200 or answer.json()["code"] == "quota_used", answer.text
        shown = [presentation.from_text(answer.json()["token"])] if answer.status_code == 200 else []
        return [presentation.read(one).credential.visit_id for one in shown]

    def part(self, _: None) -> list[str]:
        """The sealed answer to the part."""
        answer = self.ask("POST", "/v1/orders", "authority", self._order)
        assert answer.status_code == 200, answer.text
        return [answer.json()["sealed"]]

    def all_at_once(self, asked: list[tuple[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Names of the above and whom they are asked for; the names with what is answered."""
        return self.storm(lambda one: (one[0], getattr(self, one[0])(one[1])), asked)


class Machines:
    """Two with folders of their own, before midnight, and the authority and the log in this process."""

    def __init__(self, folder: Path, dsn: str, whole: Whole) -> None:
        self.folder, self.dsn = folder, dsn
        lines = (whole.folder / "issuer" / "settings.toml").read_text(encoding="utf-8").splitlines()
        pairs = (line.partition(" = ") for line in lines)
        pins = {name: value for name, _, value in pairs if name in ("authority", "log")}
        self.sites = [Site.make(folder / name, **pins) for name in ("here", "there")]
        self.configs = [site.config for site in self.sites]
        for config in self.configs:
            name_database(config, dsn)
        self.clock = self.sites[0].clock
        self.clock.set(CALENDAR.rfc3339(MIDNIGHT - 10))
        whole.tend(MIDNIGHT - 10)
        self.listed = whole.listed(MIDNIGHT - 10)
        signed = whole.signed(replace(CASE, phone=E164, days=(DAY, DAY)), MIDNIGHT - 10)
        [part] = [one for one in signed.parts if one.part.step == BATCHES]
        self.order = {"part": part.note, "entry": signed.entry, "proof": whole.logged(signed).write()}

    @contextmanager
    def serving(self, workers: int) -> Iterator[Town]:
        """Once all are ready, with the authority's keys."""
        running = [Process("issuer", config, self.clock.path, workers=workers) for config in self.configs]
        with ready(running, "/healthz"), proxy(self.folder, running) as url, Town(url, self.sites, self.order) as town:
            body = dict(zip(("list", "proof"), self.listed, strict=True))
            assert town.ask("PUT", "/v1/authority-keys", "authority", body).status_code == 200
            for process in running:
                until(process.answers)
            yield town

    def batches(self, day: int) -> list[int]:
        """How many of a day each person got."""
        found = ask(self.dsn, f"SELECT count(*) FROM ledger_{day} GROUP BY grp")  # noqa: S608 - a number
        return sorted(count for (count,) in found)


def mixed(asked: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """In another order, the same each time."""
    return random.Random(1).sample(asked, len(asked))


def values(answers: list[tuple[str, list[Any]]], name: str) -> list[Any]:
    """All that was answered to one kind of question."""
    return [value for one, found in answers for value in found if one == name]


def test_quotas_codes_phones_and_parts_are_one_issuers_over_a_failover_midnight_and_a_restart(
    tmp_path: Path, cluster: Cluster
) -> None:
    with ExitStack() as stack:
        whole = Whole()
        stack.callback(whole.close)
        two = Machines(tmp_path, cluster.dsn, whole)
        real = RealRing(tmp_path, "issuer.example", two.clock.path, *two.configs)
        stack.callback(real.stop)
        real.start_all()
        with two.serving(workers=2) as town:
            *people, host = [town.registered(f"+8210123456{78 + number}") for number in range(PEOPLE + 1)]
            town.batch(people[0])  # the part asks about it
            asked: list[tuple[str, Any]] = [("batch", token) for token in people] * (BATCHES_A_DAY + 2)
            asked = mixed(asked + [("code", host)] * (CODES_A_DAY + 2) + [("part", None)] * 8)
            # Under way together when the primary dies, which they would not be in a mixture.
            asked[AT_ONCE:AT_ONCE] = [("confirmed", town.begun(SHARED)) for _ in range(12)]
            storm = town.all_at_once(asked)
            answers = [next(storm) for _ in range(AT_ONCE)]
            cluster.fail_over()
            cluster.add_killed()
            answers += storm
            assert two.batches(DAY) == [BATCHES_A_DAY] * (PEOPLE + 1)
            given, shown, sealed, earlier = (values(answers, name) for name in ("batch", "code", "part", "confirmed"))
            assert 0 < len(given) == len({*given})
            assert 0 < len(shown) <= CODES_A_DAY
            phones = ask(cluster.dsn, "SELECT count(*) FROM identities WHERE leaving = 0 GROUP BY phone")
            assert {*phones} == {(1,)}
            assert sum(map(town.bears, earlier)) <= 1
            last = town.registered(SHARED)
            assert not any(map(town.bears, earlier))

            two.clock.set(CALENDAR.rfc3339(MIDNIGHT + 5))
            town.day = DAY + 1
            asked = [("batch", people[0])] * (BATCHES_A_DAY + 2) + [("code", host)] * 8 + [("part", None)] * 4
            answers = [*town.all_at_once(mixed(asked))]
            assert max(two.batches(DAY + 1)) == BATCHES_A_DAY
        with two.serving(workers=1) as town:
            town.day = DAY + 1
            answers += town.all_at_once(mixed(asked))
            assert max(two.batches(DAY + 1)) == BATCHES_A_DAY
            shown += values(answers, "code")
            assert len(shown) == len({*shown})
            assert len({*sealed, *values(answers, "part")}) == 1
            for kept in ("statements WHERE name LIKE 'order-executed-%'", "receipts"):
                assert ask(cluster.dsn, f"SELECT count(*) FROM {kept}") == [(1,)]  # noqa: S608 - words of ours
            assert town.bears(last)
