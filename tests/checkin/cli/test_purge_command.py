"""`checkin purge` beside a service's folder: what it shows, what it destroys, and the clock that a person confirms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin.cli.purge import app
from checkin.errors import ClockUntrusted, NotReady, SettingsInvalid
from tests.support.purging_service import House
from tests.support.service_folder import DAY, HOUR, make_service


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry's folder with one day, and settings of which some are the registry's own."""
    folder = tmp_path / "registry"
    make_service(folder, enrolment_secret_sha256='"00"')
    house = House(folder)
    house.first_day()
    return house


def call(house: House, command: str, *options: str) -> Any:
    """The command's JSON; what it raises comes through, as in `checkin.cli`."""
    folder = house.party.data.parent
    arguments = [command, "--config", str(folder / "settings.toml"), "--simulated-clock", str(folder / "clock")]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return json.loads(done.stdout) if "--json" in options else done.stdout


def test_an_operator_sees_what_is_held_and_destroys_what_is_due(house: House) -> None:
    """From the first day to the report, without the service running."""
    before = call(house, "status", "--json")
    assert before["service"] == "registry.example"
    assert [day["day"] for day in before["held"]] == ["2026-11-20", "2026-11-21"]
    assert call(house, "run", "--json")["statements"] == []
    house.go(DAY + 28, HOUR)
    with pytest.raises(ClockUntrusted):
        call(house, "run")
    doubtful = call(house, "status", "--json")
    assert doubtful["due"] == ["2026-11-20"]
    assert "confirm-clock" in doubtful["doubt"]
    assert house.live()
    assert call(house, "run", "--confirm-clock", "--json")["statements"] == ["purge-2026-11-20"]
    assert not house.live()
    after = call(house, "status", "--json")
    assert (after["due"], after["doubt"]) == ([], None)
    assert [day["day"] for day in after["destroyed"]] == ["2026-11-20"]


def test_the_same_is_told_in_sentences(house: House) -> None:
    """For a person at a terminal."""
    assert "2 days held, 0 overdue, 0 destroyed" in call(house, "status")
    assert "Nothing was due." in call(house, "run")
    house.go(DAY + 29, HOUR)
    overdue = call(house, "status")
    assert "OVERDUE since 2026-12-18" in overdue and "✗ 2 overdue and still held" in overdue
    assert "purge-2026-11-20" in call(house, "run", "--confirm-clock")
    done = call(house, "status")
    assert "12 rows, destroyed on 2026-12-19" in done and "▒ 1 destroyed late" in done


def test_sixty_days_are_drawn_each_as_full_as_it_is(house: House) -> None:
    """Today last, in two lines; a day of 12 rows beside one of three is four times as high."""
    house.open_day(DAY - 1, rows=3)
    name, earlier, later, meaning, *_ = call(house, "status").splitlines()
    assert name == "registry.example"
    assert earlier == f"  2026-09-22 {'·' * 30} 2026-10-21"
    assert later == f"  2026-10-22 {'·' * 28}▂█ 2026-11-20"
    assert meaning == "  █ 2 kept   · 58 nothing was kept"


def test_several_services_are_shown_one_below_the_other(house: House) -> None:
    """With one of them the report stays as it was."""
    folder = house.party.data.parent
    again = ("--config", str(folder / "settings.toml"))
    both = call(house, "status", *again, "--json")
    assert both == {"services": [call(house, "status", "--json")] * 2}
    assert call(house, "status", *again).count("2 days held, 0 overdue, 0 destroyed") == 2


def test_the_folder_of_up_is_enough_to_see_its_services(house: House, tmp_path: Path) -> None:
    """Its issuer and registry, each with its own settings; either the one or the other says which."""
    (tmp_path / "up").mkdir()
    for name in ("issuer", "venue"):
        (tmp_path / "up" / name).symlink_to(house.party.data.parent)
    words = ["status", "--simulated-clock", str(house.party.data.parent / "clock"), "--dir", str(tmp_path / "up")]
    done = CliRunner().invoke(app, words)
    assert done.stdout.count("2 days held, 0 overdue, 0 destroyed") == 2, done.output
    for wrong in ([*words, "--config", "x"], words[:-2]):
        assert isinstance(CliRunner().invoke(app, wrong).exception, SettingsInvalid)
    elsewhere = CliRunner().invoke(app, ["status", "--dir", str(tmp_path)]).exception
    assert str(elsewhere) == f"{tmp_path} is no folder of `checkin up`."


def test_what_is_destroyed_is_told_once(house: House) -> None:
    """By the command's own sentence: standard error is for what went wrong."""
    house.go(DAY + 28, HOUR)
    folder = house.party.data.parent
    words = ["run", "--config", str(folder / "settings.toml"), "--simulated-clock", str(folder / "clock")]
    done = CliRunner().invoke(app, [*words, "--confirm-clock"])
    assert "purge-2026-11-20" in done.stdout and done.stderr == ""


def test_looking_changes_nothing(house: House) -> None:
    """A status after a long downtime raises no doubt and settles none."""
    house.go(DAY + 35, HOUR)
    state = (house.party.settings.keys / "clock.json").read_bytes()
    call(house, "status")
    assert (house.party.settings.keys / "clock.json").read_bytes() == state


def test_a_service_without_days_has_a_clock_to_confirm(house: House, tmp_path: Path) -> None:
    """Retention: nothing to destroy, and nothing breaks."""
    house.store.close()
    (house.party.data / "visits").rename(tmp_path / "elsewhere")
    assert call(house, "status", "--json")["held"] == []
    assert "Nothing was due." in call(house, "run", "--confirm-clock")


def test_wrong_settings_make_no_folders(tmp_path: Path) -> None:
    """A slip of the hand leaves no trace that a service would take for its own."""
    config = tmp_path / "settings.toml"
    for error in (SettingsInvalid, NotReady):
        with pytest.raises(error):
            raise CliRunner().invoke(app, ["status", "--config", str(config)]).exception or AssertionError
        config.write_text(
            'name = "x"\ndata = "data"\nkeys = "keys"\nmaster_key = "m"\nstatement_key = "s"\n', encoding="ascii"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]
