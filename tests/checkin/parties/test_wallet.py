"""A wallet step by step, with an issuer's answers that the test makes: no server, no file. More of what it refuses is
in `checkin/conformance/wallet_rules.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checkin.conformance.counterpart import CALENDAR, NOON
from checkin.conformance.wallet_rules import WalletStage
from checkin.errors import (
    BadSignature,
    BadStatus,
    CheckinError,
    DayNotIssued,
    RequestInvalid,
    ServiceError,
    UnknownIssuerKey,
)
from checkin.http.asking import Ask, Keep, drive
from checkin.parties import wallet as wallets
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from issuer.registrations import CODE_DIGITS
from tests.support.answered import Answers, answering, standing

DAY = CALENDAR.day(NOON)
Change = Callable[[dict[str, Any]], object]


class Issuer:
    """Answers as an issuer does at noon; what it issues may be changed on its way."""

    def __init__(self, change: Change = lambda _: None) -> None:
        self.stage, self._change = WalletStage(standing(NOON)), change

    def __call__(self, ask: Ask) -> Any:
        if ask.path.startswith("/v1/credentials") and ask.body["day"] not in (DAY, DAY + 1):
            raise DayNotIssued
        answer = answering(self.stage.answers())(ask)
        if ask.path.startswith("/v1/credentials"):
            self._change(answer)
        return answer

    def judge(self, text: str) -> None:
        """As a door does whose clock is right."""
        keys = IssuerKeys(IssuerKey(self.stage.issuer.number, self.stage.issuer.keys[DAY].public))
        presentation.verify(text, NOON, CALENDAR, lambda _: keys)


class Machine:
    """A machine that is `off` seconds ahead of the issuer; `uptime` is what nobody sets."""

    simulated = True

    def __init__(self, off: float, uptime: float = 5000.0, start: str = "one") -> None:
        self.off, self.uptime, self.start = off, uptime, start

    def now(self) -> float:
        return NOON + self.off

    def boot(self) -> float:
        return self.uptime

    def boot_id(self) -> str:
        return self.start


def new() -> Wallet:
    """A wallet without a code."""
    return Wallet("http://issuer.example", "token")


def test_a_registration_is_kept_before_the_wallet_is_given_out() -> None:
    """An account of which nothing is on the disk would be lost."""
    issuer = Answers(Issuer())
    registration = issuer.to(wallets.register("Kim Ha-na", "010-1234-5678"))
    made = issuer.to(wallets.confirm("http://issuer.example", registration, "03133742"))
    assert [ask.token for ask in issuer.asked] == [None, None]
    assert issuer.kept == [made.plain()]


def test_a_code_is_kept_as_used_before_it_is_given_out() -> None:
    """So that no crash shows it at a second door."""
    held = new()
    Answers(Issuer()).to(held.fetch(DAY, CALENDAR))
    steps = held.open_code(DAY)
    step = next(steps)
    assert isinstance(step, Keep)
    assert [item["used"] for item in step.plain()["held"][str(DAY)]] == [True] + 9 * [False]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value is held.held[DAY][0]


def test_a_paper_code_is_the_same_all_day() -> None:
    """What was printed in the morning is what is scanned in the evening."""
    held, issuer = new(), Issuer()
    drive(held.fetch(DAY, CALENDAR, mode=Mode.PAPER), issuer)
    opened, start = drive(held.open_code(DAY)), CALENDAR.start(DAY)
    assert opened is not None
    assert wallets.present(opened, start + 1, CALENDAR) == wallets.present(opened, start + 80_000, CALENDAR)


def test_days_that_are_over_are_forgotten() -> None:
    """A lost laptop does not tell where its owner was last week: with a batch of a day those of earlier days go."""
    held, issuer = new(), Answers(Issuer())
    issuer.to(held.fetch(DAY, CALENDAR))
    held.held[DAY - 1] = held.held[DAY]
    issuer.to(held.fetch(DAY, CALENDAR))
    assert list(issuer.kept[-1]["held"]) == [str(DAY)]


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
        (lambda a: a["status_openings"][0].__setitem__("status", 0), BadStatus),
    ],
    ids=["other holder keys", "one missing", "no openings", "changed", "a kid for one person alone", "another status"],
)
def test_a_batch_that_is_not_what_was_asked_for_is_refused(change: Change, error: type[CheckinError]) -> None:
    """An issuer cannot mark a visitor, and a broken one is noticed before the door."""
    held, issuer = new(), Answers(Issuer(change))
    with pytest.raises(error):
        issuer.to(held.fetch(DAY, CALENDAR))
    assert (held.held, issuer.kept) == ({}, [])


@pytest.mark.parametrize("off", [0, 5, -5, 8, -21, 3600, -3600, 86_400, -86_400, 365 * 86_400, -365 * 86_400])
def test_a_wrong_clock_is_set_right_by_the_batch_that_is_asked_for_anyway(off: float) -> None:
    """The code opens a door, also with the clock set meanwhile, and after a day without a network."""
    held, machine, issuer = new(), Machine(off), Issuer()
    answers = Answers(issuer)
    opened = answers.to(held.open_today(CALENDAR, machine))
    issuer.judge(wallets.present(opened, held.now(machine), CALENDAR))
    machine.off += 7200  # somebody sets it
    later = Wallet.of(answers.kept[-1])
    issuer.judge(wallets.present(opened, later.now(machine), CALENDAR))
    machine.off, machine.uptime = machine.off + 86_400, machine.uptime + 86_400
    assert later.now(machine) == pytest.approx(NOON + 86_400, abs=1.1)


def test_a_machine_that_was_started_again_is_as_wrong_as_it_was() -> None:
    """Its boot clock has begun anew; only its own clock is left."""
    held = new()
    Answers(Issuer()).to(held.open_today(CALENDAR, Machine(-40.0)))
    assert held.now(Machine(-40.0, uptime=3.0, start="another")) == pytest.approx(NOON, abs=1.1)


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "1234567a", "१२३४५६७८"])
def test_what_cannot_be_a_code_costs_no_try(code: str) -> None:
    """The issuer is not even asked; its codes have just so many digits."""
    assert CODE_DIGITS == wallets.CODE_DIGITS
    issuer = Answers(Issuer())
    with pytest.raises(RequestInvalid, match="8 digits"):
        issuer.to(wallets.confirm("http://issuer.example", "a registration", code))
    assert issuer.asked == []
