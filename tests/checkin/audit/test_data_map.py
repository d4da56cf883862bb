"""The data map and the databases say the same; whoever adds a column has to declare it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from checkin.audit.data_map import DataMap, MapPlace
from checkin.errors import SettingsInvalid
from checkin.files.tables import SqliteTables
from checkin.keys.key_ring import KeyRing
from checkin.service.order_store import ORDERS
from checkin.tlog.witness import WitnessState
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from issuer.access_notices import NOTICES
from issuer.database import ISSUER
from retention.audits import Audits
from retention.log_state import LogState
from retention.statements import ServiceStatements
from venue.database import REGISTRY
from venue.gates import GATES

ROOT = Path(__file__).parents[3]
MAPS = {name: ROOT / name / "data_map.toml" for name in ("issuer", "venue", "retention")}
MAPS["witness"] = ROOT / "checkin" / "tlog" / "witness_data_map.toml"
DAY = 20779


def _day_file(folder: Path, *, ordered: bool) -> None:
    store = SqliteStore(folder, ordered=ordered)
    store.insert(DAY, [Row(b"k" * 16, b"g" * 16, 3, b"n" * 12, b"s" * 40)])
    store.freeze(DAY)
    store.close()


def _ring(data: Path) -> KeyRing:
    return KeyRing(data.parent / "keys", bytes(32), allow_unfit=True)


def make_issuer(data: Path) -> None:
    """Every database of an issuer, by the code that makes them."""
    for part in (ISSUER, NOTICES, ORDERS):
        SqliteTables(data, part).close()
    _day_file(data / "ledger", ordered=False)


def make_venue(data: Path) -> None:
    """Every database of a registry."""
    for part in (REGISTRY, GATES, ORDERS):
        SqliteTables(data, part).close()
    _day_file(data / "visits", ordered=True)


def make_retention(data: Path) -> None:
    """Every database of a retention service."""
    ServiceStatements(data / "retention.db").close()
    LogState(data / "log" / "log.sqlite", "retention.example/log").close()
    Audits(data / "audits.db").close()
    (data / "log" / "checkpoint").write_text("a checkpoint")


def make_witness(data: Path) -> None:
    """A witness's folder."""
    WitnessState(data / "witness.sqlite").close()
    for name in ("witness.txt", "cosigning.key"):
        (data / name).write_text("there")


MAKERS: dict[str, Callable[[Path], None]] = {
    "issuer": make_issuer,
    "venue": make_venue,
    "retention": make_retention,
    "witness": make_witness,
}


