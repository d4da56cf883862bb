"""Folders of an older version go on working, or are refused in one line; folders of a newer one are refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from checkin.demo.stage import registered
from checkin.deployment.deployment import MARKER, Deployment
from checkin.deployment.processes import Processes
from checkin.errors import FormatUnsupported
from checkin.files.format import FILE, require_format
from checkin.files.json_file import load_party, save_party
from checkin.http.client import Client
from checkin.parties.scanner import Scanner
from checkin.parties.wallet import Wallet
from checkin.service.addresses import free_ports
from tests.services.test_commands import checkin

PHONE = "+821012345678"
DATABASES = {
    "issuer/data/issuer.db": "DROP TABLE endings; ALTER TABLE identities DROP COLUMN recovery; PRAGMA user_version = 1",
    "venue/data/venue.db": "DROP TABLE endings; DROP TABLE changes; PRAGMA user_version = 0",
}


def make_old(folder: Path) -> None:
    """The layout of the last version without numbers."""
    for name in (FILE, "generation.json", "signed-head.json", "checkpoint.txt", "vkeys.txt"):
        for path in folder.rglob(name):
            path.unlink()
    for path in folder.rglob("journal"):
        shutil.rmtree(path)
    for database, script in DATABASES.items():
        with closing(sqlite3.connect(folder / database)) as connection:
            connection.executescript(script)
    for path in (folder / MARKER, folder / "wallet.json"):
        content = json.loads(path.read_text())
        del content["format"]
        path.write_text(json.dumps(content))
    for path in folder.rglob("*"):
        if path.suffix not in (".key", ".token") and path.name != "share.txt":
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_folder_of_the_version_before_goes_on_working(tmp_path: Path) -> None:
    """Its account opens, nothing is called a restored backup, and all of it has numbers afterwards."""
    folder = tmp_path / "mine"
    deployment = Deployment.open_or_make(folder, free_ports(3))
    vkeys = (folder / "vkeys.txt").read_text()
    with Processes(deployment):
        registered(deployment, "Ahn", PHONE, partial(save_party, folder / "wallet.json"))
    make_old(folder)
    deployment = Deployment.open_or_make(folder, tuple(deployment.ports.values()))
    assert (folder / "vkeys.txt").read_text() == vkeys
    with Processes(deployment):
        wallet = load_party(Wallet, folder / "wallet.json")
        with Client(deployment.url("issuer"), wallet.token) as client:
            assert client.get("/v1/wallet")["phone"] == PHONE
            client.delete("/v1/wallet")
        for service in deployment.ports:
            with Client(deployment.url(service)) as client:
                assert client.get("/readyz")["ready"]
    for place in ("issuer/data", "issuer/keys", "venue/data", "venue/keys", "retention/data/log", "authority"):
        assert (folder / place / FILE).is_file()


def test_a_deployment_whose_lists_are_in_no_log_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    deployment = Deployment.open_or_make(folder, free_ports(3))
    (folder / MARKER).write_text(json.dumps({"ports": deployment.ports}))
    config = deployment.config("issuer")
    lines = config.read_text().splitlines()
    config.write_text("\n".join("log = {}" if line.startswith("log = ") else line for line in lines))
    done = checkin(tmp_path, "up", "--dir", "mine")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("checkin: format_unsupported: ") and "docs/upgrading.md" in done.stderr


@pytest.mark.parametrize("place", ["issuer/data", "issuer/keys", "retention/data/log", "authority", MARKER])
def test_a_newer_folder_is_refused_in_one_line_that_says_who_wrote_it(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "mine"
    deployment = Deployment.open_or_make(folder, free_ports(3))
    path = folder / place
    if place == MARKER:
        path.write_text(json.dumps({"format": 7, "ports": deployment.ports}))
        command: tuple[str, ...] = ("up", "--dir", "mine")
    else:
        path.mkdir(parents=True, exist_ok=True)
        kind = {"data": "data folder", "keys": "key ring", "log": "log", "authority": "authority"}[path.name]
        (path / FILE).write_text(f"{kind} 7\nwritten by checkin 9.9.9\n")
        service = place.partition("/")[0]
        command = ("serve", service, "--config", str(deployment.config(service)))
    if place == "authority":
        command = ("authority", "keys", "status", "--dir", str(path), "--allow-unfit-storage")
    done = checkin(tmp_path, *command)
    assert (done.returncode, done.stderr.count("checkin: ")) == (1, 1), done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith("checkin: format_unsupported: ") and "format 7" in told and "docs/upgrading.md" in told
    assert place == MARKER or "9.9.9" in told


WRITTEN = "written by checkin 1\n"


@pytest.mark.parametrize("content", [f"witness 1\n{WRITTEN}", f"key ring 2\n{WRITTEN}", "key ring x\n", "", "." * 40])
def test_a_folder_of_another_kind_or_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(FormatUnsupported):
        require_format(tmp_path, "key ring")


@pytest.mark.parametrize("number", [2, 0, "1", None, True])
def test_a_newer_wallet_or_scanner_is_refused_before_anything_is_read(tmp_path: Path, number: object) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"format": number}))
    for kind in (Wallet, Scanner):
        with pytest.raises(FormatUnsupported):
            load_party(kind, path)
