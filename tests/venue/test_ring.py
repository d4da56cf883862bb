"""A registry whose keys three real node processes hold: a check-in, a closed day, a destroyed one, a node away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from checkin.clock import CLOSING_DAYS, RETENTION_DAYS, SimulatedClock
from checkin.protocol.note import unverified_text
from checkin.protocol.ring_messages import KEY_AWAITED, LEASE_SECONDS, NODE_DESTROYED
from checkin.protocol.statement import one
from checkin.purge.statement_store import DAY_CLOSED, PURGE_REPORT
from checkin.ring.app import create_app as create_node
from checkin.service.addresses import free_ports
from checkin.service.vault_folder import VaultFolder
from tests.support.officers import TABLE, early_note
from tests.support.registry_service import RETENTION, Issuer, Phone, Registry, check_in, enrol, processes
from tests.support.ring_in_process import NODES, Ring, day_key, node_name, signer
from tests.support.ring_processes import RealRing, put_on_ring
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.serving import caller, serving
from tests.support.waiting import until
from tests.venue.conftest import NewIssuer
from tests.venue.test_postgresql import on_postgresql

DAY_SECONDS = 86_400


@pytest.fixture
def real(tmp_path: Path, new_issuer: NewIssuer) -> Iterator[tuple[RealRing, Registry, str, Issuer]]:
    """All four processes, ready; the string is the registry's address."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    assert registry.clock
    made = RealRing(tmp_path, "registry.example", registry.clock, registry.config, pinned=TABLE)
    with ExitStack() as stack:
        stack.callback(made.stop)
        made.start_all()
        [process] = stack.enter_context(processes(registry, 1))
        yield made, registry, process.url, issuer


def test_a_registry_lives_on_a_ring_of_three_processes(real: tuple[RealRing, Registry, str, Issuer]) -> None:
    made, registry, url, issuer = real
    with caller(url) as client:

        def statement(name: str) -> str | None:
            answer = client.get("/v1/statements", headers=bearer(RETENTION))
            return {item["name"]: item["note"] for item in answer.json()["statements"]}.get(name)

        def finding(name: str) -> dict[str, str] | None:
            found = [item for item in client.get("/readyz").json()["findings"] if item["name"] == name]
            return found[0] if found else None

        at, phone = enrol(client), Phone(issuer, DAY)
        assert check_in(client, at, phone.at(NOON)).status_code == 201
        assert check_in(client, at, phone.at(NOON)).status_code == 409
        assert list((registry.folder / "keys").glob("*.slot")) == []
        assert all(day_key(DAY) in made.ring.keys(letter).names() for letter in NODES)

        registry.set(NOON + (CLOSING_DAYS + 1) * DAY_SECONDS)
        until(lambda: statement(f"closed-{CALENDAR.date(DAY)}"))

        ordered = DAY + CLOSING_DAYS + 1  # today: officers have it destroyed, beside the registry
        until(lambda: all(day_key(ordered) in made.ring.keys(letter).names() for letter in NODES))
        folder = VaultFolder(registry.config, registry.clock)
        folder.early.take(early_note(ordered, ordered))
        assert folder.destroy() == {}
        until(lambda: all(made.ring.keys(letter).overwritten(day_key(ordered)) for letter in NODES))
        assert folder.destroy() == {}  # each node has answered: it counts its minute
        folder.close()
        assert statement(f"purge-{CALENDAR.date(ordered)}") is None
        registry.set(NOON + (CLOSING_DAYS + 1) * DAY_SECONDS + LEASE_SECONDS + 1)
        early = PURGE_REPORT.read(unverified_text(until(lambda: statement(f"purge-{CALENDAR.date(ordered)}"))))
        assert early["done"] == CALENDAR.date(ordered)

        registry.set(NOON + RETENTION_DAYS * DAY_SECONDS)
        report = until(lambda: statement(f"purge-{CALENDAR.date(DAY)}"))
        assert PURGE_REPORT.read(unverified_text(report))["rows"] == "fewer than 10"
        for letter in NODES:
            assert made.ring.keys(letter).overwritten(day_key(DAY))
            name = f"ring-destroyed-day-{CALENDAR.date(DAY)}-"
            title = until(lambda letter=letter, name=name: _title(client, name, node_name(letter)))  # type: ignore[misc]
            assert title

        next_day = f"{CALENDAR.date(DAY + 1)}"
        made.running["c"].kill()
        registry.set(NOON + (RETENTION_DAYS + 2) * DAY_SECONDS)
        awaited = KEY_AWAITED.read(unverified_text(until(lambda: statement(f"ring-awaited-day-{next_day}"))))
        assert (awaited["signed"], awaited["missing"]) == ("2 of 3", [node_name("c")])
        found = until(lambda: finding("ring_purge"))
        assert found["level"] == "failure" and found["text"].startswith("2 of 3")
        assert statement(f"purge-{next_day}") is None
        assert day_key(DAY + 1) in made.ring.keys("c").names()

        made.start("c")
        until(lambda: made.ready("c"))
        assert day_key(DAY + 1) not in made.ring.keys("c").names(), "before it serves"
        report = until(lambda: statement(f"purge-{next_day}"))
        assert PURGE_REPORT.read(unverified_text(report))["commitment"] != "-"
        until(lambda: finding("ring_purge") is None)


