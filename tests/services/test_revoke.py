"""`checkin revoke`: what a scanner that was put away has queued is not lost; what a theft costs is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from checkin.cli import door
from checkin.cli import revoke as revoking
from checkin.demo.stage import Stage, one_time_code
from checkin.errors import RequestInvalid, Unauthorized
from checkin.http.client import Client
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult

APP = typer.Typer()
door.register(APP)
revoking.register(APP)


@pytest.fixture
def gate(town: Stage, tmp_path: Path) -> tuple[Scanner, Path]:
    """A scanner with a visit in its queue, of which the registry has heard; and the operator's token in a file."""
    url, path = town.deployment.url("venue"), tmp_path / "scanner.json"
    secret = tmp_path / "enrolment.token"
    secret.write_text(town.deployment.token("enrolment"))
    secret.chmod(0o600)
    options = ["--venue", url, "--secret-file", str(secret), "-o", str(path), "--json"]
    made = json.loads(CliRunner().invoke(APP, ["enrol", *options]).stdout)
    token = tmp_path / "operator.token"
    token.write_text(made["operator_token"])
    token.chmod(0o600)
    phone = f"+8210{40_000_000 + int(made['venue_id'], 16) % 9_000_000}"
    registration = wallet.register(town.deployment.url("issuer"), "Jung Ho", phone)
    otc = one_time_code(town.deployment, phone)
    held = wallet.confirm(town.deployment.url("issuer"), registration, otc, tmp_path / "wallet.json")
    held.fetch(town.day, town.calendar)
    opened = held.open_code(town.day)
    assert opened is not None
    scanner, now = Scanner.load(path), town.clock.now()
    with Client(url, scanner.token) as client:
        scanner.refresh(client, now)
        assert scanner.scan(wallet.present(opened, now, town.calendar), None, now) is ScanResult.QUEUED
        scanner.refresh(client, now)
    return scanner, token


def revoke(town: Stage, gate: tuple[Scanner, Path], *options: str, answer: str = "") -> dict[str, Any]:
    """What the command reports."""
    scanner, token = gate
    line = [scanner.scanner_id, "--registry", town.deployment.url("venue"), "--venue", scanner.venue_id]
    done = CliRunner().invoke(APP, ["revoke", *line, "--token-file", str(token), "--json", *options], input=answer)
    if done.exception:
        raise done.exception
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_what_a_replaced_scanner_queued_is_uploaded_afterwards(town: Stage, gate: tuple[Scanner, Path]) -> None:
    """Without a word about theft nothing is lost; but it scans no more."""
    assert revoke(town, gate)["stolen"] is False
    scanner, _ = gate
    with Client(town.deployment.url("venue"), scanner.token) as client:
        with pytest.raises(Unauthorized):
            scanner.refresh(client, town.clock.now())
        assert scanner.upload(client) == [{"result": "accepted"}]


def test_a_theft_is_confirmed_and_then_takes_the_queue_along(town: Stage, gate: tuple[Scanner, Path]) -> None:
    """Whoever says no has revoked nothing."""
    scanner, _ = gate
    with pytest.raises(RequestInvalid, match="Nothing"):
        revoke(town, gate, "--stolen", answer="n\n")
    with Client(town.deployment.url("venue"), scanner.token) as client:
        scanner.refresh(client, town.clock.now())
        assert revoke(town, gate, "--stolen", "--yes")["stolen"] is True
        with pytest.raises(Unauthorized):
            scanner.upload(client)
