"""The wallet as an object and as a command, against a real issuer."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin import cli
from checkin.demo.stage import Stage, one_time_code, registered
from checkin.errors import SettingsInvalid, Unauthorized, Unreachable
from checkin.files.json_file import load_party, save_party
from checkin.http.asking import drive
from checkin.http.client import Client
from checkin.parties import wallet
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.presentation import Presentation
from checkin.protocol.qr import read_image
from tests.support.commands import command as checkin

PHONES = iter(f"+8210{number:08}" for number in range(20_000_000, 20_000_100))


def judge(town: Stage, text: str) -> Presentation:
    """A developer needs nothing but GET /v1/keys and the specification to verify a code."""
    with Client(town.deployment.url("issuer")) as client:
        answer = client.get("/v1/keys")
    keys = IssuerKeys(*(IssuerKey(answer["issuer"], b64url_decode(key["x"])) for key in answer["keys"]))
    return presentation.verify(text, town.clock.now(), town.calendar, lambda _: keys)


def test_a_code_verifies_under_the_published_keys_alone(town: Stage) -> None:
    """A real issuer's, for a wallet that pins its key."""
    held = registered(town.deployment, "Park Min", next(PHONES))
    town.at("issuer", held.fetch(town.day, town.calendar, pinned=town.deployment.verifier("issuer")))
    opened = drive(held.open_code(town.day))
    assert opened is not None
    assert judge(town, wallet.present(opened, town.clock.now(), town.calendar)).opening is None


def test_problems_come_back_as_the_errors_they_stand_for(town: Stage, tmp_path: Path) -> None:
    """A developer can catch them by class, also when nobody answers."""
    with Client(town.deployment.url("issuer"), "nobody's token") as client, pytest.raises(Unauthorized):
        client.get("/v1/wallet")
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable):
        client.get("/healthz")
    (tmp_path / "no-wallet.json").write_text('{"held": 3}')
    with pytest.raises(SettingsInvalid):
        load_party(Wallet, tmp_path / "no-wallet.json")


def command(town: Stage, folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`checkin qr` in a folder of its own, under the town's clock."""
    options = ["--issuer", town.deployment.url("issuer"), "--simulated-clock", str(town.folder / "clock")]
    return checkin("qr", *options, *arguments, folder=folder, stdin=stdin)


def test_the_command_registers_in_two_calls_and_draws_a_picture(town: Stage, tmp_path: Path) -> None:
    """A script gives name and phone, then the code from the message; later it just asks for codes."""
    first = command(town, tmp_path, "--name", "Lee Ha-na", "--phone", phone := next(PHONES))
    assert first.returncode == 1
    assert "repeat the command with --code" in first.stderr
    done = command(town, tmp_path, "--code", one_time_code(town.deployment, phone), "-o", "qr.png", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert read_image((tmp_path / "qr.png").read_bytes()) == [answer["token"]]
    again = command(town, tmp_path, "-o", "qr.svg")
    assert again.returncode == 0
    assert "8 more codes today" in again.stdout
    plain = command(town, tmp_path)
    assert plain.stdout.startswith("CK1:")


def test_the_command_asks_for_what_it_was_not_given(town: Stage, tmp_path: Path) -> None:
    """A person at a terminal answers questions instead of reading a manual."""
    done = command(town, tmp_path, "-o", "qr.png", stdin=f"Choi Sun\n{next(PHONES)}\n12345\n00000000\n00000000\n")
    assert done.returncode == 1
    assert "Code from the message, 8 digits" in done.stderr
    assert "issuer/data/outbox" in done.stderr
    assert "A one-time code has 8 digits." in done.stderr
    assert "checkin: code_wrong: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "qr.png").exists()


def test_an_issuer_elsewhere_sends_its_messages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is sent to look for a folder that is on another machine."""
    monkeypatch.setattr(Client, "post", lambda *_: {"registration_id": "a-registration"})
    options = ["--issuer", "https://issuer.example", "--wallet", str(tmp_path / "w"), "--name", "A", "--phone", "1"]
    told = CliRunner().invoke(cli.app, ["qr", *options]).output
    assert "8 digits" in told and "outbox" not in told


def test_the_command_names_a_wrong_clock_and_goes_by_the_right_one(town: Stage, tmp_path: Path) -> None:
    """A machine a year behind gets its code, and is told; so is whoever wants to show a status that is not there."""
    registered(town.deployment, "Han So-ra", next(PHONES), partial(save_party, tmp_path / "wallet.json"))
    year_ago = town.calendar.rfc3339(town.clock.now() - 365 * 86_400)
    (tmp_path / "clock").write_text(f"{year_ago}\n900\n", encoding="ascii")
    options = ["--issuer", town.deployment.url("issuer"), "--simulated-clock", str(tmp_path / "clock")]
    done = checkin("qr", *options, "--show-status", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "clock is 365 days" in done.stderr
    assert "There is no status to show" in done.stderr
    judge(town, json.loads(done.stdout)["token"])
