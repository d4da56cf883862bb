"""`checkin purge run` beside a service that is stopped: what the service would destroy at its start is destroyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from typer.testing import CliRunner

from checkin.cli.purge import app
from checkin.errors import NotReady
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.purge.purger import Purger
from tests.support.issuer_service import NAME, PHONE, Site, ask_batch, register
from tests.support.registry_service import Issuer, Registry
from tests.support.service_folder import DAY, NOON, bearer


def run(folder: Path, config: Path, *options: str) -> tuple[int, str]:
    """Exit status and what is told; an error of the command comes through."""
    args = ["run", "--config", str(config), "--simulated-clock", str(folder / "clock"), "--confirm-clock", *options]
    done = CliRunner().invoke(app, args)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def stopped(folder: Path) -> Site:
    """An issuer with a deleted account, another one that stays, and hosted codes; it stopped on the first day."""
    site = Site.make(folder)
    with site.serve() as running:
        site.list_keys(running.http)
        gone, stays = register(site, running.http, "Gone Visitor", "010-8888-7777"), register(site, running.http)
        for token in (gone, stays):
            assert ask_batch(running.http, token).status_code == 200
            assert running.http.post("/v1/qr", json={}, headers=bearer(token)).status_code == 200
        assert ask_batch(running.http, stays, DAY + 1).status_code == 200  # so that it does not end with the first day
        assert running.http.delete("/v1/wallet", headers=bearer(gone)).status_code == 202
    return site


def rows(database: Path, query: str) -> list[Any]:
    """Of a database as it lies there; opening the service would do what is to be shown."""
    with sqlite_utils.Database(database) as tables:
        return list(tables.execute(query).fetchall())


def test_a_stopped_issuers_accounts_codes_and_identity_key_go_with_the_days(tmp_path: Path) -> None:
    """Deleted accounts are gone, the rest is under a new key, the old key is destroyed and stated."""
    site = stopped(tmp_path / "issuer")
    old, database = list((site.folder / "keys").glob("identity-*.slot")), site.folder / "data/issuer.db"
    assert len(old) == 1 and len(rows(database, "SELECT * FROM identities")) == 2
    assert len(rows(database, "SELECT * FROM hosted")) == 9
    site.set_day(DAY + 28)
    status, told = run(site.folder, site.config, "--json")
    shown = json.loads(told)
    assert (status, shown["not_opened"], shown["failed"], shown["chores_done"]) == (0, "", {}, True)
    assert {"purge-2026-11-20", f"key-destroyed-identity-{site.calendar.date(DAY)}"} <= set(shown["statements"])
    assert not old[0].exists()
    assert list((site.folder / "data" / "outbox").glob("*.txt")) == []
    assert rows(database, "SELECT key_day FROM identities") == [(DAY + 28,)]
    assert rows(database, "SELECT * FROM hosted") == []


def test_nothing_of_it_waits_for_the_start_of_the_service(tmp_path: Path) -> None:
    """Looked at before anything but the command has opened the folder; a second run has nothing to do."""
    site = stopped(tmp_path / "issuer")
    site.set_day(DAY + 28)
    assert "Its own duties were carried out" in run(site.folder, site.config)[1]
    ring = {path.name for path in (site.folder / "keys").iterdir()}
    assert f"{KeyName(Purpose.IDENTITY, DAY)}.slot" not in ring and f"{KeyName(Purpose.DAY, DAY)}.slot" not in ring
    content = b"".join(site.files().values())
    assert all(word.encode() not in content for word in (NAME, PHONE, "8888-7777", "Gone Visitor"))
    assert "Nothing was due." in run(site.folder, site.config)[1]


def test_days_go_also_when_the_service_cannot_be_opened_and_the_command_says_what_is_left(tmp_path: Path) -> None:
    """As with a setting that somebody broke: exit status 1, and a sentence."""
    site = stopped(tmp_path / "issuer")
    site.set_day(DAY + 28)
    config = site.config
    config.write_text(config.read_text(encoding="utf-8").replace("issuer = 7", 'issuer = "seven"'), encoding="utf-8")
    status, told = run(site.folder, config)
    assert status == 1 and "purge-2026-11-20" in told
    assert "settings_invalid" in told and "still there until it starts" in told


def test_a_day_whose_disk_fails_keeps_nothing_else_from_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account, the codes and the identity key go; the command says what did not, and ends with status 1."""
    site = stopped(tmp_path / "issuer")
    site.set_day(DAY + 28)
    real = KeyRing.destroy

    def refuse(ring: KeyRing, name: KeyName) -> None:
        if name.purpose is Purpose.DAY:
            raise OSError("the disk does not answer")
        real(ring, name)

    monkeypatch.setattr(KeyRing, "destroy", refuse)
    status, told = run(site.folder, site.config, "--json")
    shown = json.loads(told)
    assert (status, shown["chores_done"], shown["failed"]["days"]) == (1, True, "not_ready")
    assert rows(site.folder / "data/issuer.db", "SELECT key_day FROM identities") == [(DAY + 28,)]
    assert rows(site.folder / "data/issuer.db", "SELECT * FROM hosted") == []
    status, told = run(site.folder, site.config)
    assert status == 1 and "days (not_ready)" in told
    monkeypatch.undo()
    status, told = run(site.folder, site.config)
    assert status == 0 and "purge-2026-11-20" in told


def test_a_duty_that_failed_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs the command by itself sees it by its exit status, a person by the sentence."""
    site = stopped(tmp_path / "issuer")
    site.set_day(DAY + 28)

    def refuse(_: object) -> None:
        raise NotReady("the disk does not answer")

    monkeypatch.setattr(Purger, "close_due_days", refuse)
    status, told = run(site.folder, site.config)
    assert status == 1 and "close_days (not_ready)" in told


def test_a_stopped_registrys_old_lists_and_alarms_go(tmp_path: Path) -> None:
    """What the registry keeps beside its days; an issuer that does not answer is no reason to keep it."""
    issuer = Issuer(7)
    issuer.list_days(DAY, DAY + 1)
    registry = Registry(tmp_path / "registry", [issuer])
    database = registry.folder / "data/venue.db"
    with registry.client() as client:
        assert client.get("/healthz").status_code == 200
    issuer.stop()
    with sqlite_utils.Database(database) as tables:
        assert [day for (day,) in tables.execute("SELECT day FROM issuer_keys ORDER BY day")] == [DAY, DAY + 1]
        columns = {column.name: 1 for column in tables.table("alarms").columns}
        tables.table("alarms").insert(columns | {"day": DAY})
    registry.set(NOON + 28 * 86400)
    status, told = run(registry.folder, registry.config, "--json")
    assert status == 0 and "purge-2026-11-20" in json.loads(told)["statements"]
    assert rows(database, "SELECT day FROM issuer_keys") == [(DAY + 1,)]
    assert rows(database, "SELECT * FROM alarms") == []
