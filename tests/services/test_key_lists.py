"""Lists of keys go through the log, with real services that come and go: no code and no door waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.clock import Calendar, SimulatedClock
from checkin.demo.stage import Stage, enrol, registered
from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.errors import ProofInvalid
from checkin.http.asking import drive
from checkin.http.client import Client, drive_at
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.wallet import Wallet
from checkin.protocol.key_list import IntakeList, IssuerList
from checkin.protocol.note import unverified_text
from checkin.service.addresses import free_ports
from checkin.tlog.proof import PinnedLog
from tests.services.conftest import NOON
from tests.support.waiting import until

PHONE = "+821055556666"


def level(deployment: Deployment, service: str) -> str:
    """What the service says in /readyz about its list and the log."""
    findings = httpx.get(deployment.url(service) + "/readyz", timeout=60, trust_env=False).json()["findings"]
    return str({finding["name"]: finding["level"] for finding in findings}["logged_list"])


def trust(town: Stage, scanner: Scanner) -> Any:
    """What the registry tells."""
    with Client(town.deployment.url("venue"), scanner.token) as client:
        return client.get("/v1/trust")


def test_every_list_that_is_given_out_is_in_the_log(town: Stage) -> None:
    """The proofs convince whoever pins the log's key, without asking the log; keys and list are the same."""
    pinned = PinnedLog(town.deployment.log_verifier())
    with Client(town.deployment.url("issuer")) as client:
        answer = client.get("/v1/keys")
    pinned.require(answer["list"], answer["proof"])
    assert answer["log"] == pinned.plain()
    listed = IssuerList.read(unverified_text(answer["list"])).keys
    assert [key["day"] for key in answer["keys"]] == [town.calendar.date(day) for day in listed]
    told = trust(town, enrol(town, "Theatre"))
    [issuer] = told["issuers"]
    assert (issuer["list"], issuer["proof"]) == (answer["list"], answer["proof"])
    pinned.require(told["intake"], told["intake_proof"])
    assert IntakeList.read(unverified_text(told["intake"])).owner == town.deployment.verifier("venue").name


def test_a_log_that_is_away_over_midnight_keeps_nobody_out(town: Stage) -> None:
    """The list in the log reaches two weeks ahead; the new one waits, and goes out when the log is back."""
    deployment, held = town.deployment, registered(town.deployment, "Seo Yun", PHONE)
    town.at("issuer", held.fetch(town.day, town.calendar))
    scanner = enrol(town, "Station")
    before = trust(town, scanner)
    town.processes.kill("retention")
    town.advance(24 * 3600)
    for service in ("issuer", "venue"):
        until(lambda: level(deployment, service) == "warning")  # noqa: B023 - asked at once
    town.at("issuer", held.fetch(town.day + 1, town.calendar))
    town.at("venue", scanner.refresh(town.clock.now()))
    opened = drive(held.open_code(town.day + 1))
    assert opened
    text = wallet.present(opened, town.clock.now(), town.calendar)
    assert town.at("venue", scanner.scan(text, town.clock.now())) is ScanResult.ACCEPTED
    assert trust(town, scanner)["intake"] == before["intake"]
    town.processes.start("retention")
    town.processes.wait_for("retention")
    for service in ("issuer", "venue"):
        until(lambda: level(deployment, service) == "ok")  # noqa: B023 - asked at once
    until(lambda: trust(town, scanner)["intake"] != before["intake"])
    town.at("venue", scanner.refresh(town.clock.now()))
    assert scanner.trust.intake_keys


def test_a_first_start_without_the_log_says_so_and_goes_on_when_it_comes(tmp_path: Path) -> None:
    """Until then there is a list, and whoever pins the log refuses it."""
    (tmp_path / "clock").write_text(NOON + "\n", encoding="ascii")
    deployment = Deployment.open_or_make(tmp_path, free_ports(3), simulated_clock=tmp_path / "clock")
    calendar, processes = Calendar(), Processes(deployment)
    day = calendar.day(SimulatedClock(tmp_path / "clock").now())
    try:
        processes.start("issuer")
        processes.wait_for("issuer")
        until(lambda: level(deployment, "issuer") == "failure")
        with Client(deployment.url("issuer")) as client:
            first = client.get("/v1/keys")
        assert first["proof"] is None
        held = Wallet(deployment.url("issuer"), "nobody")
        with pytest.raises(ProofInvalid):
            drive_at(held.issuer_url, held.fetch(day, calendar))
        processes.start("retention")
        until(lambda: level(deployment, "issuer") == "ok")
        with Client(deployment.url("issuer")) as client:
            answer = client.get("/v1/keys")
        assert answer["list"] == first["list"]
        assert answer["proof"]
    finally:
        processes.stop()
