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
