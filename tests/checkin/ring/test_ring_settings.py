"""A ring node's settings: three different members, itself and the maker among them, under its own key."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import SettingsInvalid
from checkin.ring.app import create_app
from checkin.ring.settings import RingSettings
from tests.support.ring_in_process import Ring, node_name


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path / "ring")


def test_the_settings_of_a_node_load_with_a_log_or_without(ring: Ring) -> None:
    config = ring.config("b")
    assert RingSettings.load(config).log is None
    vkey = ring.service.verifier.vkey
    config.write_text(config.read_text() + f'\n[log]\nurl = "https://log.example"\nvkey = "{vkey}"\n')
    settings = RingSettings.load(config)
    assert settings.log is not None and settings.log.vkey == vkey
    assert [peer.url for peer in settings.members] == list(ring.urls.values())
    config.write_text(config.read_text() + "quorum = 1\n")
    with pytest.raises(SettingsInvalid, match="at most the number of witnesses"):
        RingSettings.load(config)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'maker = "{node_name("a")}"', 'maker = "d.ring.registry.example"'),
        (f'name = "{node_name("b")}"', 'name = "d.ring.registry.example"'),
        ("127.0.0.1:8013", "127.0.0.1:8012"),
        ('master_key = "master.key"\n', ""),
        ("allow_unfit_storage = true", "workers = 2"),
        ("apps = [", "more = 1\napps = ["),
    ],
)
def test_what_is_no_ring_of_three_is_refused_in_one_line(ring: Ring, old: str, new: str) -> None:
    config = ring.config("b")
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    with pytest.raises(SettingsInvalid) as refused:
        RingSettings.load(config)
    assert "\n" not in refused.value.detail


def test_two_members_are_no_ring(ring: Ring) -> None:
    config = ring.config("b")
    config.write_text(config.read_text().rpartition("[[members]]")[0])
    with pytest.raises(SettingsInvalid, match="members"):
        RingSettings.load(config)


def test_a_node_that_has_another_key_than_its_settings_say_does_not_start(ring: Ring) -> None:
    config = ring.config("b")
    (ring.folder / "b/statement.key").write_bytes((ring.folder / "a/statement.key").read_bytes())
    with pytest.raises(SettingsInvalid, match="another key"):
        create_app(config, ring.clock())
