"""The officer's three commands, as they are typed."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkin.cli import app
from checkin.errors import CheckinError, NoteUntrusted, RequestInvalid, SettingsInvalid, SharesInvalid
from checkin.protocol.key_list import AuthorityKey, AuthorityList
from checkin.protocol.primitives import OpeningKey, random_bytes
from tests.checkin.tracing.conftest import Scene
from tests.support.service_folder import DAY

CASE = ["--case", "2026-17", "--purpose", "contacts of a person with measles", "--basis", "Act, Article 76-2"]


class Officer:
    """At a terminal, in the authority's office."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.order = folder / "order"
        self._authority = scene.country.deployment.folder / "authority"
        self._clock = str(scene.country.clock.path)

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """`checkin authority …`, with this on standard input; an error of ours is raised."""
        done = CliRunner().invoke(app, ["authority", *arguments], input=answer)
        if isinstance(done.exception, CheckinError):
            raise done.exception
        return done

    def place(self) -> list[str]:
        """Options that say where the authority is, and when it is."""
        return ["--dir", str(self._authority), "--simulated-clock", self._clock, "--allow-unfit-storage"]

    def officer(self, *numbers: int) -> list[str]:
        """Folders of officers."""
        return [text for number in numbers for text in ("--officer", str(self._authority / "officers" / str(number)))]


@pytest.fixture
def desk(scene: Scene, tmp_path: Path) -> Officer:
    """An office."""
    return Officer(scene, tmp_path)


def reported(printed: str) -> Any:
    """The JSON among what this process printed: the services run in it, and log."""
    return json.loads(printed[printed.index("{") :])


def test_from_a_question_to_a_table_in_three_commands(scene: Scene, desk: Officer, tmp_path: Path) -> None:
    """Written, read, signed by two, executed; the files are for the officer alone."""
    made = desk.run(
        "order", str(desk.order), *desk.place(), *CASE,
        "--person", "+82 10-2000 0001", "--since", "2026-11-20", "--until", "2026-11-20", "--json",
    )  # fmt: skip
    assert reported(made.stdout)["needed"] == 2
    shown = desk.run("sign", str(desk.order), *desk.officer(1), answer="y\n")
    assert "will read this purpose: contacts of a person with measles.\n" in shown.stdout
    assert "the phone +821020000001 was from 2026-11-20 to 2026-11-20" in shown.stdout
    assert "at most 1000 rows" in shown.stdout and "is valid until 2026-11-23 12:0" in shown.stdout
    assert "has 1 signature now" in shown.stdout
    for answer in ("n\n", ""):
        with pytest.raises(RequestInvalid, match="signed"):
            desk.run("sign", str(desk.order), *desk.officer(2), answer=answer)
    with pytest.raises(NoteUntrusted):
        desk.run("trace", str(desk.order), *desk.place(), *desk.officer(1, 2), "-o", str(tmp_path / "result"))
    assert reported(desk.run("sign", str(desk.order), *desk.officer(3), "--yes", "--json").stdout)["signatures"] == 2
    where = ["--dir", desk.place()[1]]
    assert "has 2 of 2 signatures now" in desk.run("sign", str(desk.order), *desk.officer(3), *where, "--yes").stdout
    with pytest.raises(SettingsInvalid, match="no authority"):
        desk.run("sign", str(desk.order), *desk.officer(3), "--yes", "--dir", str(tmp_path))
    result = tmp_path / "result"
    with pytest.raises(SharesInvalid, match="2 different officers are needed, 1 given"):
        desk.run("trace", str(desk.order), *desk.place(), *desk.officer(1), "-o", str(result))
    told = desk.run("trace", str(desk.order), *desk.place(), *desk.officer(1, 2), "-o", str(result))
    assert "Places where the person was, with their times: 1.\n2 to reach" in told.stdout
    assert "it was not told where they were" in told.stdout
    people = list(csv.DictReader((result / "trace.csv").read_text(encoding="utf-8").splitlines()))
    assert {person["name"] for person in people} == {"Bob Baek-hyeon", "Carol Choi-won"}
    assert {person["place"] for person in people} == {"Café"}
    again = desk.run("trace", str(desk.order), *desk.place(), *desk.officer(2, 3), "-o", str(result), "--json")
    assert reported(again.stdout) == json.loads((result / "trace.json").read_text(encoding="utf-8"))
    assert "the ring's own" not in told.stderr + again.stderr
    kept = Path(desk.place()[1]) / "listed.txt"
    true = kept.read_text(encoding="utf-8")
    try:
        days = AuthorityList.read(true).keys
        planted = AuthorityKey(OpeningKey(random_bytes(32)).public, "ab" * 32)
        kept.write_text(AuthorityList("health.localhost", {**days, DAY + 2: planted}, True).text(), encoding="utf-8")
        seen = desk.run("trace", str(desk.order), *desk.place(), *desk.officer(1, 2), "-o", str(result))
    finally:
        kept.write_text(true, encoding="utf-8")
    assert "not the ring's own, do not sign it: 2026-11-22." in seen.stderr and "2 to reach" in seen.stdout
    page = (result / "trace.html").read_text(encoding="utf-8")
    assert "<title>Order" in page
    # what a narrow window scrolls is reached by keyboard
    assert page.count('class="screen" role="group" tabindex="0"') == page.count('class="screen"') > 0
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in result.iterdir())
    assert scene.alice.phone == "+821020000001"


