"""`checkin witness`: what an organisation needs that has nothing else of this project."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from checkin.cli.witness import app
from checkin.errors import AddressTaken, NoteMalformed, RequestInvalid, SettingsInvalid, SimulationRefused
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.service.addresses import free_ports
from checkin.service.limits import MAX_HEAD_BYTES
from checkin.tlog.checkpoint import Checkpoint, CosignatureVerifier, open_checkpoint
from checkin.tlog.merkle import leaf_hash
from checkin.tlog.witness import AddCheckpoint
from checkin.tlog.witness_folder import add_log, make_folder, open_witness, read_logs
from tests.support.waiting import answers, until

LOG = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
NOTE = sign_note(Checkpoint(LOG.name, 1, leaf_hash(b"")).write(), LOG)


def run(*arguments: str | Path) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_a_witness_is_made_with_one_command(tmp_path: Path) -> None:
    """It prints what others pin; the key is for its owner alone, and is not printed."""
    folder = tmp_path / "witness"
    vkey = run("init", "--dir", folder, "--name", "witness.example/w1", "--log", LOG.verifier.vkey).strip()
    assert CosignatureVerifier.parse(vkey).name == "witness.example/w1"
    key = folder / "cosigning.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in vkey
    report = json.loads(run("status", "--dir", folder, "--json"))
    assert report == {"vkey": vkey, "logs": {LOG.name: 0}, "evidence": []}
    assert run("status", "--dir", folder) == f"{LOG.name}: 0 entries\n"


def test_more_logs_are_watched_and_none_twice(tmp_path: Path) -> None:
    """By their verifier keys."""
    folder = tmp_path / "witness"
    run("init", "--dir", folder, "--name", "witness.example/w1")
    assert run("status", "--dir", folder) == "Watching no log.\n"
    other = NoteSigner("other.example/log", SigningKey(b"\x08" * 32)).verifier.vkey
    run("add-log", "--dir", folder, "--log", LOG.verifier.vkey, "--log", other)
    run("add-log", "--dir", folder, "--log", LOG.verifier.vkey)
    assert [log.origin for log in read_logs(folder)] == [LOG.name, "other.example/log"]
    with pytest.raises(NoteMalformed):
        run("add-log", "--dir", folder, "--log", "no key")


def test_a_log_whose_origin_is_not_its_keys_name_is_watched_by_that_origin(tmp_path: Path) -> None:
    """One log at a time; an origin that no checkpoint can begin with changes nothing."""
    folder = tmp_path / "witness"
    run("init", "--dir", folder, "--name", "witness.example/w1")
    add = ("add-log", "--dir", folder, "--log", LOG.verifier.vkey)
    for origin in ("", "two\nlines"):
        with pytest.raises(NoteMalformed):
            run(*add, "--origin", origin)
    with pytest.raises(RequestInvalid, match="one log's"):
        run(*add, "--log", NoteSigner("b.example/log", SigningKey(b"\x08" * 32)).verifier.vkey, "--origin", "a.example")
    assert read_logs(folder) == []
    assert run(*add, "--origin", "go.sum database tree") == "Watching go.sum database tree.\n"
    assert json.loads(run("status", "--dir", folder, "--json"))["logs"] == {"go.sum database tree": 0}
    witness = open_witness(folder)
    head = sign_note(Checkpoint("go.sum database tree", 1, leaf_hash(b"")).write(), LOG)
    assert witness.add_checkpoint(AddCheckpoint(0, (), head).write(), 1_795_000_000).startswith("— witness.example/w1 ")
    witness.state.close()


def test_a_second_witness_in_a_folder_is_refused(tmp_path: Path) -> None:
    """A key is never written over; and a folder without a witness is named as such."""
    make_folder(tmp_path, "witness.example/w1")
    before = (tmp_path / "cosigning.key").read_bytes()
    with pytest.raises(SettingsInvalid, match="already"):
        run("init", "--dir", tmp_path, "--name", "witness.example/w2")
    assert (tmp_path / "cosigning.key").read_bytes() == before
    for command in ("status", "serve"):
        with pytest.raises(SettingsInvalid, match="no witness"):
            run(command, "--dir", tmp_path / "elsewhere")


def test_a_witness_of_a_log_that_is_no_key_is_not_half_made(tmp_path: Path) -> None:
    """The same command with the right key then makes it."""
    folder = tmp_path / "witness"
    for logs in (["nonsense"], [LOG.verifier.vkey, "nonsense"]):
        with pytest.raises(NoteMalformed):
            run("init", "--dir", folder, "--name", "witness.example/w1", *(x for log in logs for x in ("--log", log)))
        assert not folder.exists()
    run("init", "--dir", folder, "--name", "witness.example/w1", "--log", LOG.verifier.vkey)
    assert [log.origin for log in read_logs(folder)] == [LOG.name]


def test_a_witness_on_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    """As a service does: with the address, and what to do."""
    make_folder(tmp_path, "witness.example/w1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTaken, match=f"127.0.0.1:{port} .* choose another address or port"):
            run("serve", "--dir", tmp_path, "--port", str(port))


def test_a_folder_that_was_tampered_with_does_not_open(tmp_path: Path) -> None:
    """A key that others can read, another key, a list that is none."""
    make_folder(tmp_path, "witness.example/w1")
    add_log(tmp_path, LOG.verifier.vkey)
    open_witness(tmp_path).state.close()
    key = tmp_path / "cosigning.key"
    good = key.read_bytes()
    key.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        open_witness(tmp_path)
    key.chmod(0o600)
    key.write_text("A" * 43 + "=\n")
    with pytest.raises(SettingsInvalid, match="not the one"):
        open_witness(tmp_path)
    key.write_bytes(good)
    (tmp_path / "logs.txt").write_text("nonsense\n")
    with pytest.raises(SettingsInvalid, match=r"logs\.txt"):
        open_witness(tmp_path)


def test_a_simulated_witness_says_so_in_its_name(tmp_path: Path) -> None:
    """And never serves under the other kind of clock."""
    clock = tmp_path / "clock"
    clock.write_text("2026-11-22T12:00:00+09:00\n")
    real, simulated = tmp_path / "real", tmp_path / "simulated"
    run("init", "--dir", real, "--name", "witness.example/w1")
    vkey = run("init", "--dir", simulated, "--name", "witness.example/w1", "--simulated-clock", clock)
    assert vkey.startswith("witness.example/w1/simulated+")
    for folder, made_up in ((real, True), (simulated, False)):
        with pytest.raises(SimulationRefused):
            open_witness(folder, simulated=made_up)
    open_witness(simulated, simulated=True).state.close()


def test_a_witness_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """As another organisation would run it, and as a log would ask it."""
    vkey = make_folder(tmp_path, "witness.example/w1").vkey
    add_log(tmp_path, LOG.verifier.vkey)
    with _serving(tmp_path) as port:
        url = f"http://127.0.0.1:{port}/add-checkpoint"
        answer = httpx.post(url, content=AddCheckpoint(0, (), NOTE).write().encode(), timeout=60, trust_env=False)
    assert answer.status_code == 200
    witness = CosignatureVerifier.parse(vkey)
    assert open_checkpoint(NOTE + answer.text, LOG.verifier, [witness]).size == 1
    assert json.loads(run("status", "--dir", tmp_path, "--json"))["logs"] == {LOG.name: 1}


def test_a_stranger_makes_a_witness_hold_little(tmp_path: Path) -> None:
    """Headers without end, and one connection more than it takes: both are refused, as a service refuses them."""
    make_folder(tmp_path, "witness.example/w1")
    with _serving(tmp_path, "from checkin.service import launch; launch.MAX_CONNECTIONS = 2") as port:
        with _connected(port) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\na: " + b"b" * (MAX_HEAD_BYTES + 1))
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        with _connected(port), _connected(port) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")


def test_a_request_that_does_not_come_is_not_waited_for_by_a_witness(tmp_path: Path) -> None:
    """Whoever opens connections and says nothing does not keep them."""
    make_folder(tmp_path, "witness.example/w1")
    with (
        _serving(tmp_path, "from checkin.service import limits; limits.REQUEST_SECONDS = 0.5") as port,
        _connected(port) as connection,
    ):
        assert connection.recv(100) == b""


@contextmanager
def _serving(folder: Path, before: str = "") -> Iterator[int]:
    """The port of a witness that answers, in a process of its own; `before` is done there first."""
    [port] = free_ports(1)
    program = f"{before}\nfrom checkin.cli.witness import app\napp()"
    command = [sys.executable, "-c", program, "serve", "--dir", str(folder), "--port", str(port)]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
            yield port
        finally:
            process.terminate()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)
