"""The settings file: the sample is complete and good, and nothing unknown or contradictory is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

import venue
from checkin.errors import SettingsInvalid
from venue.settings import VenueSettings

SAMPLE = Path(venue.__file__).parent / "settings.sample.toml"


def test_the_sample_loads_and_its_paths_lie_beside_it() -> None:
    settings = VenueSettings.load(SAMPLE)
    assert [issuer.number for issuer in settings.issuers] == [1]
    assert settings.data == SAMPLE.parent / "data"


def test_the_sample_names_every_setting() -> None:
    text = SAMPLE.read_text()
    for name in VenueSettings.model_fields:
        assert f"{name} =" in text or f"[{name}]" in text or f"[[{name}]]" in text, name


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("more = 1", "more"),
        ("max_in_flight = 0", "max_in_flight"),
        ('max_batches = "2"', "max_batches"),
        ('zone = "Mars/Olympus"', "zone"),
        ('retention_token_sha256 = "secret"', "retention_token_sha256"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, named: str) -> None:
    lines = [old for old in SAMPLE.read_text().splitlines() if not old.startswith(named)]
    config = tmp_path / "settings.toml"
    config.write_text("\n".join([line, *lines]))
    with pytest.raises(SettingsInvalid, match=named):
        VenueSettings.load(config)


def test_two_issuers_cannot_have_one_number(tmp_path: Path) -> None:
    text = SAMPLE.read_text()
    start = text.index("[[issuers]]")
    block = text[start : text.index("\n\n", start)]
    config = tmp_path / "settings.toml"
    config.write_text(text + "\n" + block)
    with pytest.raises(SettingsInvalid, match="same number"):
        VenueSettings.load(config)