@pytest.mark.parametrize(
    "about",
    [
        [],
        ["--venue", "0123456789abcdef"],
        ["--venue", "cafe", "--from", "2026-11-20T12:00", "--to", "2026-11-20T13:00"],
        ["--person", "010-1234-5678", "--since", "2026-11-20", "--until", "2026-11-20"],
        ["--person", "+821012345678", "--since", "20 November", "--until", "2026-11-20"],
        ["--venue", "0123456789abcdef", "--from", "noon", "--to", "2026-11-20T13:00"],
        ["--venue", "0123456789abcdef", "--from", "2026-11-20T12:00", "--to", "2026-11-20T13:00", "--person", "+8210"],
    ],
)
def test_an_order_about_nothing_or_two_things_is_not_written(desk: Officer, about: list[str]) -> None:
    """The sentence says how to write it."""
    with pytest.raises(RequestInvalid, match=r"write it like|about one venue|^--(venue|person) is no "):
        desk.run("order", str(desk.order), *desk.place(), *CASE, *about)
    assert not desk.order.exists()


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        ("2026-11-20T12:00", "2026-11-20T16:01", "^--to is more than 4 hours after --from"),
        ("2026-11-20T13:00", "2026-11-20T12:00", "^--to is not after --from"),
        ("2026-11-20T12:00:10+09:00", "2026-11-20T12:00:50+09:00", "^--to is not after --from"),
        ("nonsense", "2026-11-20T12:00", "^--from nonsense is no time"),
        ("2026-11-20T12:00", "2026-11-20T12:60", "^--to 2026-11-20T12:60 is no time"),
        ("2026-11-20T12:00", "0001-01-01T00:00", "^--to 0001-01-01T00:00 is no time"),
    ],
)
def test_a_venue_is_asked_for_one_window_of_at_most_four_hours(desk: Officer, begin: str, end: str, why: str) -> None:
    """Already the authority's own program refuses, and names the option."""
    with pytest.raises(RequestInvalid, match=why):
        desk.run(
            "order", str(desk.order), *desk.place(), *CASE, "--venue", "0123456789abcdef", "--from", begin, "--to", end
        )
    assert not desk.order.exists()


@pytest.mark.parametrize(
    ("person", "since", "until", "why"),
    [
        ("+821012345678", "2026-11-20", "2026-11-19", "^--until is before --since"),
        ("+821012345678", "2026-11-01", "2026-11-29", "are 29 days: 28 are the most"),
        ("+821012345678", "2026-11-01", "soon", "^--until soon is no day"),
        ("010-1234-5678", "2026-11-20", "2026-11-20", "^--person is no phone number that begins with"),
    ],
)
def test_a_person_is_asked_for_days_in_their_order(
    desk: Officer, person: str, since: str, until: str, why: str
) -> None:
    """The sentence names the option, and repeats no phone."""
    with pytest.raises(RequestInvalid, match=why) as refused:
        desk.run("order", str(desk.order), *desk.place(), *CASE, "--person", person, "--since", since, "--until", until)
    assert person not in str(refused.value)
    assert not desk.order.exists()
