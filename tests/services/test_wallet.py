"""The wallet as an object and as a command, against a real issuer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin import cli
from checkin.demo.stage import Stage, one_time_code
from checkin.errors import (
    BadSignature,
    BadStatus,
    CheckinError,
    NoteUntrusted,
    RequestInvalid,
    ServiceError,
    SettingsInvalid,
    Unauthorized,
    UnknownIssuerKey,
    Unreachable,
)
from checkin.http.client import Client
from checkin.parties import wallet
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from checkin.protocol.qr import read_image
from issuer.pending import CODE_DIGITS
from tests.support.commands import command as checkin

PHONES = iter(f"+8210{number:08}" for number in range(20_000_000, 20_000_100))


def register(town: Stage, path: Path) -> Wallet:
    """A new account with a wallet of its own."""
    issuer = town.deployment.url("issuer")
    registration = wallet.register(issuer, "Park Min", phone := next(PHONES))
    return wallet.confirm(issuer, registration, one_time_code(town.deployment, phone), path / "wallet.json")


def test_a_code_verifies_under_the_published_keys_alone(town: Stage, tmp_path: Path) -> None:
    """A developer needs nothing but GET /v1/keys and the specification to verify a code."""
    held = register(town, tmp_path)
    held.fetch(town.day, town.calendar, pinned=town.deployment.verifier("issuer"))
    opened = held.open_code(town.day)
    assert opened is not None
    with Client(town.deployment.url("issuer")) as client:
        answer = client.get("/v1/keys")
    keys = IssuerKeys(*(IssuerKey(answer["issuer"], b64url_decode(key["x"])) for key in answer["keys"]))
    now = town.clock.now()
    verified = presentation.verify(wallet.present(opened, now, town.calendar), now, town.calendar, lambda _: keys)
    assert verified.credential.issuer == answer["issuer"]
    assert verified.opening is None


def test_each_opening_takes_a_fresh_credential(town: Stage, tmp_path: Path) -> None:
    """Two doors never see the same visit id; ten openings use up a batch, across restarts of the wallet."""
    register(town, tmp_path).fetch(town.day, town.calendar)
    seen = set()
    for left in range(9, -1, -1):
        held = Wallet.load(tmp_path / "wallet.json")
        opened = held.open_code(town.day)
        assert opened is not None
        seen.add(opened.credential)
        assert held.left(town.day) == left
    assert len(seen) == 10
    assert Wallet.load(tmp_path / "wallet.json").open_code(town.day) is None


def test_a_paper_code_is_the_same_all_day(town: Stage, tmp_path: Path) -> None:
    """What was printed in the morning is what is scanned in the evening."""
    held = register(town, tmp_path)
    held.fetch(town.day, town.calendar, mode=Mode.PAPER)
    opened = held.open_code(town.day)
    assert opened is not None
    start = town.calendar.start(town.day)
    assert wallet.present(opened, start + 1, town.calendar) == wallet.present(opened, start + 80_000, town.calendar)


def test_the_file_is_for_its_owner_alone_and_forgets_days_that_are_over(town: Stage, tmp_path: Path) -> None:
    """A lost laptop does not tell where its owner was last week: with a batch of a day those of earlier days go."""
    held = register(town, tmp_path)
    held.fetch(town.day, town.calendar)
    assert (tmp_path / "wallet.json").stat().st_mode & 0o077 == 0
    held.held[town.day - 1] = held.held[town.day]
    held.fetch(town.day, town.calendar)
    assert list(Wallet.load(tmp_path / "wallet.json").held) == [town.day]


def tampered(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """An issuer that answers something else than it should."""
    honest = Client.post

    def post(self: Client, path: str, body: Any = None) -> Any:
        answer = honest(self, path, body)
        change(answer)
        return answer

    monkeypatch.setattr(Client, "post", post)


def flip(text: str, at: int) -> str:
    """The same bytes but for one bit."""
    data = bytearray(b64url_decode(text))
    data[at] ^= 1
    return b64url_encode(bytes(data))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda a: (a["credentials"].reverse(), a["status_openings"].reverse()), ServiceError),
        (lambda a: a["credentials"].pop(), ServiceError),
        (lambda a: a.pop("status_openings"), ServiceError),
        (lambda a: a["credentials"].__setitem__(3, flip(a["credentials"][3], 80)), BadSignature),
        (lambda a: a["credentials"].__setitem__(3, flip(a["credentials"][3], 8)), UnknownIssuerKey),
        (lambda a: a["status_openings"][0].__setitem__("status", 1), BadStatus),
    ],
    ids=["other holder keys", "one missing", "no openings", "changed", "a kid for one person alone", "another status"],
)
def test_a_batch_that_is_not_what_was_asked_for_is_refused(
    town: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, error: type[CheckinError]
) -> None:
    """An issuer cannot mark a visitor, and a broken one is noticed before the door."""
    held = register(town, tmp_path)
    tampered(monkeypatch, change)
    with pytest.raises(error):
        held.fetch(town.day, town.calendar)
    assert Wallet.load(tmp_path / "wallet.json").held == {}


def test_a_list_under_another_key_than_the_pinned_one_is_refused(town: Stage, tmp_path: Path) -> None:
    """Whoever stands between a wallet and its issuer cannot hand out keys."""
    held = register(town, tmp_path)
    stranger = NoteSigner("issuer.localhost", SigningKey(b"\x05" * 32)).verifier
    with pytest.raises(NoteUntrusted):
        held.fetch(town.day, town.calendar, pinned=stranger)


def test_problems_come_back_as_the_errors_they_stand_for(town: Stage, tmp_path: Path) -> None:
    """A developer can catch them by class, also when nobody answers."""
    with Client(town.deployment.url("issuer"), "nobody's token") as client, pytest.raises(Unauthorized):
        client.get("/v1/wallet")
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable):
        client.get("/healthz")
    (tmp_path / "no-wallet.json").write_text('{"held": 3}')
    with pytest.raises(SettingsInvalid):
        Wallet.load(tmp_path / "no-wallet.json")


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
    assert read_image(tmp_path / "qr.png") == [answer["token"]]
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
    monkeypatch.setattr(wallet, "register", lambda *_: "a registration")
    options = ["--issuer", "https://issuer.example", "--wallet", str(tmp_path / "w"), "--name", "A", "--phone", "1"]
    told = CliRunner().invoke(cli.app, ["qr", *options]).output
    assert "8 digits" in told and "outbox" not in told


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "1234567a", "१२३४५६७८"])
def test_what_cannot_be_a_code_costs_no_try(code: str, tmp_path: Path) -> None:
    """The issuer is not even asked; its codes have just so many digits."""
    assert CODE_DIGITS == wallet.CODE_DIGITS
    with pytest.raises(RequestInvalid, match="8 digits"):
        wallet.confirm("http://127.0.0.1:9", "a registration", code, tmp_path / "wallet.json")
