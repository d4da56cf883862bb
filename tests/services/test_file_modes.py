"""Nothing that a deployment or a command leaves on the disk can be read by another user of the machine."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from checkin.demo.stage import Stage, one_time_code
from checkin.service.addresses import free_ports
from tests.services.test_commands import three_in_a_row
from tests.support.commands import command

UMASK = 0o022


def readable(folder: Path) -> list[str]:
    """Files and folders that group or others have any right on; services make and remove drafts meanwhile."""
    found = []
    for path in [folder, *folder.rglob("*")]:
        with suppress(FileNotFoundError):
            if path.lstat().st_mode & 0o077 and not path.is_symlink():
                found.append(str(path))
    return sorted(found)


@pytest.fixture(autouse=True)
def lax() -> Iterator[None]:
    before = os.umask(UMASK)
    yield
    os.umask(before)


def checkin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, under the umask of most machines."""
    return command(*arguments, folder=folder)


def test_commands_and_services_leave_nothing_for_others_to_read(town: Stage, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    deployment = town.deployment
    issuer, registry, retention = (deployment.url(name) for name in ("issuer", "venue", "retention"))
    tokens, clock = deployment.folder / "tokens", ("--simulated-clock", str(town.folder / "clock"))
    begun = checkin(tmp_path, "qr", "--issuer", issuer, "--name", "Ahn", "--phone", "+821012345678", *clock)
    assert begun.returncode == 1 and readable(tmp_path) == []
    code = one_time_code(deployment, "+821012345678")
    whole = ("enrol", "--venue", registry, "--secret-file", str(tokens / "enrolment.token"))
    for arguments in (
        ("qr", "--issuer", issuer, "--code", code, "-o", "qr.png", *clock),
        whole,
        ("scan", "qr.png", "--venue", registry, "--scanner", "scanner.json", *clock),
        ("qr", "--issuer", issuer, "-o", "again.svg", *clock),
        ("witness", "init", "--dir", "witness", "--name", "w.example/1", "--log", deployment.log_verifier().vkey),
        ("authority", "init", "--dir", "authority", "--name", "h.example", "--allow-unfit-storage"),
        ("authority", "keys", "make", "--dir", "authority", "--allow-unfit-storage"),
        ("audit", "run", "--url", retention, "--token", str(tokens / "auditor.token")),
        ("audit", "verify", "--url", retention, "--vkeys", str(deployment.folder / "vkeys.txt"), "--save", "saved"),
        ("purge", "status", "--config", str(deployment.config("issuer")), *clock),
    ):
        done = checkin(tmp_path, *arguments)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 0 or arguments[0] == "audit", (arguments, done.stderr)
    made = {path.name for path in tmp_path.iterdir()}
    locks = {"wallet.json.lock", "scanner.json.lock"}
    assert made - locks == {"wallet.json", "qr.png", "again.svg", "scanner.json", "witness", "authority", "saved"}
    assert readable(tmp_path) == []
    assert readable(deployment.folder) == []


def test_a_folder_that_stood_open_is_closed_when_up_starts(tmp_path: Path) -> None:
    """As one of an older version is: everything that others could read."""
    folder = tmp_path / "mine"
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "checkin", "up", "--dir", str(folder), "--port", str(three_in_a_row())],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert "wallet" in process.stdout.readline()
        assert readable(folder) == []
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        assert readable(folder) == []
        for path in [folder, *folder.rglob("*")]:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o055 if path.is_dir() else 0o044))
        for secret in [*folder.rglob("*.key"), *folder.rglob("*.token"), *folder.rglob("share.txt")]:
            secret.chmod(0o600)


def test_a_token_that_others_can_read_is_refused_in_one_line(tmp_path: Path) -> None:
    [port] = free_ports(1)
    (tmp_path / "enrolment.token").write_text("abc\n")
    done = checkin(
        tmp_path, "enrol", "--venue", f"http://127.0.0.1:{port}", "--secret-file", "enrolment.token", "--json"
    )
    assert json.loads(done.stdout)["error"]["code"] == "settings_invalid"
    assert done.stderr.count("\n") == 1 and "chmod 600 enrolment.token" in done.stderr
