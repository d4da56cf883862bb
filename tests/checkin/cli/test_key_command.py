"""`checkin key`: how parties that pin one another begin, before any of them can start."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkin import cli
from checkin.deployment.deployment import Deployment
from checkin.errors import NoteMalformed, SettingsInvalid
from checkin.service.addresses import free_ports


def key(path: Path, name: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(cli.app, ["key", str(path), "--name", name])
    if result.exception:
        raise result.exception
    return result.output.strip()


def test_a_service_that_never_started_has_a_key_for_others_to_pin(tmp_path: Path) -> None:
    """Made once, for its owner alone; asked again it is the same."""
    first = key(tmp_path / "statement.key", "issuer.example/checkin")
    assert first.startswith("issuer.example/checkin+")
    assert (tmp_path / "statement.key").stat().st_mode & 0o777 == 0o600
    assert key(tmp_path / "statement.key", "issuer.example/checkin") == first


def test_it_is_the_key_that_the_services_sign_under(tmp_path: Path) -> None:
    """The log's, too: the auditor's file names the same."""
    (tmp_path / "clock").write_text("2026-11-20T12:00:00+09:00\n")
    deployment = Deployment.open_or_make(tmp_path / "all", free_ports(3), tmp_path / "clock")
    pinned = (deployment.folder / "vkeys.txt").read_text().split()
    for folder, file, name in [
        ("issuer", "statement.key", "issuer.localhost"),
        ("venue", "statement.key", "registry.localhost"),
        ("retention", "statement.key", "retention.localhost"),
        ("retention", "log.key", "retention.localhost/log"),
    ]:
        assert key(deployment.folder / folder / file, name) in pinned


def test_what_is_no_key_and_what_is_no_name_are_refused(tmp_path: Path) -> None:
    """And leave no file behind."""
    (tmp_path / "open.key").write_text("nonsense")
    with pytest.raises(SettingsInvalid):
        key(tmp_path / "open.key", "issuer.example")
    with pytest.raises(NoteMalformed, match="without its scheme"):
        key(tmp_path / "new.key", "https://issuer.example")
    assert not (tmp_path / "new.key").exists()
