"""What a party makes of its clocks, an operator's code and an issuer's batch: judged as the pages are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checkin.parties.scanner import read_enrolment
from checkin.parties.told_time import ToldTime
from checkin.parties.wallet import Held, _check
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode, Status, StatusOpening
from tests.vectors.material import code_of

VECTORS = Path(__file__).parents[2] / "vectors"
Case = dict[str, Any]


def cases(name: str) -> list[Case]:
    """A file's."""
    found: list[Case] = json.loads((VECTORS / f"{name}.json").read_text(encoding="ascii"))["cases"]
    return found


class Machine:
    """A machine whose clocks are as a moment says."""

    simulated = True

    def __init__(self, moment: Case) -> None:
        self.moment = moment

    def now(self) -> float:
        return float(self.moment["wall"])

    def boot(self) -> float:
        return float(self.moment["steady"])

    def boot_id(self) -> str:
        return str(self.moment["start"])


@pytest.mark.parametrize("case", cases("toldtime"), ids=lambda case: case["name"])
def test_a_told_time_is_kept_over_what_becomes_of_the_clocks(case: Case) -> None:
    """Each moment is as after a restart of the program."""
    told, seen = ToldTime(), []
    for moment in case["moves"]:
        told, clock = ToldTime(**json.loads(json.dumps(told.__dict__))), Machine(moment)
        if "told" in moment:
            told.tell(moment["told"], moment["asked"], clock)
        seen.append({"now": told.now(clock), "off": told.off(clock), "proved": told.proved(clock)})
    assert seen == case["expected"]


@pytest.mark.parametrize("case", cases("credential"), ids=lambda case: case["name"])
def test_a_wallet_takes_what_it_asked_for_and_nothing_else(case: Case) -> None:
    """Each with the one code that refuses the whole batch."""
    file = json.loads((VECTORS / "credential.json").read_text(encoding="ascii"))
    listed = IssuerKeys(IssuerKey(file["issuer"], bytes.fromhex(file["issuer_public"])))
    opening = StatusOpening(Status(case["status"]), bytes.fromhex(case["salt"]))
    item = Held(bytes.fromhex(case["credential"]), bytes.fromhex(file["holder_seed"]), opening)
    asked = bytes.fromhex(file["holder_public"]), file["day"], Mode(file["mode"])
    assert code_of(_check, item, *asked, listed) == case["expected"]


@pytest.mark.parametrize("case", cases("enrolment"), ids=lambda case: case["name"])
def test_an_operators_code_is_read_or_refused(case: Case) -> None:
    """A label is for whoever looks at the page."""
    assert code_of(read_enrolment, case["code"]) == case["expected"]
    if case["device"]:
        assert read_enrolment(case["code"]).model_dump() | {"label": case["device"]["label"]} == case["device"]
