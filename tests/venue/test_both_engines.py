"""The registry's state does the same in SQLite and in PostgreSQL, at two processes at once, by the same statements."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checkin.clock import CLOSING_DAYS
from checkin.errors import Forbidden, KeyMissing, ListRefused, NotFound, Unauthorized
from checkin.files.tables import Tables, TableSet, in_words_of_sqlite
from checkin.keys.generation import GENERATIONS, GenerationTable, Mark
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.purge.statement_store import STATEMENTS, StatementTable
from checkin.service.auth import token_hash
from checkin.service.endings import Endings
from checkin.service.key_list_publisher import KEY_LIST, KeyListTable
from checkin.service.order_store import ORDERS, KeptAnswer, OrderStore
from tests.checkin.files.engines import ENGINES, Open, opening_tables
from tests.support.databases import Twice
from tests.support.purging_service import House
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service
from venue import scanners as scanner_module
from venue.database import REGISTRY, end_again, end_all, knows_token
from venue.gates import GATES, Gates, Sign
from venue.issuer_trust import IssuerTrust
from venue.order_steps import Traces
from venue.scan_batches import Alarms
from venue.scanners import Scanners
from venue.settings import TrustedIssuer
from venue.venues import Capacity, NewVenue, Venues

PARTS = (REGISTRY, GATES, ORDERS, STATEMENTS, KEY_LIST, GENERATIONS)
SIGNER = NoteSigner("issuer.example", SigningKey(b"\x01" * 32))
ISSUER = TrustedIssuer(url="http://127.0.0.1:9", vkey=SIGNER.verifier.vkey, number=3)


@dataclass
class Place:
    """One registry's retention, and its tables as two processes have them open."""

    house: House
    tables: list[dict[TableSet, Tables]]

    def venues(self, process: int = 0) -> Venues:
        return Venues(self.tables[process][REGISTRY], self.endings())

    def scanners(self, process: int = 0) -> Scanners:
        return Scanners(self.tables[process][REGISTRY], self.endings(), self.house.party, self.house.guard)

    def endings(self) -> Endings:
        return Endings(self.house.party, self.house.guard)

    def heard_of_all(self, process: int) -> None:
        """What the task does each second, and a check-in."""
        for tables in self.tables[process].values():
            tables.poll()
            tables.look()


def prepared(folder: Path) -> Path:
    """A registry's folder."""
    make_service(folder)
    return folder


def open_place(folder: Path, open_part: Open) -> Place:
    make_service(folder)
    house = House(folder)
    house.guard.tick()
    house.open_day()
    return Place(house, [{part: open_part(part) for part in PARTS} for _ in range(2)])


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With every statement that PostgreSQL is given held against the parsers of both engines afterwards."""
    seen: dict[str, None] = {}
    if request.param == "postgresql":
        note_statements(seen, monkeypatch)
    with opening_tables(request.param, tmp_path / "tables", request) as open_part:
        yield open_place(tmp_path, open_part)
    if request.param == "postgresql":
        assert len(seen) > 20
        check_statements(seen)


def note_statements(seen: dict[str, None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts each into `seen` as the code has it."""
    from checkin.files import postgres_tables  # noqa: PLC0415 - not every run has the driver

    translate = postgres_tables.in_places

    def note(query: str) -> tuple[str, tuple[str, ...]]:
        seen[query] = None
        return translate(query)

    monkeypatch.setattr(postgres_tables, "in_places", note)


OF_AN_ENGINE = ("CREATE", "ALTER", "DROP", "INSERT INTO answers_anew")
FORBIDDEN = ("ListenStmt", "NotifyStmt", "DiscardStmt", "VariableSetStmt", "LockStmt")


def check_statements(seen: Iterable[str], parts: tuple[TableSet, ...] = PARTS) -> None:
    """Read by PostgreSQL's own parser, and prepared by SQLite over the same tables."""
    import pglast  # noqa: PLC0415 - not every run has it

    from checkin.files.postgres_tables import in_places  # noqa: PLC0415 - nor the driver

    with closing(sqlite3.connect(":memory:")) as sqlite:
        for part in parts:
            for made in part.statements(0):
                with suppress(sqlite3.OperationalError) if "ADD COLUMN" in made else nullcontext():  # it may be there
                    sqlite.execute(in_words_of_sqlite(made))
        for query in seen:
            text, names = in_places(query)
            statement: Any = pglast.parse_sql(text)[0].stmt
            assert type(statement).__name__ not in FORBIDDEN, query
            assert not any(word in query for word in ("advisory", "PARTITION", "unnest")), query
            if "versions" not in query and not query.startswith(OF_AN_ENGINE):
                sqlite.execute(f"EXPLAIN {query}", dict.fromkeys(names, 0))


