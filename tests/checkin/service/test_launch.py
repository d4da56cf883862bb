"""Starting a service: what keeps it from starting is said before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import SettingsInvalid
from checkin.service.launch import serve


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_a_service_counts_in_no_folder_that_it_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The issuer's counters are for everybody, the registry's are not."""
    monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(SettingsInvalid, match=f"Unset {name} "):
        serve("issuer", tmp_path / "issuer.toml")


@pytest.mark.parametrize("listen", ["here", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:80"])
def test_a_service_listens_on_a_host_and_a_port(tmp_path: Path, listen: str) -> None:
    """It is tried before the other settings are read."""
    (tmp_path / "issuer.toml").write_text(f'listen = "{listen}"\n')
    with pytest.raises(SettingsInvalid, match="toml: listen: it is an address and a port, as "):
        serve("issuer", tmp_path / "issuer.toml")
