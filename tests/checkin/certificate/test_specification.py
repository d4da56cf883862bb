"""docs/spec/certificate.md tells the truth: its example is run, its names are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin.certificate.schema import VERSIONS
from checkin.certificate.vaccination_proof import STEPS
from checkin.cli import app
from checkin.errors import CertificateError

PAGE = (Path(__file__).parents[3] / "docs" / "spec" / "certificate.md").read_text("utf-8")
TIME = "2021-06-08T15:56:26Z"


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)\n```", PAGE, re.DOTALL)
    assert found, kind
    return found[1]


@pytest.mark.parametrize("form", ["page", "json"])
def test_the_example_gives_what_the_page_shows(form: str, tmp_path: Path) -> None:
    """Text, signer and time of §1 through the command, for a person and as JSON."""
    trust = tmp_path / "signers.txt"
    trust.write_text(block("trust"))
    text = block("certificate").replace("\n", "")
    options = ["--trust", str(trust), "--at", TIME, *(["--json"] if form == "json" else [])]
    result = CliRunner().invoke(app, ["certificate", "verify", text, *options])
    assert result.exit_code == 0
    assert TIME in PAGE
    if form == "json":
        assert json.loads(result.stdout) == json.loads(block("json"))
    else:
        assert result.stdout.rstrip() == block("page")


def test_steps_codes_and_schema_versions_are_on_the_page() -> None:
    """In the order in which they run."""
    numbered = re.findall(r"^\d\. `(\w+)`\.", PAGE, re.MULTILINE)
    assert numbered == list(STEPS)
    assert all(f"`{error.code}`" in PAGE for error in CertificateError.__subclasses__())
    assert all(version in PAGE for version in VERSIONS)