@pytest.mark.parametrize(
    "query", ["LISTEN x", "SET search_path = x", "SELECT pg_advisory_lock(1)", "SELECT greatest(1, 2)"]
)
def test_a_statement_that_only_one_engine_takes_is_noticed(query: str) -> None:
    """The control: by either parser."""
    check_statements(["SELECT name FROM venues WHERE id = :id"])
    with pytest.raises((AssertionError, sqlite3.OperationalError)):
        check_statements([query])


def a_life_of_a_venue(place: Place) -> None:
    venues, other, tables = place.venues(), place.venues(1), place.tables[1][REGISTRY]
    made = venues.enrol(NewVenue(name="Café", category="cafe"))
    other.require_operator(made.venue_id, made.operator_token)
    assert other.entry(made.venue_id).name == "Café"
    assert knows_token(tables, token_hash(made.operator_token))
    other.set_rule(made.venue_id, [3, 1])
    other.set_capacity(made.venue_id, Capacity(capacity=40))
    entry = venues.entry(made.venue_id)
    assert (entry.name, entry.category, entry.capacity, entry.status_rule) == ("Café", "cafe", 40, [1, 3])
    renewed = venues.renew_operator(made.venue_id).operator_token
    with pytest.raises(Unauthorized):
        other.require_operator(made.venue_id, made.operator_token)
    with pytest.raises(Forbidden):
        other.require_operator("0" * 16, renewed)
    other.close(made.venue_id)
    with pytest.raises(Unauthorized):
        venues.require_operator(made.venue_id, renewed)
    for call in (partial(venues.close, made.venue_id), partial(venues.entry, "0" * 16)):
        with pytest.raises(NotFound):
            call()


def scanners_come_and_go(place: Place) -> None:
    venue = place.venues().enrol(NewVenue(name="Gym", category="sport")).venue_id
    here, there = place.scanners(), place.scanners(1)
    front, back = (here.enrol(venue, label) for label in ("front", "back"))
    assert [entry.label for entry in there.listed(venue)] == ["back", "front"]
    assert there.bearing(front.scanner_token).place.scanner.hex() == front.scanner_id
    here.revoke(venue, front.scanner_id, "replaced")
    here.revoke(venue, back.scanner_id, "stolen")
    here.revoke(venue, back.scanner_id, "replaced")
    place.heard_of_all(1)
    with pytest.raises(Unauthorized):
        there.bearing(front.scanner_token)
    assert there.uploading(front.scanner_token).uploads_until
    with pytest.raises(Unauthorized):
        there.uploading(back.scanner_token)
    with pytest.raises(NotFound):
        there.revoke(venue, "0" * 16, "stolen")
    place.house.go(DAY + CLOSING_DAYS + 1)
    place.house.guard.confirm()
    there.forget_uploads()
    place.heard_of_all(0)
    with pytest.raises(Unauthorized):
        here.uploading(front.scanner_token)
    for number in range(3):
        assert here.enrol(venue, str(number))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Forbidden, match="at most 3"):
        patch.setattr(scanner_module, "MAX_SCANNERS", 3)
        there.enrol(venue, "one too many")


def issuers_lists_are_taken_once(place: Place) -> None:
    trusts = [IssuerTrust(place.house.party, tables[REGISTRY], (ISSUER,)) for tables in place.tables]

    def listed(*days: int, fill: int = 5) -> str:
        publics = {day: SigningKey(bytes([fill, day % 200]) * 16).public for day in days}
        keys = {day: ListedKey(issuer_kid(3, public), public) for day, public in publics.items()}
        return sign_note(IssuerList(3, keys, simulated=True).text(), SIGNER)

    for trust in trusts:
        with pytest.raises(KeyMissing):
            trust.keys_of_day(DAY)
    first = listed(DAY - 28, DAY, DAY + 1)
    trusts[0].take(ISSUER, first)
    place.heard_of_all(1)
    assert trusts[1].keys_of_day(DAY)
    assert (trusts[1].is_read, trusts[1].lists()[3].note) == (True, first)
    before = dict(place.tables[1][REGISTRY].look())
    trusts[1].take(ISSUER, first, "a proof")
    trusts[1].take(ISSUER, listed(DAY))
    assert (trusts[1].lists()[3].note, trusts[1].lists()[3].proof) == (first, "a proof")
    assert place.tables[1][REGISTRY].look() != before
    before = dict(place.tables[1][REGISTRY].look())
    for trust in trusts:
        with pytest.raises(ListRefused):
            trust.take(ISSUER, listed(DAY, DAY + 2, fill=6))
    place.heard_of_all(1)
    assert place.tables[1][REGISTRY].look() == before, "what is kept as evidence empties nobody's memory"
    assert "issuer_3_contradiction" in [finding.name for finding in trusts[0].findings()]
    with pytest.raises(KeyMissing):
        trusts[1].keys_of_day(DAY + 2)
    trusts[0].forget(DAY + 1)
    place.heard_of_all(1)
    with pytest.raises(KeyMissing):
        trusts[1].keys_of_day(DAY)
    assert trusts[1].keys_of_day(DAY + 1)
    assert "issuer_3_contradiction" not in [finding.name for finding in trusts[1].findings()]


