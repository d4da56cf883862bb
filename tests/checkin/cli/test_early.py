"""Officers order that days are destroyed early, and whoever runs the service hands it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from checkin.cli.authority import app
from checkin.errors import NoteMalformed, NoteUntrusted, RequestInvalid, SettingsInvalid
from checkin.keys.officers import Officers
from checkin.protocol.note import NoteSigner, split_note
from checkin.protocol.primitives import SigningKey
from tests.checkin.cli.test_authority_commands import Place, run
from tests.checkin.cli.test_purge_command import call
from tests.support.purging_service import House
from tests.support.service_folder import DAY, HOUR, make_service

DATE = "2026-11-20"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An authority of two of three officers, on 22 November."""
    return Place(tmp_path)


@pytest.fixture
def house(tmp_path: Path, place: Place) -> House:
    """A registry two days old that has pinned it."""
    folder = tmp_path / "registry"
    officers = Officers.read((place.folder / "officers.txt").read_text())
    vkeys = [key.vkey for key in officers.verifiers]
    make_service(folder, authority=f'{{ name = "{officers.authority}", officers = {vkeys} }}')
    house = House(folder)
    house.purger.run()
    house.open_day()
    house.go(DAY + 2, HOUR)
    house.guard.confirm()
    return house


def words(place: Place, *officers: int, last: str = DATE, reason: str = "A server was stolen.") -> list[str]:
    options = [option for number in officers for option in place.officer(number)]
    days = ("--service", "registry.example", "--first", DATE, "--last", last, "--reason", reason)
    return [str(word) for word in ("destroy-early", *place.common, *days, "-o", place.list, *options)]


def order(place: Place, *officers: int, **changed: str) -> dict[str, Any]:
    answer: dict[str, Any] = run(*words(place, *officers, **changed), "--yes")
    return answer


def test_what_two_officers_signed_in_turn_destroys_the_days_and_is_shown(place: Place, house: House) -> None:
    assert order(place, 1)["signatures"] == 1
    with pytest.raises(NoteUntrusted):
        call(house, "early", "--statement", str(place.list))
    assert house.live()
    assert order(place, 3)["signatures"] == 2
    with structlog.testing.capture_logs() as logged:
        done = call(house, "early", "--statement", str(place.list), "--json")
    assert (done["keys"], done["left"]) == ([f"day-{DAY}"], {})
    assert [line for line in logged if line["log_level"] != "info"] == [], "beside the command's own sentence"
    assert not house.live()
    again = call(house, "early", "--statement", str(place.list), "--json")
    assert again == done
    status = call(house, "status", "--json")
    assert status["early"] == [{"first": DATE, "last": DATE, "day": "2026-11-22", "reason": "A server was stolen."}]
    told = call(house, "status")
    assert "12 rows, destroyed on 2026-11-22, early" in told
    assert f"Officers had {DATE} to {DATE} destroyed early, on 2026-11-22: A server was stolen." in told


def test_officers_sign_nothing_about_a_service_that_the_authority_does_not_know(place: Place) -> None:
    """Where its parties are written down; where they are not, it says that nobody compared the name."""
    asked = CliRunner().invoke(app, [*words(place, 1, 2), "--yes"])
    assert asked.exit_code == 0 and "registry.example with: see that the service is called so" in asked.stderr
    place.list.unlink()
    service = '{{ url = "http://127.0.0.1:1", vkey = "{}", token_file = "t"{} }}'
    keys = [NoteSigner(name, SigningKey(bytes(32))).verifier.vkey for name in ("town.example", "i.example", "r/log")]
    registry, issuer, log = map(service.format, keys, ("", ", number = 1", ""))
    (place.folder / "parties.toml").write_text(f"registry = {registry}\nissuers = [{issuer}]\nlog = {log}\n")
    refused = CliRunner().invoke(app, [*words(place, 1, 2), "--yes"])
    assert isinstance(refused.exception, RequestInvalid) and not place.list.exists()
    assert refused.exception.detail.endswith("no service registry.example: it has town.example, i.example.")


def test_an_officer_signs_no_days_to_come_and_nothing_else_than_was_shown(place: Place, house: House) -> None:
    for change in ({"last": "2026-11-23"}, {"last": "2026-11-31"}, {"last": "2026-11-19"}, {"reason": "x" * 201}):
        with pytest.raises(NoteMalformed):
            order(place, 1, 2, **change)
    asked = CliRunner().invoke(app, words(place, 1), input="n\n")
    assert isinstance(asked.exception, RequestInvalid) and not place.list.exists()
    assert f"registry.example destroys its keys of the days {DATE} to {DATE}, both included" in asked.output
    assert "nobody can undo that" in asked.output and f"\nfirst {DATE}\nlast {DATE}\n" in asked.output
    order(place, 1)
    with pytest.raises(RequestInvalid):
        order(place, 2, reason="Another one.")
    assert len(split_note(place.list.read_text())[1]) == 1
    with pytest.raises(SettingsInvalid):
        call(house, "early", "--statement", str(place.list.with_name("none.txt")))


def test_a_file_that_is_exchanged_while_an_officer_reads_is_not_signed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(place, 1, reason="Another one.")
    other = place.list.read_bytes()
    place.list.unlink()
    monkeypatch.setattr("checkin.cli.authority.confirm", lambda *_, **__: place.list.write_bytes(other))
    with pytest.raises(RequestInvalid):
        order(place, 2)
    assert place.list.read_bytes() == other


@pytest.mark.parametrize("phone", ["010-1234-5678", "+82 10 1234 5678", "01012345678"])
def test_no_reason_with_a_phone_number_is_signed(place: Place, phone: str) -> None:
    """It would be in the log for good."""
    with pytest.raises(RequestInvalid, match="looks like a phone number"):
        order(place, 1, 2, reason=f"Call {phone}.")
    assert not Path(place.list).exists()
