"""`checkin change-master`: only where nobody has the master key in memory, and nobody goes on half way."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin import cli
from checkin.cli import purge
from checkin.errors import FolderInUse, NotReady, RequestInvalid, SettingsInvalid
from checkin.files.durable import held_alone
from checkin.keys.secret_file import read_secret
from checkin.keys.slots import SlotFolder
from checkin.service.identity import IN_USE
from tests.support.purging_service import House, day_key
from tests.support.ring_in_process import Ring
from tests.support.service_folder import DAY, HOUR, at, make_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry's, with settings and a day, that does not run."""
    make_service(tmp_path)
    House(tmp_path).first_day()
    gc.collect()
    return tmp_path


def change(folder: Path, *options: str) -> str:
    """What the command prints; what it raises comes through."""
    done = CliRunner().invoke(cli.app, ["change-master", "--config", str(folder / "settings.toml"), *options])
    if done.exception:
        raise done.exception
    return done.stdout


def stop_half_way(folder: Path) -> None:
    """The disk fails when the first of two slots is done."""
    rewrite = SlotFolder.rewrite

    def once(ring: SlotFolder, name: str, anew: Callable[[bytes], bytes]) -> bool:
        if name != str(day_key()):
            raise OSError("the disk failed")
        return rewrite(ring, name, anew)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SlotFolder, "rewrite", once)
        with pytest.raises(OSError, match="the disk failed"):
            change(folder)


def test_a_service_goes_on_with_its_keys_under_another_master_key(folder: Path) -> None:
    former, key = read_secret(folder / "master.key"), House(folder).party.ring.use(day_key())
    gc.collect()
    assert json.loads(change(folder, "--json")) == {"service": "registry.example", "slots": 2}
    assert "2 keys of registry.example" in change(folder)
    assert read_secret(folder / "master.key") != former
    house = House(folder)
    assert house.party.ring.use(day_key()) == key and list(house.store.rows(DAY))


def test_it_waits_until_nobody_has_the_key_in_memory(folder: Path) -> None:
    """A service that ran on would make its next keys under the former one, which then lies nowhere any more."""
    before = (folder / "master.key").read_bytes()
    house = House(folder)
    with pytest.raises(FolderInUse):
        change(folder)
    del house
    gc.collect()
    with held_alone(folder / "keys" / IN_USE), pytest.raises(FolderInUse):  # by another command
        change(folder)
    (folder / "keys" / IN_USE).unlink()
    with pytest.raises(NotReady, match="start the service once"):
        change(folder)
    assert (folder / "master.key").read_bytes() == before


def test_a_service_reads_its_master_key_when_nobody_can_change_it_any_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one that starts in the same moment would run with the former one."""

    def looking(path: Path) -> bytes:
        with pytest.raises(FolderInUse):
            change(folder)
        return read_secret(path)

    monkeypatch.setattr("checkin.service.identity.read_secret", looking)
    House(folder)


def test_stopped_half_way_nothing_starts_what_is_due_is_destroyed_and_a_repetition_finishes(folder: Path) -> None:
    stop_half_way(folder)
    (folder / "clock").write_text(at(DAY + 28, HOUR) + "\n")
    with pytest.raises(SettingsInvalid, match="run checkin change-master again"):
        House(folder)
    gc.collect()
    known = ("--config", str(folder / "settings.toml"), "--simulated-clock", str(folder / "clock"))
    done = CliRunner().invoke(purge.app, ["run", *known, "--confirm-clock", "--json"])
    assert json.loads(done.stdout)["keys"] == [str(day_key())] and "change-master again" in done.stdout
    gc.collect()
    assert json.loads(change(folder, "--json"))["slots"] == 1
    assert {path.name for path in folder.glob("*.key")} == {"master.key", "statement.key"}
    assert len(House(folder).party.ring.use(day_key(DAY + 1))) == 32


def test_a_ring_nodes_master_key_is_changed_so_too(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring")
    ring.node("a")
    ring.forget()
    gc.collect()
    commitment, former = ring.keys("a").make(day_key(), oldest=0), read_secret(tmp_path / "ring/a/master.key")
    ring.config("a").rename(tmp_path / "ring/a/settings.toml")
    assert json.loads(change(tmp_path / "ring/a", "--json"))["slots"] == 1
    assert ring.keys("a").commitment(day_key()) == commitment
    assert read_secret(tmp_path / "ring/a/master.key") != former


def test_where_nodes_hold_the_keys_it_says_so(folder: Path) -> None:
    peers = "".join(
        f'[[ring.nodes]]\nurl = "http://127.0.0.1:{port}"\nvkey = "{House(folder).party.signer.verifier.vkey}"\n'
        for port in (1, 2, 3)
    )
    settings = folder / "settings.toml"
    ring = f'[ring]\nname = "app-1.registry.example"\nkey = "app.key"\n{peers}'
    settings.write_text(settings.read_text().replace('master_key = "master.key"\n', "") + ring)
    with pytest.raises(RequestInvalid, match="each node"):
        change(folder)