def alarms_are_added_up(place: Place) -> None:
    here, there = (Alarms(place.house.party, tables[REGISTRY]) for tables in place.tables)
    here.add(2)
    there.add(3)
    [finding] = here.findings()
    assert "of 5 queued" in finding.text
    there.forget(DAY + 1)
    assert list(here.findings()) == []


def gates_are_counted_by_all(place: Place) -> None:
    house = place.house
    venue = place.venues().enrol(NewVenue(name="Hall", category="hall")).venue_id
    live, gone = (place.scanners().enrol(venue, label).scanner_id for label in ("live", "gone"))
    gates = [Gates(house.service, tables[REGISTRY], tables[GATES]) for tables in place.tables]
    for each in gates:
        each.count(DAY, bytes.fromhex(live), 12)
        each.hear(bytes.fromhex(live), 4)
        each.hear(bytes.fromhex(gone))
        each.keep()
    assert gates[0].hours(DAY, bytes.fromhex(live))[12] == 2
    assert gates[1].last_heard([live, gone, "0" * 16]) == {
        live: (CALENDAR.rfc3339(house.clock.now()), 4), gone: (CALENDAR.rfc3339(house.clock.now()), None)
    }  # fmt: skip
    place.scanners(1).revoke(venue, gone, "stolen")
    gates[0].keep()
    assert gates[1].last_heard([live, gone]).keys() == {live}
    gates[0]._add(Counter(), {live: Sign(0, 1), "f" * 16: Sign(2**40)})
    assert gates[1].last_heard([live]) == {live: (CALENDAR.rfc3339(house.clock.now()), 1)}
    assert set().union(*gates[1]._pages()) == {live, "f" * 16}
    gates[1].keep()
    assert set().union(*gates[0]._pages()) == {live}
    kept, earlier = place.tables[0][GATES], "INSERT INTO counts (day, gate, hour, visits) VALUES (:day, :gate, 3, 7)"
    kept.write(lambda commit: commit.execute(earlier, {"day": DAY - 1, "gate": b"g" * 16}))
    assert kept.read("SELECT day FROM counts ORDER BY day") == [(DAY - 1,), (DAY,)]
    gates[1].forget(DAY)
    assert (kept.read("SELECT day FROM counts"), gates[1].hours(DAY, bytes.fromhex(live))[12]) == ([(DAY,)], 2)


def orders_are_answered_once(place: Place) -> None:
    here, there = (OrderStore(tables[ORDERS]) for tables in place.tables)
    answer, now = KeptAnswer("", "sealed", DAY, 3), place.house.clock.now()
    assert here.keep("part", answer, expires=now + HOUR)
    assert not there.keep("part", replace(answer, sealed="another"), expires=now + HOUR)
    assert not there.keep("part", replace(answer, list_digest="list"), expires=now + HOUR)
    assert there.keep("part", replace(answer, list_digest="list"), expires=now + HOUR, known=[""])
    assert there.answers("part") == {"": answer, "list": replace(answer, list_digest="list")}
    counts = [store.refuse("part", code, "2026-11-20", 9) for store in (here, there) for code in ("one", "two")]
    times: dict[str, int] = dict(there._tables.read("SELECT code, times FROM refusals"))
    assert (counts, times) == ([1, 2, 0, 0], {"one": 2, "two": 2})
    here.forget(now, DAY + 1)
    assert [kept.sealed for kept in there.answers("part").values()] == [None, None]
    there.forget(now + HOUR + 1, DAY)
    assert here.answers("part") == {}


