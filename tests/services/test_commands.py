"""The commands as a clumsy person meets them: ports in use, wrong files, a terminal closed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from checkin.demo.stage import Stage
from checkin.deployment.phone import require_address
from checkin.errors import RequestInvalid, Unauthorized, Unreachable
from checkin.http.client import Client
from checkin.service import addresses
from checkin.service.addresses import free_ports
from tests.support.commands import command
from tests.support.waiting import until

PHONE = "127.0.0.2"  # an address of its own that is a loopback address all the same


def checkin(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command, in a folder of its own."""
    return command(*arguments, folder=folder, stdin=stdin)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_named_before_anything_is_made(tmp_path: Path, taken: int) -> None:
    """Nothing is sent to whoever answers there, and no half-made folder is left."""
    done = checkin(tmp_path, "up", "--dir", "mine", "--port", str(taken - 2))
    assert done.returncode == 1
    assert done.stderr.startswith("checkin: address_taken: 127.0.0.1:")
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "my-laptop.local", "224.0.0.1"])  # noqa: S104 - what is refused
def test_a_host_that_no_phone_can_reach_is_refused_before_anything_is_made(tmp_path: Path, host: str) -> None:
    """It says what to give instead."""
    with pytest.raises(RequestInvalid, match=r"192\.168"):
        require_address(host)
    assert require_address("192.168.0.10") == "192.168.0.10"
    assert list(tmp_path.iterdir()) == []


def three_in_a_row() -> int:
    """The first of three ports that nobody listens on, and nobody else was given."""
    while True:
        [port] = free_ports(1)
        if addresses._hold(port + 1) and addresses._hold(port + 2):
            return port


def test_ending_up_ends_its_services(tmp_path: Path) -> None:
    """`kill` leaves no process behind that keeps the ports."""
    port = three_in_a_row()
    process = subprocess.Popen(
        [sys.executable, "-m", "checkin", "up", "--dir", str(tmp_path / "mine"), "--port", str(port), "--host", PHONE],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    told = ""
    while "certificate" not in told.rpartition("On a phone")[2]:
        line = process.stdout.readline()
        assert line, told
        told += line
    assert f"http://127.0.0.1:{port}/wallet" in told and f"https://{PHONE}:{port}/wallet" in told
    trusted = ssl.create_default_context(cafile=tmp_path / "mine" / "phone" / f"{PHONE}.crt")
    for offset in range(3):  # reached over TLS under a certificate that names the address
        answer = httpx.get(f"https://{PHONE}:{port + offset}/healthz", verify=trusted, trust_env=False, timeout=60)
        assert answer.json()["status"] == "ok"
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=120)
    process.stdout.close()
    deadline = time.monotonic() + 60
    for offset in range(3):
        with Client(f"http://127.0.0.1:{port + offset}") as client, pytest.raises(Unreachable):
            while time.monotonic() < deadline:
                client.get("/healthz")
                time.sleep(0.2)


def test_enrolling_leaves_a_scanner_that_scans(town: Stage, tmp_path: Path) -> None:
    """One command from the enrolment secret to a scanner's file; it overwrites nothing."""
    secret = str(town.deployment.folder / "tokens" / "enrolment.token")
    enrol = ("enrol", "--venue", town.deployment.url("venue"), "--secret-file", secret)
    answer = json.loads(checkin(tmp_path, *enrol, "--json").stdout)
    file = json.loads((tmp_path / "scanner.json").read_text())
    assert (file["venue_id"], file["scanner_id"]) == (answer["venue_id"], answer["scanner_id"])
    assert (tmp_path / "scanner.json").stat().st_mode & 0o077 == 0
    scanned = checkin(
        tmp_path, "scan", "CK1:A", "--venue", town.deployment.url("venue"), "--scanner", "scanner.json",
        "--simulated-clock", str(town.folder / "clock"),
    )  # fmt: skip
    assert scanned.stderr.startswith("checkin: token_malformed: ")
    assert checkin(tmp_path, *enrol).returncode == 1


def test_a_deployment_leaves_the_keys_under_which_its_log_verifies(town: Stage, tmp_path: Path) -> None:
    """Also for who only tries it out: the officers' among them, whose lists and orders are in the log."""
    vkeys = str(town.deployment.folder / "vkeys.txt")
    done = checkin(tmp_path, "audit", "verify", "--url", town.deployment.url("retention"), "--vkeys", vkeys, "--json")
    assert json.loads(done.stdout)["faults"] == []


