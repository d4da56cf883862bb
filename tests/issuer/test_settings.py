"""Settings: the sample is true, and a mistake is named before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import issuer
from checkin.errors import SettingsInvalid
from issuer.settings import IssuerSettings, SmsSettings
from tests.support.issuer_service import Site

SAMPLE = Path(issuer.__file__).parent / "settings.sample.toml"


def test_the_sample_loads_and_its_paths_are_beside_it() -> None:
    settings = IssuerSettings.load(SAMPLE)
    assert settings.issuer == 1
    assert settings.data == SAMPLE.parent / "data"
    assert settings.authority.threshold == 2


def test_the_sample_shows_every_setting() -> None:
    """Those with a default that is not to be taken over stand there as comments."""
    text = SAMPLE.read_text(encoding="utf-8")
    names = [*IssuerSettings.model_fields, *SmsSettings.model_fields, "officers", "threshold", "vkey"]
    assert [name for name in names if name not in text] == []


def test_the_samples_comments_are_settings_too(tmp_path: Path) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").replace("registry.example/checkin+…", _vkey()).splitlines()
    code = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    kept = [line for line in lines if not line.startswith("#")]
    extra = [line for line in code if line.startswith(("[sms]", "url =", "token_file", "timeout", "[[time", "vkey"))]
    path = tmp_path / "issuer.toml"
    path.write_text("\n".join([*kept, *extra]) + "\n", encoding="utf-8")
    settings = IssuerSettings.load(path)
    assert settings.sms is not None
    assert len(settings.time_peers) == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("issuer", "0"),
        ("issuer", "4294967296"),
        ("phone_region", '"XX"'),
        ("phone_regions", '["US", "001"]'),
        ("surprise", "1"),
        ("batches_a_day", "0"),
        ("authority_token_sha256", '"abc"'),
        ("authority", '{ name = "h", threshold = 2, officers = [] }'),
        ("zone", '"Nowhere/Land"'),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, setting: str, value: str) -> None:
    site = Site.make(tmp_path / "issuer", **{setting: value})
    with pytest.raises(SettingsInvalid, match=setting):
        IssuerSettings.load(site.config)


def test_a_threshold_that_no_list_could_reach_is_refused(tmp_path: Path) -> None:
    vkey = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))["authority"]["officers"][0]
    for officers in (f'["{vkey}"]', f'["{vkey}", "{vkey}"]'):
        site = Site.make(tmp_path / str(len(officers)), authority=f'{{ name = "h", officers = {officers} }}')
        with pytest.raises(SettingsInvalid, match="officers"):
            IssuerSettings.load(site.config)


def _vkey() -> str:
    vkey: str = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))["authority"]["officers"][0]
    return vkey