def statements_stand(place: Place) -> None:
    here, there = (StatementTable(tables[STATEMENTS]) for tables in place.tables)
    for name in ("purge-2", "closed-1", "purge-1"):
        assert here.put(name, f"{name}\n")
    assert not there.put("purge-1", "another\n")
    assert (there.get("purge-1"), there.get("purge-3")) == ("purge-1\n", None)
    assert ("purge-1" in here, "purge-3" in here) == (True, False)
    assert there.names() == ["closed-1", "purge-1", "purge-2"]
    assert there.all("purge-") == [("purge-1", "purge-1\n"), ("purge-2", "purge-2\n")]
    assert [name for name, _ in there.all()] == here.names()
    assert [name for name, _ in here.page("closed-1", 1)] == ["purge-1"]
    with pytest.raises(ValueError, match="name of a statement"):
        here.get("../secret")


def generations_are_each_machines_own(place: Place) -> None:
    one, other = (GenerationTable(tables[GENERATIONS], name) for name, tables in zip("ab", place.tables, strict=True))
    one.write(Mark(4, "2026-11-20"))
    one.write(Mark(7, "2026-11-21"))
    assert (one.read(), other.read()) == (Mark(7, "2026-11-21"), None)


def the_key_list_is_everybodys(place: Place) -> None:
    here, there = (KeyListTable(tables[KEY_LIST]) for tables in place.tables)
    assert here.load() == there.load()
    here.update(lambda state: replace(state, waiting="a note"))
    place.heard_of_all(1)
    assert there.load().waiting == "a note"
    assert there.update(lambda state: replace(state, note=state.waiting, waiting="")).note == "a note"


def what_ended_is_ended_again(place: Place) -> None:
    """In a database that has forgotten it, and in one so old that nobody knows."""
    venues, scanners, registry = place.venues(), place.scanners(), place.tables[1][REGISTRY]
    venue = venues.enrol(NewVenue(name="Bar", category="bar"))
    scanner = scanners.enrol(venue.venue_id, "door")
    scanners.revoke(venue.venue_id, scanner.scanner_id, "stolen")
    registry.write(lambda commit: commit.execute("DELETE FROM endings"))
    registry.write(lambda commit: commit.execute("UPDATE scanners SET revoked = 0"))
    assert scanners.bearing(scanner.scanner_token)
    place.endings().replay(registry, end_again, end_all)
    place.heard_of_all(0)
    with pytest.raises(Unauthorized):
        scanners.bearing(scanner.scanner_token)
    place.endings().replay(registry, end_again, lambda _: pytest.fail("it has seen all"))
    registry.write(end_all)
    with pytest.raises(Unauthorized):
        venues.require_operator(venue.venue_id, venue.operator_token)


def renewals_at_once_each_end_what_the_one_before_made(place: Place) -> None:
    """So that a database put back to any moment ends up with the token of the last one."""
    venue = place.venues().enrol(NewVenue(name="Pub", category="bar")).venue_id
    with ThreadPoolExecutor(4) as threads:
        for renewed in [threads.submit(place.venues(at % 2).renew_operator, venue) for at in range(12)]:
            assert renewed.result().operator_token
    ended = place.endings().since(0)
    assert ended
    values = [bytes.fromhex(ending.value) for ending in ended]
    assert len({value[32:] for value in values}) == len(values) == 12


def what_is_done_once_more_is_done_once(place: Place) -> None:
    tables: Any = Twice(place.tables[0][REGISTRY])
    venues = Venues(tables, place.endings())
    scanners = Scanners(tables, place.endings(), place.house.party, place.house.guard)
    venue = venues.enrol(NewVenue(name="Zoo", category="zoo"))
    scanner = scanners.enrol(venue.venue_id, "door")
    assert venues.set_rule(venue.venue_id, [2]).accepted == [2]
    assert scanners.bearing(scanner.scanner_token).rule == (2,)
    assert [entry.label for entry in scanners.listed(venue.venue_id)] == ["door"]
    renewed = venues.renew_operator(venue.venue_id).operator_token
    venues.require_operator(venue.venue_id, renewed)
    assert venues.entry(venue.venue_id).name == "Zoo"
    scanners.revoke(venue.venue_id, scanner.scanner_id, "stolen")
    with pytest.raises(Unauthorized):
        scanners.bearing(scanner.scanner_token)


