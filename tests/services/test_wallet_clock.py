"""A wallet on a machine whose clock is wrong: the issuer's signed time, which comes with each batch, sets it right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkin.demo.stage import Stage, one_time_code
from checkin.errors import NoteUntrusted
from checkin.http.client import Client
from checkin.parties import wallet
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys
from checkin.protocol.encoding import b64url_decode
from tests.support.commands import command

PHONES = iter(f"+8210{number:08}" for number in range(31_000_000, 31_000_100))
DAY = 86_400.0


def register(town: Stage, path: Path) -> Wallet:
    """A new account with a wallet of its own."""
    issuer = town.deployment.url("issuer")
    registration = wallet.register(issuer, "Han So-ra", phone := next(PHONES))
    return wallet.confirm(issuer, registration, one_time_code(town.deployment, phone), path / "wallet.json")


class Machine:
    """A machine that is `off` seconds ahead of the town; `uptime` goes on by itself, and nothing sets it."""

    simulated = True

    def __init__(self, town: Stage, off: float, uptime: float = 5000.0) -> None:
        self.off = off
        self._town, self._uptime, self._began = town, uptime, town.clock.now()
        self.passed = 0.0  # beside what passed in the town

    def now(self) -> float:
        return self._town.clock.now() + self.passed + self.off

    def boot(self) -> float:
        return self._uptime + self._town.clock.now() + self.passed - self._began

    def boot_id(self) -> str:
        return "one start"


def judge(town: Stage, text: str, now: float) -> None:
    """As a door does whose clock is right."""
    with Client(town.deployment.url("issuer")) as client:
        answer = client.get("/v1/keys")
    keys = IssuerKeys(*(IssuerKey(answer["issuer"], b64url_decode(key["x"])) for key in answer["keys"]))
    presentation.verify(text, now, town.calendar, lambda _: keys)


@pytest.mark.parametrize("off", [0.0, 5.0, -5.0, 8.0, -21.0, 3600.0, -3600.0, DAY, -DAY, 365 * DAY, -365 * DAY])
def test_a_wrong_clock_is_set_right_by_the_batch_that_is_asked_for_anyway(
    town: Stage, tmp_path: Path, off: float
) -> None:
    """The code opens a door, also with the clock set meanwhile, and after a day without a network."""
    held, machine = register(town, tmp_path), Machine(town, off)
    opened = held.open_today(town.calendar, machine)
    judge(town, wallet.present(opened, held.now(machine), town.calendar), town.clock.now())
    machine.off += 7200  # somebody sets it
    later = Wallet.load(tmp_path / "wallet.json")
    judge(town, wallet.present(opened, later.now(machine), town.calendar), town.clock.now())
    machine.passed = DAY / 4
    assert later.now(machine) == pytest.approx(town.clock.now() + DAY / 4, abs=1.1)


def test_a_machine_that_was_started_again_is_as_wrong_as_it_was(town: Stage, tmp_path: Path) -> None:
    """Its boot clock has begun anew; only its own clock is left."""
    held, machine = register(town, tmp_path), Machine(town, -40.0)
    held.open_today(town.calendar, machine)
    assert held.time is not None
    held.time.boot_id = "another start"
    assert held.now(Machine(town, -40.0, uptime=3.0)) == pytest.approx(town.clock.now(), abs=1.1)


def test_a_wrong_date_for_a_moment_costs_no_code(town: Stage, tmp_path: Path) -> None:
    """Whatever a machine says, codes go only with a day that is over by the issuer's time."""
    held = register(town, tmp_path)
    held.fetch(town.day, town.calendar)
    assert held.open_code(town.day + 400) is None
    assert Wallet.load(tmp_path / "wallet.json").left(town.day) == 10


def test_a_time_for_another_question_is_not_believed(
    town: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kept an old answer cannot set a wallet back; nothing of the batch is taken."""
    held, machine, honest = register(town, tmp_path), Machine(town, 0.0), Client.post

    def replayed(self: Client, path: str, body: object = None) -> object:
        return honest(self, path.partition("?")[0] + "?nonce=" + "A" * 22, body)

    monkeypatch.setattr(Client, "post", replayed)
    with pytest.raises(NoteUntrusted):
        held.fetch(town.day, town.calendar, clock=machine)
    assert held.time is None
    assert held.left(town.day) == 0


def test_the_command_names_a_wrong_clock_and_goes_by_the_right_one(town: Stage, tmp_path: Path) -> None:
    """A machine a year behind gets its code, and is told; so is whoever wants to show a status that is not there."""
    register(town, tmp_path)
    (tmp_path / "clock").write_text(f"{town.calendar.rfc3339(town.clock.now() - 365 * DAY)}\n900\n", encoding="ascii")
    options = ["--issuer", town.deployment.url("issuer"), "--simulated-clock", str(tmp_path / "clock")]
    done = command("qr", *options, "--show-status", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "clock is 365 days" in done.stderr
    assert "There is no status to show" in done.stderr
    judge(town, json.loads(done.stdout)["token"], town.clock.now())