@pytest.fixture(params=sorted(MAKERS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[DataMap, Path]:
    """A service's map, and a data folder with all its databases."""
    data = tmp_path / "data"
    data.mkdir()
    common = ("deployment", "generation.json")
    for name in common:
        (data / name).write_text("there")
    MAKERS[request.param](data)
    if request.param == "witness":
        for name in common:
            (data / name).unlink()
    return DataMap.load(MAPS[request.param]), data


def test_all_that_is_there_is_declared_and_all_that_is_declared_is_there(made: tuple[DataMap, Path]) -> None:
    """Files, tables, views and columns, both ways."""
    data_map, data = made
    assert [str(gap) for gap in data_map.gaps(data)] == []


def test_an_audit_in_the_moment_in_which_a_day_is_made_finds_nothing_strange() -> None:
    """The day's file lies under another name then, and SQLite's own files beside it."""
    data_map = DataMap.load(MAPS["issuer"])
    for suffix in ("", "-wal", "-shm", "-journal"):
        assert data_map.of("data", f"ledger/day-20777.db.0123456789abcdef.new{suffix}")
    assert data_map.of("data", "ledger/day-20777.db.0123456789abcdef.new-something") is None


def test_a_column_that_nobody_declared_is_named(made: tuple[DataMap, Path]) -> None:
    """In whichever table it is added."""
    data_map, data = made
    for place in data_map.databases():
        file = next(data.glob(place.path))
        with sqlite_utils.Database(file) as database:
            tables = database.table_names()
            for table in tables:
                database.table(table).add_column("surprise", str)
        expected = {f"{file.relative_to(data)} {table}.surprise: not declared" for table in tables}
        assert expected <= {str(gap) for gap in data_map.gaps(data)}


def test_a_column_that_is_declared_and_not_there_is_named(made: tuple[DataMap, Path]) -> None:
    """For each column of the map: taken out of the database's side, it is missed."""
    data_map, data = made
    for place in data_map.databases():
        for table, columns in place.tables.items():
            columns[f"{table}_gone"] = next(iter(columns.values()))
            assert any(gap.place == f"{table}.{table}_gone" for gap in data_map.gaps(data))
            del columns[f"{table}_gone"]


def test_a_file_table_view_or_trigger_that_nobody_declared_is_named(made: tuple[DataMap, Path]) -> None:
    """A side table is a way to keep what must not be kept."""
    data_map, data = made
    file = next(data.glob(data_map.databases()[0].path))
    with sqlite_utils.Database(file) as database:
        database.table("notes").create({"text": str})
        database.create_view("peek", "SELECT 1 AS one")
        database.execute("CREATE TRIGGER spy AFTER DELETE ON notes BEGIN DELETE FROM notes; END")
    (data / "visitors.csv").write_text("")
    found = {(gap.path.rpartition("/")[2], gap.place) for gap in data_map.gaps(data)}
    assert {(file.name, "notes"), (file.name, "peek"), (file.name, "trigger spy"), ("visitors.csv", "")} <= found


def test_a_value_of_another_form_is_named(tmp_path: Path) -> None:
    """A name in the column of a venue's id, a phone in a rule: the column is there, what it holds is not declared."""
    make_venue(tmp_path)
    with sqlite_utils.Database(tmp_path / "venue.db") as database:
        rule = {"name": "Café", "category": "cafe", "operator_sha256": bytes(32), "closed": 0}
        database.table("venues").insert({"id": "Kim Ji-woo", "status_rule": "+821012345678", **rule})
    gaps = {gap.place for gap in DataMap.load(MAPS["venue"]).gaps(tmp_path) if gap.path == "venue.db"}
    assert gaps == {"venues.id", "venues.status_rule"}


def test_in_the_registry_only_names_of_places_are_free_text() -> None:
    """So a visitor's name has no column to be in."""
    places = DataMap.load(MAPS["venue"]).databases()
    free = {f"{table}.{name}" for place in places for table, columns in place.tables.items()
            for name, entry in columns.items() if entry.form == "words"}  # fmt: skip
    assert free == {"venues.name", "venues.category", "scanners.label"}


def test_no_service_that_sees_people_keeps_a_time_finer_than_it_must() -> None:
    """The issuer's databases: days. The registry's: hours, and minutes only under a seal, or about a device that asks
    by itself."""

    def grains(name: str) -> set[str]:
        def of(place: MapPlace) -> set[str]:
            kept = {table: columns for table, columns in place.tables.items() if table != "heard"}
            return {entry.grain for columns in kept.values() for entry in columns.values()}

        return set().union(*(of(place) for place in DataMap.load(MAPS[name]).databases() if place.path != "orders.db"))

    assert grains("issuer") == {"none", "day"}
    assert grains("venue") == {"none", "day", "hour"}


@pytest.mark.parametrize("fault", ['why = ""', 'grain = "century"', 'form = "anything"', 'colour = "red"'])
def test_a_map_that_leaves_something_open_is_no_map(fault: str, tmp_path: Path) -> None:
    """A reason, a grain and an end for every column, or the service does not start."""
    name = fault.partition(" ")[0]
    entry = {"why": '"a"', "grain": '"day"', "until": '"b"', "form": '"day"'}
    entry[name] = fault.partition(" = ")[2]
    column = ", ".join(f"{key} = {value}" for key, value in entry.items())
    path = tmp_path / "data_map.toml"
    path.write_text(f'service = "x"\n[[database]]\npath = "x.db"\nwhy = "y"\n[database.tables.t]\nc = {{ {column} }}\n')
    with pytest.raises(SettingsInvalid):
        DataMap.load(path)
