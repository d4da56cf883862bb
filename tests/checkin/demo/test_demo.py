"""The story that a newcomer runs first: `checkin demo`, as a real command with three real services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkin.audit.auditor import verify
from checkin.audit.evidence import Evidence
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.qr import read_image
from tests.support.commands import command

PROMISES = [
    "register", "batch", "code", "read-back", "check-in", "second-use", "expired", "forged", "offline", "upload",
    "no-names", "with-keys", "order", "trace", "notice", "purge", "row-gone", "copies-closed", "control", "same-order",
    "reports", "audit", "verify", "tampered",
]  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The folder, the summary and the text of one story."""
    folder = tmp_path_factory.mktemp("story") / "demo"
    line = [sys.executable, "-m", "checkin", "demo", "--dir", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder, json.loads((folder / "artifacts" / "summary.json").read_text()), done.stdout


def test_every_promise_of_the_story_is_kept(told: tuple[Path, dict[str, Any], str]) -> None:
    """Each step that the issue names is there and did what it should."""
    _, summary, _ = told
    assert summary["ok"]
    assert set(PROMISES) <= {step["name"] for step in summary["steps"]}
    assert all(step["ok"] and step["seconds"] >= 0 for step in summary["steps"])


def test_without_a_terminal_there_are_plain_lines(told: tuple[Path, dict[str, Any], str]) -> None:
    """A log of the story can be read: no control codes, and no QR code drawn in characters."""
    assert "\x1b" not in told[2]
    assert "Twenty-eight days later" in told[2]


def test_the_artifacts_are_what_they_are_called(told: tuple[Path, dict[str, Any], str]) -> None:
    """A developer can pick any of them up."""
    artifacts = told[0] / "artifacts"
    token = (artifacts / "token.txt").read_text()
    assert read_image((artifacts / "qr.png").read_bytes()) == [token]
    assert (artifacts / "qr.svg").read_bytes().startswith(b"<?xml")
    keys = json.loads((artifacts / "issuer-keys.json").read_text())
    assert {"issuer", "keys"} == set(keys)
    assert all(key["alg"] == "Ed25519" and key["kid"] for key in keys["keys"])
    assert {"key", "group", "bucket", "nonce", "sealed"} <= set(json.loads((artifacts / "visit-row.json").read_text()))
    verifiers = [NoteVerifier.parse(vkey) for vkey in (artifacts / "vkeys.txt").read_text().split()]
    reports = sorted((artifacts / "purge-reports").glob("*.txt"))
    assert len(reports) == 2
    for report in reports:
        assert open_note(report.read_text(), verifiers).text.startswith("checkin/purge-report/v1\n")


def test_an_outsider_verifies_the_artifacts_with_nothing_else(told: tuple[Path, dict[str, Any], str]) -> None:
    """The folder alone says what was destroyed and by whom; its audit passed, trace and all."""
    verdict = verify(Evidence.of_folder(told[0] / "artifacts"))
    assert verdict.ok, verdict.faults
    assert {day.service: day.by for day in verdict.days if day.state == "destroyed"} == {
        "health.localhost": "health.localhost/officer-1, health.localhost/officer-2",
        "issuer.localhost": "issuer.localhost",
        "registry.localhost": "registry.localhost",
    }
    audit = json.loads((told[0] / "artifacts" / "audit.json").read_text())
    assert audit["result"] == "pass" and audit["counts"]["not-run"] == 0


SLOW = """
import time
from pathlib import Path
from issuer.service import Issuer
make_keys = Issuer.make_keys
def slowly(self):
    if not self.signing.days_ahead():
        time.sleep(2)
        with Path(__file__).with_name("slow").open("a") as file:
            file.write("waited\\n")
    make_keys(self)
Issuer.make_keys = slowly
"""


def test_the_story_waits_for_an_issuer_that_takes_its_time_over_keys(tmp_path: Path) -> None:
    """At its start and after 28 days each step is taken when the services are ready for it, and not before."""
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    line = [sys.executable, "-m", "checkin", "demo", "--dir", str(tmp_path / "demo"), "--json"]
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert done.returncode == 0, steps
    assert (tmp_path / "slow").read_text().count("waited") >= 2, "the issuer was slow, at its start and after 28 days"


def test_an_earlier_story_makes_way_and_another_folder_does_not(tmp_path: Path) -> None:
    """Nobody loses a folder to a demonstration."""
    (tmp_path / "mine").write_text("precious")
    done = command("demo", "--dir", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("checkin: settings_invalid: ")
    assert (tmp_path / "mine").read_text() == "precious"
