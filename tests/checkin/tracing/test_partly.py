"""A trace in which somebody fails: the rest is delivered, who failed is named, and the same order asks again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from checkin.cli.order import PARTLY
from checkin.errors import NotReady, Unreachable
from checkin.orders.order import SignedOrder
from checkin.orders.part import CONTACTS, STEPS
from checkin.orders.rows import VenueRow
from checkin.service import order_executor
from checkin.tracing import trace
from checkin.tracing.execute import Parties
from checkin.tracing.trace_result import TraceResult
from tests.checkin.tracing.conftest import Scene
from tests.checkin.tracing.orders import HOUR, NAMES, order
from tests.checkin.tracing.test_commands import Officer
from tests.support.deployment_in_threads import SECOND, Country, person_order, venue_order
from tests.support.service_folder import DAY, NOON

NOBODY = "http://127.0.0.1:9"
BOTH = {"Bob Baek-hyeon", "Carol Choi-won"}


def without(country: Country, *services: str) -> Parties:
    """The parties, of whom these have an address where nobody answers."""
    parties = country.parties
    issuers = tuple(
        one.model_copy(update={"url": NOBODY}) if one.url in map(country.url, services) else one
        for one in parties.issuers
    )
    registry = parties.registry.model_copy(update={"url": NOBODY}) if "venue" in services else parties.registry
    return parties.model_copy(update={"issuers": issuers, "registry": registry})


def run(country: Country, signed: SignedOrder, parties: Parties) -> TraceResult:
    """The trace, with these parties."""
    return country.execute(signed, parties=parties)


def names(result: TraceResult) -> set[str]:
    """Who was found."""
    return {person.name for person in result.people}


def failed(result: TraceResult) -> list[tuple[str, str]]:
    """Who failed, and why."""
    return [(step.audience, step.code) for step in result.failed]


def test_an_issuer_that_is_down_keeps_no_other_issuers_people_back(scene: Scene) -> None:
    """At a venue order; the same order again delivers the rest, and nobody has two notices."""
    country, signed = scene.country, order(scene)
    partly = run(country, signed, without(country, SECOND))
    assert names(partly) == {"Alice Ahn-young"}
    assert failed(partly) == [(f"{SECOND}.localhost", "unreachable")]
    assert partly.json()["failed"][0]["reason"]
    whole = run(country, signed, country.parties)
    assert names(whole) == BOTH | {"Alice Ahn-young"} and whole.failed == []
    assert {one.notice for one in partly.people} <= {one.notice for one in whole.people}


def test_an_issuer_that_is_down_ends_no_order_about_a_person_of_another(scene: Scene) -> None:
    """Nor one at which the person has no account; where the person was is known at once, the names come later."""
    country = scene.country
    signed = country.signed(next(NAMES), person_order(scene.alice))
    partly = run(country, signed, without(country, SECOND))
    assert [place.name for place in partly.places] == ["Café"] and names(partly) == set()
    assert failed(partly) == [(f"{SECOND}.localhost", "unreachable")] * 2
    whole = run(country, signed, country.parties)
    assert names(whole) == BOTH and whole.failed == []


def test_of_nobody_who_knows_where_anybody_was_the_first_refusal_is_told(scene: Scene) -> None:
    """There is nothing to deliver then."""
    country = scene.country
    with pytest.raises(Unreachable):
        run(country, order(scene), without(country, "venue"))
    with pytest.raises(Unreachable):
        run(country, country.signed(next(NAMES), person_order(scene.alice)), without(country, "issuer", SECOND))


def test_a_row_that_cannot_be_read_takes_no_other_row_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by the registry, and still nonsense."""
    signed = order(scene)
    monkeypatch.setattr(VenueRow, "line", lambda _: "venue nonsense")
    result = run(scene.country, signed, scene.country.parties)
    assert names(result) == BOTH | {"Alice Ahn-young"}
    assert failed(result) == [("registry.localhost", "note_malformed")]


@contextmanager
def damaging(file: Path, table: str) -> Iterator[None]:
    """The one row that is written inside does not open afterwards."""
    before = sealed_in(file, table)
    yield
    (fresh,) = sealed_in(file, table) - before
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        damage = f'UPDATE "{table}" SET sealed = zeroblob(length(sealed)) WHERE sealed = ?'  # noqa: S608 - ours
        database.execute(damage, [fresh])


def sealed_in(file: Path, table: str) -> set[bytes]:
    """What every row of a table has sealed."""
    with closing(sqlite3.connect(file)) as database:
        return {sealed for (sealed,) in database.execute(f'SELECT sealed FROM "{table}"')}  # noqa: S608


