"""`checkin revoke`: what a scanner that was put away has queued is not lost; what a theft costs is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin.cli import app
from checkin.demo.stage import Stage, registered
from checkin.errors import RequestInvalid, Unauthorized
from checkin.files.json_file import load_party
from checkin.http.asking import drive
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult


@pytest.fixture
def gate(town: Stage, tmp_path: Path) -> tuple[Scanner, Path]:
    """A scanner with a visit in its queue, of which the registry has heard; and the operator's token in a file."""
    url, path = town.deployment.url("venue"), tmp_path / "scanner.json"
    secret = tmp_path / "enrolment.token"
    secret.write_text(town.deployment.token("enrolment"))
    secret.chmod(0o600)
    options = ["--venue", url, "--secret-file", str(secret), "-o", str(path), "--json"]
    made = json.loads(CliRunner().invoke(app, ["enrol", *options]).stdout)
    token = tmp_path / "operator.token"
    token.write_text(made["operator_token"])
    token.chmod(0o600)
    phone = f"+8210{40_000_000 + int(made['venue_id'], 16) % 9_000_000}"
    held = registered(town.deployment, "Jung Ho", phone)
    town.at("issuer", held.fetch(town.day, town.calendar))
    opened = drive(held.open_code(town.day))
    assert opened is not None
    scanner, now = load_party(Scanner, path), town.clock.now()
    town.at("venue", scanner.refresh(now))
    assert drive(scanner.scan(wallet.present(opened, now, town.calendar), now)) is ScanResult.QUEUED
    town.at("venue", scanner.refresh(now))
    return scanner, token


def revoke(town: Stage, gate: tuple[Scanner, Path], *options: str, answer: str = "") -> dict[str, Any]:
    """What the command reports."""
    scanner, token = gate
    line = [scanner.scanner_id, "--registry", town.deployment.url("venue"), "--venue", scanner.venue_id]
    done = CliRunner().invoke(app, ["revoke", *line, "--token-file", str(token), "--json", *options], input=answer)
    if done.exception:
        raise done.exception
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_what_a_replaced_scanner_queued_is_uploaded_afterwards(town: Stage, gate: tuple[Scanner, Path]) -> None:
    """Without a word about theft nothing is lost; but it scans no more."""
    assert revoke(town, gate)["stolen"] is False
    scanner, _ = gate
    with pytest.raises(Unauthorized):
        town.at("venue", scanner.refresh(town.clock.now()))
    assert town.at("venue", scanner.upload()) == [{"result": "accepted"}]


def test_a_theft_is_confirmed_and_then_takes_the_queue_along(town: Stage, gate: tuple[Scanner, Path]) -> None:
    """Whoever says no has revoked nothing."""
    scanner, _ = gate
    with pytest.raises(RequestInvalid, match="Nothing"):
        revoke(town, gate, "--stolen", answer="n\n")
    town.at("venue", scanner.refresh(town.clock.now()))
    assert revoke(town, gate, "--stolen", "--yes")["stolen"] is True
    with pytest.raises(Unauthorized):
        town.at("venue", scanner.upload())