def test_files_that_cannot_be_written_are_told_in_one_line(tmp_path: Path) -> None:
    """No traceback for a wrong path, a file where a folder should be, or an address without its scheme."""
    (tmp_path / "file").write_text("")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for arguments, code in [
        (["qr", "--issuer", "http://127.0.0.1:9", "-o", "nowhere/a.png"], "file_trouble"),
        (["qr", "--issuer", "http://127.0.0.1:9", "-o", "a.txt"], "invalid_request"),
        (["qr", "--issuer", "127.0.0.1:9", "--name", "A", "--phone", "1"], "invalid_request"),
        (["up", "--dir", "file"], "settings_invalid"),
        (["enrol", "--venue", "http://127.0.0.1:9", "--secret-file", "bytes"], "settings_invalid"),
        (["audit", "run", "--url", "http://127.0.0.1:9", "--token", "bytes"], "settings_invalid"),
        (["demo", "--dir", "file"], "settings_invalid"),
        (["serve", "issuer", "--config", "nowhere.toml"], "settings_invalid"),
        (["serve", "kiosk", "--config", "nowhere.toml"], "invalid_request"),
        (["authority", "keys", "list", "--dir", "file", "-o", "nowhere/keys.txt"], "settings_invalid"),
    ]:
        done = checkin(tmp_path, *arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith(f"checkin: {code}: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path) -> None:
    """A program that reads standard output finds the code there."""
    done = checkin(tmp_path, "qr", "--issuer", "http://127.0.0.1:9", "--name", "A", "--phone", "1", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "unreachable"
    assert done.returncode == 1


def test_a_terminal_without_check_marks_shows_something(tmp_path: Path) -> None:
    """An old terminal is no reason to stop."""
    line = [sys.executable, "-m", "checkin", "demo", "--dir", "/dev/null/x"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr.startswith("checkin: settings_invalid: ")


def test_the_address_of_another_service_is_called_that(town: Stage, tmp_path: Path) -> None:
    """Whoever mixes up the ports reads which service answered and which one it takes."""
    issuer, registry, retention = (town.deployment.url(name) for name in ("issuer", "venue", "retention"))
    tokens, vkeys = town.deployment.folder / "tokens", str(town.deployment.folder / "vkeys.txt")
    enrolment, auditor = str(tokens / "enrolment.token"), str(tokens / "auditor.token")
    (tmp_path / "s.json").write_text('{"venue_id": "00", "scanner_id": "00", "scanner_token": "x"}')
    for arguments, told in [
        (["qr", "--issuer", registry, "--name", "A", "--phone", "1"], "registry: give that of the issuer"),
        (["enrol", "--venue", issuer, "--secret-file", enrolment], "issuer: give that of the registry"),
        (["scan", "CK1:A", "--venue", retention, "--scanner", "s.json"], "service: give that of the registry"),
        (["audit", "verify", "--url", issuer, "--vkeys", vkeys], "issuer: give that of the retention service"),
        (["audit", "show", "--url", registry], "registry: give that of the retention service"),
        (["audit", "run", "--url", issuer, "--token", auditor], "issuer: give that of the retention service"),
        (["audit", "show", "9999", "--url", retention], "There is no audit with this number"),
    ]:
        done = checkin(tmp_path, *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("checkin: not_found: ") and told in done.stderr, done.stderr


def test_an_operators_token_is_renewed_and_a_venue_closed_by_command(town: Stage, tmp_path: Path) -> None:
    """With the enrolment secret alone; the old token is void, and without an answer nothing is closed."""
    registry, secret = town.deployment.url("venue"), tmp_path / "secret"
    with Client(registry, town.deployment.token("enrolment")) as client:
        venue = client.post("/v1/venues", {"name": "Kiosk", "category": "shop"})
    place, token = venue["venue_id"], venue["operator_token"]
    secret.touch(mode=0o600)
    secret.write_text(town.deployment.token("enrolment"), encoding="ascii")
    options = [place, "--registry", registry, "--secret-file", str(secret)]
    done = checkin(tmp_path, "venue", "renew-token", *options, "--json")
    assert done.returncode == 0, done.stderr
    renewed = json.loads(done.stdout)["operator_token"]
    assert opens(registry, place, renewed)
    assert not opens(registry, place, token)
    assert checkin(tmp_path, "venue", "close", *options, stdin="\n").returncode == 1
    assert opens(registry, place, renewed)
    assert checkin(tmp_path, "venue", "close", *options, stdin="y\n").stdout.strip() == f"venue {place} is closed"
    assert not opens(registry, place, renewed)
    for name, told in ((place, "not_found"), ("../keys", "invalid_request")):
        done = checkin(tmp_path, "venue", "close", name, *options[1:], "--yes")
        assert done.returncode == 1
        assert done.stderr.startswith(f"checkin: {told}: ")


def opens(registry: str, venue: str, token: str) -> bool:
    """Whether the token is that of the venue's operator."""
    with Client(registry, token) as client:
        try:
            return bool(client.get(f"/v1/venues/{venue}")["venue_id"] == venue)
        except Unauthorized:
            return False


def test_a_deployments_first_audit_waits_until_every_service_is_ready(town: Stage) -> None:
    """One that is made while a service still waits for the log would call a good deployment a bad one."""
    with Client(town.deployment.url("retention")) as client:
        first = until(lambda: client.get("/v1/audits")["audits"])[-1]
        shown = client.get(f"/v1/audits/{first['place']}")
    assert shown["counts"]["fail"] == 0 and "not_ready" not in json.dumps(shown)
