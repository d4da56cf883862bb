"""`checkin scan` behind a network that lies, and several of them at one scanner's file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin import client
from checkin.cli import app
from checkin.clock import SimulatedClock
from checkin.demo.stage import Stage, registered
from checkin.errors import CheckinError, TokenExpired
from checkin.files.json_file import load_party, open_party, save_party
from checkin.http.asking import drive
from checkin.http.client import Client
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.told_time import ToldTime
from checkin.parties.wallet import Wallet
from tests.services.conftest import enrolled
from tests.support.hostile import WRONG, Network, hostile

CHECK_IN, BATCH, TRUST = ("POST", "/v1/check-ins"), ("POST", "/v1/check-ins/batch"), ("GET", "/v1/trust")
GONE = {"type": "urn:checkin:problem:not_found", "status": 404, "code": "not_found", "title": "", "detail": "Gone."}


@pytest.fixture(scope="module")
def visitor(town: Stage) -> Wallet:
    """Somebody with many codes for today."""
    held = registered(town.deployment, "Jung Ho", "+821033335555")
    for _ in range(6):
        town.at("issuer", held.fetch(town.day, town.calendar))
    return held


def code(town: Stage, visitor: Wallet, now: float | None = None) -> str:
    """A fresh code, of this moment."""
    opened = drive(visitor.open_code(town.day))
    assert opened is not None
    return wallet.present(opened, town.clock.now() if now is None else now, town.calendar)


def scan(network: Network, scanner: Path, text: str, clock: Path) -> dict[str, Any]:
    """What the command reports; its exception, if it ends by one."""
    options = ["--venue", network.url, "--scanner", str(scanner), "--simulated-clock", str(clock), "--json"]
    done = CliRunner().invoke(app, ["scan", text, *options])
    if done.exception:
        raise done.exception
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_visit_waits_whatever_answers_in_the_registrys_place(town: Stage, visitor: Wallet) -> None:
    """At the check-in, and at everything; and not one is lost."""
    scanner, clock = enrolled(town, "Portal"), town.folder / "clock"
    with hostile(town.deployment.url("venue")) as network:
        for number, (name, wrong) in enumerate(WRONG.items()):
            network.rules = {CHECK_IN: wrong, BATCH: wrong}
            assert scan(network, scanner, code(town, visitor), clock)["result"] == "queued", name
            network.rules = {TRUST: wrong}
            told = scan(network, scanner, code(town, visitor), clock)
            assert (told["result"], told["queued"]) == ("queued", 2 * number + 2), name
        network.rules = {}
        report = scan(network, scanner, code(town, visitor), clock)
    assert report == {"result": "accepted", "queued": 0, "uploaded": {"accepted": 2 * len(WRONG)}}


def test_lists_are_fetched_once_and_other_content_is_no_list(town: Stage, visitor: Wallet) -> None:
    """Whatever a cache on the way has: a scanner takes the content that its registry named, or none."""
    scanner, clock = enrolled(town, "Cache"), town.folder / "clock"
    held = load_party(Scanner, scanner)
    with Client(town.deployment.url("venue"), held.token) as client:
        told = client.get("/v1/trust", digests="true")
        own, issuer = (json.dumps(client.get(f"/v1/lists/{digest}")) for digest in (told["own"], *told["issuers"]))
    assert set(held.lists) == {told["own"], *told["issuers"]}
    paths = [("GET", f"/v1/lists/{digest}") for digest in held.lists]
    with hostile(town.deployment.url("venue")) as network:
        gone = (404, "application/problem+json", json.dumps(GONE))
        for wrong in (WRONG["a portal's page"], WRONG["another's JSON"], (200, "application/json", issuer + own), gone):
            network.rules = dict.fromkeys(paths, wrong)
            save_party(scanner, held.plain())
            assert scan(network, scanner, code(town, visitor), clock)["result"] == "accepted", "it knows them"
            save_party(scanner, held.plain() | {"lists": {}})
            assert scan(network, scanner, code(town, visitor), clock)["result"] == "accepted", "by the lists themselves"
            assert load_party(Scanner, scanner).lists == {}


def test_what_the_registry_itself_refuses_is_refused(town: Stage, visitor: Wallet) -> None:
    """The control: behind the same network, a second use."""
    here, there, clock = enrolled(town, "One"), enrolled(town, "Other"), town.folder / "clock"
    text = code(town, visitor)
    with hostile(town.deployment.url("venue")) as network:
        assert scan(network, here, text, clock)["result"] == "accepted"
        with pytest.raises(CheckinError) as refused:
            scan(network, there, text, clock)
    assert refused.value.code == "already_used"
    assert load_party(Scanner, there).queue == []


def test_six_scans_at_once_at_one_file_all_stay_in_it(town: Stage, visitor: Wallet) -> None:
    """From load to save nobody else writes."""
    scanner, now = enrolled(town, "Stadium"), town.clock.now()
    codes = [code(town, visitor) for _ in range(6)]

    def queue(text: str) -> ScanResult:
        with open_party(Scanner, scanner) as device:
            return drive(device.scan(text, now), keep=partial(save_party, scanner))

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(queue, codes)) == {ScanResult.QUEUED}
    held = load_party(Scanner, scanner)
    assert len(held.queue) == 6
    assert [told["result"] for told in town.at("venue", held.upload())] == ["accepted"] * 6


@pytest.mark.parametrize("shift", [600, -600, 90_000])
def test_a_clock_that_is_set_wrong_blames_no_visitor(town: Stage, visitor: Wallet, tmp_path: Path, shift: int) -> None:
    """The registry's time is kept by the boot clock, which nobody sets: offline as well as online."""
    scanner, clock, now = enrolled(town, "Clock"), tmp_path / "clock", town.clock.now()
    clock.write_text(f"{town.calendar.rfc3339(now)}\n1000\n")
    with hostile(town.deployment.url("venue")) as network:
        assert scan(network, scanner, code(town, visitor, now), clock)["result"] == "accepted"
        clock.write_text(f"{town.calendar.rfc3339(now + shift)}\n1000\n")
        network.rules = {TRUST: WRONG["a proxy's 502"]}
        assert scan(network, scanner, code(town, visitor, now), clock)["result"] == "queued"
        network.rules = {}
        assert scan(network, scanner, code(town, visitor, now), clock)["result"] == "accepted"


def test_a_refusal_for_time_names_a_clock_that_was_found_wrong(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """Whoever calls the library is told as the steward is; a right clock is not suspected."""
    scanner, path, now = enrolled(town, "Named"), tmp_path / "clock", town.clock.now()
    for ahead, words in ((0, ()), (600, (" s ahead",)), (-600, (" s behind",))):
        path.write_text(f"{town.calendar.rfc3339(now + ahead)}\n1000\n")
        with pytest.raises(TokenExpired) as refused:
            client.scan(
                scanner, town.deployment.url("venue"), code(town, visitor, now - 60), clock=SimulatedClock(path)
            )
        assert ("clock" in str(refused.value)) == bool(ahead)
        assert all(word in str(refused.value) for word in words)


def test_a_clock_that_nobody_confirmed_since_the_start_is_named(tmp_path: Path) -> None:
    """After a restart nothing tells a right clock from a wrong one."""
    (tmp_path / "clock").write_text("2026-11-20T12:00:00+09:00\n1000\n")
    clock, told = SimulatedClock(tmp_path / "clock"), ToldTime()
    assert not told.proved(clock)
    told.tell(clock.now(), clock.now(), clock)
    assert told.proved(clock)
    assert told.off(clock) == 0
