"""`checkin audit` against a retention service that runs: ask for an audit, show it, verify everything, keep it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.files.durable import replace_file
from checkin.service.auth import token_hash
from tests.checkin.audit.office import AUDITOR, Audited
from tests.support.commands import command as checkin
from tests.support.retention_service import Retention, pinned
from tests.support.service_folder import CALENDAR, DAY


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`checkin audit …`"""
    return checkin("audit", *words)


@pytest.fixture
def service() -> Iterator[Audited]:
    """It finds that all is well, and destroyed a day."""
    service = Audited()
    service.points = ["pass oldest-day registry.example All is young."]
    service.today = CALENDAR.date(DAY + 28)
    service.server.routes["/v1/audit"] = lambda: {"statement": service.own_audit()}
    service.make_key(DAY)
    service.report(DAY)
    yield service
    service.server.stop()


@pytest.fixture
def url(tmp_path: Path, service: Audited) -> Iterator[str]:
    """A retention service on the day on which that day was due; beside it auditor.token and vkeys.txt."""
    retention = Retention(tmp_path / "retention", pinned(service))
    with retention.config.open("a") as file:
        file.write(f'auditor_token_sha256 = "{token_hash(AUDITOR).hex()}"\n')
    retention.go(DAY + 28)
    replace_file(tmp_path / "auditor.token", f"{AUDITOR}\n".encode())
    (tmp_path / "report.txt").write_text('said\nname,phone\n"Test Visitor",1\n')
    with retention.client() as client:
        keys = client.get("/v1/keys").json()
        vkeys = [keys["retention"], keys["log"], *keys["services"].values()]
        (tmp_path / "vkeys.txt").write_text("".join(f"{vkey}\n" for vkey in vkeys))
        yield str(client.base_url).rstrip("/")


def test_run_show_verify_and_keep(url: str, tmp_path: Path) -> None:
    """Online first, then from the kept folder alone, byte for byte the same verdict."""
    asking: list[str | Path] = ["run", "--url", url, "--token", tmp_path / "auditor.token", "--json"]
    run = command(*asking, "--test-visitor", "Test Visitor")
    assert run.returncode == 0, run.stdout + run.stderr
    made = json.loads(run.stdout)
    assert [day["day"] for day in made["days"] if day["state"] == "destroyed"] == [CALENDAR.date(DAY)]
    assert made["result"] == "pass" and {"service", "name", "result", "evidence"} == set(made["points"][0])
    for place in ([], [str(made["place"])]):
        shown = command("show", *place, "--url", url)
        assert shown.returncode == 0 and "All is young." in shown.stdout
        assert "░ 1 destroyed" in shown.stdout and shown.stdout.startswith("registry.example\n  2026-10-20 ")
    days = json.loads(command("show", "--url", url, "--json").stdout)["days"]
    assert len(days) == 60 and [day["day"] for day in days if day["state"] == "destroyed"] == [CALENDAR.date(DAY)]
    kept = tmp_path / "kept"
    online = command("verify", "--url", url, "--vkeys", tmp_path / "vkeys.txt", "--save", kept, "--json")
    assert online.returncode == 0, online.stdout
    offline = command("verify", "--dir", kept, "--vkeys", tmp_path / "vkeys.txt", "--json")
    assert json.loads(offline.stdout) == json.loads(online.stdout)
    days = {day["day"]: day for day in json.loads(offline.stdout)["days"]}
    assert days[CALENDAR.date(DAY)]["state"] == "destroyed"
    assert days[CALENDAR.date(DAY)]["service"] == "registry.example"
    keys: list[str | Path] = ["--vkeys", tmp_path / "vkeys.txt"]
    earlier = command("verify", "--dir", kept, *keys, "--since", kept / "checkpoint.txt")
    assert earlier.returncode == 0 and "12 records destroyed" in earlier.stdout


def test_a_trace_stays_with_the_auditor(url: str, tmp_path: Path) -> None:
    """Only yes or no is sent; without an executed order in the log the line fails, and with it the command."""
    run = command(
        "run", "--url", url, "--token", tmp_path / "auditor.token", "--test-visitor", "Test Visitor",
        "--trace", tmp_path / "report.txt",
    )  # fmt: skip
    assert run.returncode == 1
    assert "the log has no executed order" in run.stdout and "did not find" not in run.stdout
    unnamed = command("run", "--url", url, "--token", tmp_path / "auditor.token", "--trace", tmp_path / "report.txt")
    assert unnamed.returncode == 1 and "--test-visitor" in unnamed.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["verify"], "settings_invalid"),
        (["verify", "--url", "http://127.0.0.1:9"], "settings_invalid"),
        (["show"], "settings_invalid"),
        (["show", "--url", "http://127.0.0.1:9"], "unreachable"),
        (["show", "--dir", "."], "not_found"),
    ],
)
def test_a_wrong_call_says_what_to_give(words: list[str], error: str) -> None:
    """One line with a code, never a traceback."""
    done = command(*words)
    assert done.returncode == 1
    assert done.stderr.startswith(f"checkin: {error}: ") and done.stderr.count("\n") == 1