def each_machine_ends_again_what_its_own_journal_has(place: Place) -> None:
    """App nodes on a ring have a journal each; one has had more to write than the other."""
    here, there = place.house, House(prepared(place.house.party.data.parent / "elsewhere"))
    there.guard.tick()
    there.open_day()
    registry, ended = place.tables[0][REGISTRY], []
    venue = place.venues().enrol(NewVenue(name="Spa", category="spa")).venue_id
    for house, number in ((here, 3), (there, 1)):
        house.party.settings = house.party.settings.model_copy(update={"ring": SimpleNamespace(name=f"app{number}")})
        scanners = Scanners(registry, Endings(house.party, house.guard), house.party, house.guard)
        for _ in range(number):
            made = scanners.enrol(venue, "door")
            scanners.revoke(venue, made.scanner_id, "stolen")
            ended.append(made.scanner_token)
    registry.write(lambda commit: commit.execute("DELETE FROM endings"))
    registry.write(lambda commit: commit.execute("UPDATE scanners SET revoked = 0"))
    for house in (here, there):
        Endings(house.party, house.guard).replay(registry, end_again, end_all)
        Endings(house.party, house.guard).replay(registry, end_again, lambda _: pytest.fail("it has seen all"))
    for token in ended:
        with pytest.raises(Unauthorized):
            scanners.bearing(token)
    assert len(registry.read("SELECT number FROM endings")) == 2
    there.store.close()


def what_ends_at_two_machines_is_not_undone_by_either(place: Place) -> None:
    """A scanner replaced at one and then stolen at the other; a token renewed at one and then at the other. The
    journals are carried out in either order."""
    here, there = place.house, House(prepared(place.house.party.data.parent / "beside"))
    there.guard.tick()
    there.open_day()
    registry = place.tables[0][REGISTRY]
    for number, house in enumerate((here, there)):
        house.party.settings = house.party.settings.model_copy(update={"ring": SimpleNamespace(name=f"app{number}")})
    machines = [(Venues(registry, ends), Scanners(registry, ends, house.party, house.guard))
                for house in (here, there) for ends in [Endings(house.party, house.guard)]]  # fmt: skip
    for order, holds in ((here, there), True), ((there, here), False):
        made = machines[0][0].enrol(NewVenue(name="Inn", category="inn"))
        venue = made.venue_id
        scanner = machines[0][1].enrol(venue, "door")
        [before] = registry.read("SELECT operator_sha256 FROM venues WHERE id = :id", {"id": venue})
        tokens = [made.operator_token]
        for (venues, scanners), reason in zip(machines, ("replaced", "stolen"), strict=True):
            tokens.append(venues.renew_operator(venue).operator_token)
            scanners.revoke(venue, scanner.scanner_id, reason)  # type: ignore[arg-type]  # it is one of them
        undo = {"id": venue, "before": before[0]}
        registry.write(lambda commit: commit.execute("DELETE FROM endings"))
        registry.write(lambda commit: commit.execute("UPDATE scanners SET revoked = 0, uploads_until = 0"))
        registry.write(lambda commit, undo=undo: commit.execute(  # type: ignore[misc]
            "UPDATE venues SET operator_sha256 = :before WHERE id = :id", undo))  # fmt: skip
        for house in order:
            Endings(house.party, house.guard).replay(registry, end_again, end_all)
        place.heard_of_all(0)
        with pytest.raises(Unauthorized):
            machines[0][1].uploading(scanner.scanner_token)
        good = [token for token in tokens if known(machines[0][0], venue, token)]
        assert good == (tokens[2:] if holds else [])
    there.store.close()


def known(venues: Venues, venue: str, token: str) -> bool:
    with suppress(Unauthorized):
        venues.require_operator(venue, token)
        return True
    return False


def an_order_finds_a_venues_name(place: Place) -> None:
    venue = bytes.fromhex(place.venues().enrol(NewVenue(name="Pool", category="sport")).venue_id)
    traces = Traces(place.house.party, place.house.guard, place.house.vault, place.tables[1][REGISTRY])
    assert [row.name for row in traces._names({venue, bytes(8)})] == ["?", "Pool"]


ALL: list[Callable[[Place], None]] = [
    a_life_of_a_venue,
    renewals_at_once_each_end_what_the_one_before_made,
    scanners_come_and_go,
    issuers_lists_are_taken_once,
    alarms_are_added_up,
    gates_are_counted_by_all,
    orders_are_answered_once,
    statements_stand,
    generations_are_each_machines_own,
    the_key_list_is_everybodys,
    what_ended_is_ended_again,
    what_is_done_once_more_is_done_once,
    each_machine_ends_again_what_its_own_journal_has,
    what_ends_at_two_machines_is_not_undone_by_either,
    an_order_finds_a_venues_name,
]


@pytest.mark.parametrize("does", ALL)
def test_of_both_engines_each(does: Callable[[Place], None], place: Place) -> None:
    does(place)
