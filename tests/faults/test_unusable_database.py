"""A database that does not open keeps its service from starting with one line that names the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from checkin.deployment.deployment import SERVICES, Deployment
from checkin.errors import CheckinError, DatabaseUnusable
from checkin.files.database import StateFile, opening
from checkin.files.tables import SqliteTables
from checkin.service.addresses import free_ports
from checkin.service.launch import load
from issuer.database import ISSUER
from tests.faults.disk import INSTALL, Needs, can_mount, fill, mounted, new_image, run
from tests.support.commands import command

MAIN = {"issuer": "issuer.db", "venue": "venue.db", "retention": "retention.db"}

MADE: dict[str, Callable[[Path], StateFile]] = {
    "state.db": lambda path: StateFile(path, lambda _: None),
    "issuer.db": lambda path: SqliteTables(path.parent, ISSUER),
}


def damaged(path: Path) -> None:
    """Other bytes from the first one on."""
    path.write_bytes(b"not a database at all, but long enough to be read as one".ljust(8192, b"."))


def a_folder(path: Path) -> None:
    """In the place of the file."""
    path.mkdir()


def dangling(path: Path) -> None:
    """A link to a volume that is not there."""
    path.symlink_to(path.parent / "nowhere" / "file.db")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A folder that was never started."""
    return Deployment.open_or_make(tmp_path_factory.mktemp("house") / "up", free_ports(3))


@pytest.mark.parametrize("harm", [damaged, a_folder, dangling])
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_the_database_that_it_cannot_open(
    deployment: Deployment, service: str, harm: Callable[[Path], None]
) -> None:
    data = deployment.folder / service / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    path = data / MAIN[service]
    harm(path)
    try:
        with pytest.raises(DatabaseUnusable) as caught:
            load(service, deployment.config(service))
    finally:
        run("rm", "-r", path)
    assert str(path) in caught.value.detail and "\n" not in caught.value.detail
    assert caught.value.code == "database_unusable"


def test_the_commands_say_it_in_one_line(deployment: Deployment) -> None:
    """`serve`, also with several workers, and `up`, whose services' last words it repeats."""
    several = deployment.config("issuer").with_name("several.toml")
    several.write_text("workers = 2\n" + deployment.config("issuer").read_text())
    path = deployment.folder / "issuer" / "data" / "issuer.db"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    damaged(path)
    try:
        for words in (
            ["serve", "issuer", "--config", deployment.config("issuer")],
            ["serve", "issuer", "--config", several],
            ["up", "--dir", deployment.folder],
        ):
            done = command(*words)
            said = done.stdout + done.stderr
            assert done.returncode == 1, said
            assert "Traceback" not in said
            last = done.stderr.strip().splitlines()[-1]
            assert "database_unusable" in last and str(path) in last and "backup" in last
    finally:
        path.unlink()


def test_a_database_that_another_program_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkin.files.database.TIMEOUT", 0.05)
    path = tmp_path / "state.db"
    StateFile(path, lambda _: None).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnusable, match="another program holds it"):
            StateFile(path, lambda _: None)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_told_as_such(tmp_path: Path, needs: Needs, trouble: str) -> None:
    """Both kinds of opening; with the disk well again the same file opens."""
    needs("a disk of one's own (root)", can_mount(tmp_path), INSTALL)
    with mounted(new_image(tmp_path / "disk.img", 8), tmp_path / "disk") as disk:
        data, filler = disk / "data", disk / "filler"
        data.mkdir(mode=0o700)
        if trouble == "full":
            fill(filler)
        else:
            run("mount", "-o", "remount,ro", disk)
        for name, make in MADE.items():
            with pytest.raises(DatabaseUnusable, match=f"{data / name} .*(full|writable)"):
                make(data / name)
        if trouble == "full":
            filler.unlink()
        else:
            run("mount", "-o", "remount,rw", disk)
        for name, make in MADE.items():
            make(data / name).close()


def test_an_error_of_ours_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(CheckinError) as caught, opening(tmp_path / "state.db"):
        raise CheckinError("as it was")
    assert not isinstance(caught.value, DatabaseUnusable)