def test_damaged_rows_of_stores_take_no_other_row_away_and_are_named(scene: Scene) -> None:
    """A visit at the registry, one of the patient's batches, and a contact's account."""
    country, pool = scene.country, scene.country.door("Pool")
    issuer, visits = country.deployment.folder / "issuer" / "data", country.deployment.folder / "venue/data/visits"
    patient, contact = country.person(name="Dora Do-yeon"), country.person(SECOND, "Erin Eun-ji")
    country.visit(patient, pool, NOON + 300)
    country.visit(contact, pool, NOON + 360)
    with damaging(visits / f"day-{DAY}.db", "rows"):
        country.visit(country.person(SECOND, "Gil Go-eun"), pool, NOON + 420)
    with damaging(issuer / "ledger" / f"day-{DAY}.db", "rows"):
        patient.fetch(DAY)
    with damaging(issuer / "issuer.db", "identities"):
        country.visit(country.person(name="Fay Ha-eun"), pool, NOON + 480)
    result = country.trace(next(NAMES), person_order(patient))
    assert (names(result), result.unknown) == ({"Erin Eun-ji"}, 1)
    assert failed(result) == [("issuer.localhost", "seal_broken"), ("registry.localhost", "seal_broken")]
    assert "1 rows" in result.failed[0].reason


def test_a_damaged_notice_ends_no_order_and_is_made_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stored, and the machine stopped before the answer was."""

    def refuse(*_: object, **__: object) -> bool:
        raise NotReady

    country, signed = scene.country, order(scene)
    file = country.deployment.folder / "issuer" / "data" / "receipts.db"
    with damaging(file, "receipts"), monkeypatch.context() as patch:
        patch.setattr(country.apps["issuer"].state.issuer.orders.store, "keep", refuse)
        assert failed(run(country, signed, country.parties)) == [("issuer.localhost", "not_ready")]
    whole = run(country, signed, country.parties)
    assert "Alice Ahn-young" in names(whole) and whole.failed == []
    assert not any(sealed == bytes(len(sealed)) for sealed in sealed_in(file, "receipts"))


def test_long_lists_are_split_and_come_to_the_same_result(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person with more codes than one list may have; control: in one list, above."""
    signed = scene.country.signed(next(NAMES), person_order(scene.alice))
    monkeypatch.setattr(trace, "MAX_ROWS", 4)
    result = run(scene.country, signed, scene.country.parties)
    assert names(result) == BOTH and result.failed == []
    assert len([step for step in result.asked if "where some visits were" in step.asked]) >= 3


def test_the_command_delivers_names_and_says_who_is_missing(scene: Scene, tmp_path: Path) -> None:
    """Exit status 3, one line for each, and again the same command."""
    desk = Officer(scene, tmp_path)
    country, parties = scene.country, scene.country.deployment.folder / "authority" / "parties.toml"
    folder = country.drafted(next(NAMES), venue_order(scene.cafe, NOON - HOUR, NOON + HOUR))
    folder.sign(country.officers[:2])
    true, words = parties.read_text(), ["trace", str(folder._folder), *desk.place(), *desk.officer(1, 2), "-o"]
    try:
        parties.write_text(true.replace(country.url(SECOND), NOBODY))
        done = desk.run(*words, str(tmp_path / "result"))
        assert done.exit_code == PARTLY
        assert f"✗ {SECOND}.localhost was asked names and phones" in done.stderr
        told = json.loads((tmp_path / "result" / "trace.json").read_text())
        assert [person["name"] for person in told["people"]] == ["Alice Ahn-young"]
    finally:
        parties.write_text(true)
    assert desk.run(*words, str(tmp_path / "result")).exit_code == 0


@pytest.fixture(scope="module")
def greedy(scene: Scene) -> Scene:
    """The issuer asked first answers for Bob's phone with thirty codes, three of them used at a gym; Bob has ten
    of the second issuer."""
    double, gym = scene.country.person("issuer", "Bob's double", scene.bob.phone), scene.country.door("Gym")
    for minute in (10, 11, 12):
        scene.country.visit(double, gym, NOON + 60 * minute)
    for _ in range(2):
        double.fetch(DAY)
    return scene


def test_lists_of_one_issuer_leave_the_others_theirs_and_what_is_cut_is_named(
    greedy: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four lists of five codes for two issuers: two for each."""
    for module in (trace, order_executor):
        monkeypatch.setattr(module, "MAX_LISTS", 4)
    monkeypatch.setattr(trace, "MAX_ROWS", 5)
    result = greedy.country.trace(next(NAMES), person_order(greedy.bob))
    assert names(result) == {"Alice Ahn-young", "Carol Choi-won"}
    assert failed(result) == [("issuer.localhost", "order_too_large")]
    assert "30 codes" in result.failed[0].reason and "20 of them" in result.failed[0].reason


def test_the_shortest_list_gets_rows_first_and_a_list_without_an_answer_is_named(greedy: Scene) -> None:
    """Control: with room for both, both are answered."""
    wish = person_order(greedy.bob)
    whole = greedy.country.trace(next(NAMES), wish)
    rows = [step.rows for step in whole.asked if step.asked == STEPS[CONTACTS].told]
    assert whole.failed == [] and len(rows) == 2
    result = greedy.country.trace(next(NAMES), replace(wish, limit=max(rows)))
    assert names(result) == {"Alice Ahn-young", "Carol Choi-won"}
    assert failed(result) == [("registry.localhost", "order_too_large")]
    assert "30 codes of issuer.localhost" in result.failed[0].reason