def _title(client: httpx.Client, prefix: str, node: str) -> str | None:
    """The name of that node's statement."""
    for item in client.get("/v1/statements", headers=bearer(RETENTION)).json()["statements"]:
        if item["name"].startswith(prefix) and one(NODE_DESTROYED.read(unverified_text(item["note"])), "node") == node:
            return str(item["name"])
    return None


def test_two_registries_with_folders_of_their_own_are_one_on_an_engine_and_a_ring(
    tmp_path: Path, dsn: str, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code at both is taken once; a day is closed, destroyed on all three nodes, and reported once, with its rows
    and its closing digest, whichever of the two reports it."""
    monkeypatch.undo()  # the tasks run by themselves
    issuer = new_issuer()
    here, there = (on_postgresql(tmp_path / name, dsn, issuer) for name in ("here", "there"))
    key = here.folder / "statement.key"
    ring = Ring(tmp_path / "ring", free_ports(3), signer(key, "registry.example"))
    put_on_ring(here.config, ring, key)
    put_on_ring(there.config, ring, key, "app-2")

    def go(days: int) -> None:
        for clock in (here.clock, there.clock, ring.clock()):
            assert clock
            SimulatedClock(clock).set(CALENDAR.rfc3339(NOON + days * DAY_SECONDS))

    go(0)
    with ExitStack() as stack:
        for letter in NODES:
            app = create_node(ring.config(letter), ring.clock())
            stack.enter_context(serving(app, int(ring.listen[letter].rpartition(":")[2])))
        clients = [stack.enter_context(registry.client()) for registry in (here, there)]

        def statements(client: httpx.Client) -> dict[str, str]:
            answer = client.get("/v1/statements", headers=bearer(RETENTION)).json()
            return {item["name"]: item["note"] for item in answer["statements"]}

        at, phones = enrol(clients[0]), [Phone(issuer, DAY) for _ in range(10)]
        for phone in phones:
            codes = [check_in(client, at, phone.at(NOON)).status_code for client in (*clients, *clients)]
            assert codes == [201, 409, 409, 409]
        assert [path for registry in (here, there) for path in registry.folder.rglob("*.slot")] == []
        go(CLOSING_DAYS + 1)
        closed = f"closed-{CALENDAR.date(DAY)}"
        until(lambda: all(closed in statements(client) for client in clients))
        until(lambda: all((r.folder / f"keys/ring/{day_key(DAY)}.json").exists() for r in (here, there)))
        go(RETENTION_DAYS)
        title = f"purge-{CALENDAR.date(DAY)}"
        until(lambda: all(title in statements(client) for client in clients))
        one_book, other_book = map(statements, clients)
        assert one_book[title] == other_book[title]
        report = PURGE_REPORT.read(unverified_text(one_book[title]))
        digest = DAY_CLOSED.read(unverified_text(one_book[closed]))["digest"]
        assert (report["rows"], report["closing"]) == ("10", digest)
        for letter in NODES:
            assert ring.keys(letter).overwritten(day_key(DAY))
        for client in clients:
            until(lambda client=client: _calm(client))  # type: ignore[misc]


def _calm(client: httpx.Client) -> bool:
    """Nothing about purges or nodes in /readyz."""
    names = {item["name"] for item in client.get("/readyz").json()["findings"]}
    return not names & {"purge", "ring", "ring_purge", "task_purge", "check_failed"}
