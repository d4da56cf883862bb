"""The authority's day keys from the command line, up to an issuer that takes the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkin.cli.authority import app
from checkin.errors import (
    ClockUntrusted,
    ListRefused,
    NoteMalformed,
    NoteUntrusted,
    RequestInvalid,
    SettingsInvalid,
    SharesInvalid,
    SimulationRefused,
    Unauthorized,
    Unreachable,
)
from checkin.files.durable import replace_file
from checkin.keys.officer_folder import REMEMBERED_FILE, load_signer
from checkin.keys.officers import Officers
from checkin.protocol.key_list import AuthorityKey, AuthorityList, CheckedList, DestroyedList
from checkin.protocol.note import NoteSigner, sign_note, unverified_text
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.service import problems
from tests.support.answering_server import AnsweringServer, Heard, Said

TOKEN = "the-authority's-token"


def run(*args: object) -> Any:
    result = CliRunner().invoke(app, [*map(str, args), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


class Place:
    """An authority's folder with a simulated clock."""

    def __init__(self, path: Path) -> None:
        self.folder, self.list, self.clock = path / "authority", path / "keys.txt", path / "clock"
        self.clock.write_text("2026-11-22T12:00:00+09:00\n")
        self.common = ("--dir", self.folder, "--simulated-clock", self.clock, "--allow-unfit-storage")
        self.made = run("init", *self.common, "--name", "health.example", "--officers", 3, "--threshold", 2)

    def officer(self, number: int) -> tuple[str, Path]:
        return "--officer", self.folder / f"officers/{number}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_keys_are_made_listed_signed_by_two_officers_and_trusted(place: Place) -> None:
    assert len(place.made["officers"]) == 3
    assert run("keys", "make", *place.common)["made"][-1] == "2026-12-06"
    assert run("keys", "list", *place.common, "-o", place.list)["signatures"] == 0
    assert run("keys", "sign", "--yes", place.list, *place.officer(3))["signatures"] == 1
    assert run("keys", "sign", "--yes", place.list, *place.officer(3), *place.officer(1))["signatures"] == 2
    officers = Officers.read((place.folder / "officers.txt").read_text())
    assert len(AuthorityList.read(officers.open(place.list.read_text()).text).keys) == 15


def test_officers_exchange_all_and_until_that_is_done_nothing_else_goes(place: Place) -> None:
    run("keys", "make", *place.common, "--ahead", 2)
    draft = place.folder / "renewal"
    draft.mkdir()
    with pytest.raises(SettingsInvalid, match="checkin authority renew"):
        run("keys", "make", *place.common)
    draft.rmdir()
    done = run("renew", *place.common, *place.officer(1), *place.officer(3), "--officers", 4, "--yes")
    assert done["folders"] == [str(place.folder / "officers" / number) for number in "4567"]
    assert [vkey.partition("+")[0][-1] for vkey in done["officers"]] == list("4567") and done["unopened"] == []
    two = (*place.officer(4), *place.officer(7))
    assert run("keys", "list", "--yes", *place.common, "-o", place.list, *two)["signatures"] == 2
    with pytest.raises(SharesInvalid):
        run("renew", *place.common, *place.officer(1), *place.officer(2), "--yes")
    early = ("--service", "registry.example", "--first", "2026-11-22", "--last", "2026-11-22", "--reason", "stolen")
    with pytest.raises(RequestInvalid, match="is no officer of"):
        run("destroy-early", *place.common, *early, *place.officer(1), "-o", place.list.with_name("early.txt"), "--yes")


def test_officers_who_are_present_sign_while_the_list_is_written(place: Place) -> None:
    run("keys", "make", *place.common, "--ahead", 2)
    answer = run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(1), *place.officer(2))
    assert (answer["signatures"], answer["days"]) == (2, ["2026-11-22", "2026-11-23", "2026-11-24"])
    Officers.read((place.folder / "officers.txt").read_text()).open(place.list.read_text())


def test_an_officer_is_not_made_to_sign_anything_but_a_list_of_keys(place: Place) -> None:
    """What looks like a routine signature must not turn out to be an order."""
    order = "checkin/order/v1\ncase 1\n"
    for content in (order, sign_note(order, NoteSigner("x.example", SigningKey(bytes(32))))):
        place.list.write_text(content)
        with pytest.raises(NoteMalformed):
            run("keys", "sign", "--yes", place.list, *place.officer(1))
        assert place.list.read_text() == content


def test_an_officer_sees_every_day_its_commitment_and_what_is_new_and_is_asked(place: Place) -> None:
    """What was signed before is known from the officer's own folder, not from the machine that wrote the list."""
    run("keys", "make", *place.common, "--ahead", 1)
    run("keys", "list", *place.common, "-o", place.list)
    words = ["keys", "sign", str(place.list), *map(str, place.officer(1))]
    listed = AuthorityList.read(place.list.read_text())
    for answer in ("n\n", ""):
        refused = CliRunner().invoke(app, words, input=answer)
        assert isinstance(refused.exception, RequestInvalid)
        assert "officer-1" not in place.list.read_text()
    shown = CliRunner().invoke(app, words, input="y\n").output
    for key in listed.keys.values():
        assert f"commitment {key.commitment}  NEW" in shown
    assert "New to these officers: 2 keys." in shown and "2026-11-22  key " in shown
    run("keys", "make", *place.common, "--ahead", 2)
    run("keys", "list", *place.common, "-o", place.list)
    again = CliRunner().invoke(app, words, input="y\n").output
    assert again.count("signed before") == 2 and "2026-11-24" in again and "New to these officers: 1 key." in again


def test_who_signs_a_list_while_another_officer_reads_has_signed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that was exchanged meanwhile is neither signed nor remembered as signed."""
    run("keys", "make", *place.common, "--ahead", 0)
    run("keys", "list", *place.common, "-o", place.list)
    listed, second = place.list.read_text(), load_signer(place.officer(2)[1])
    monkeypatch.setattr(
        "checkin.cli.day_keys.confirm", lambda *_, **__: place.list.write_text(sign_note(listed, second))
    )
    assert run("keys", "sign", place.list, *place.officer(1))["signatures"] == 2
    other = listed.replace("2026-11-22", "2026-11-23")
    monkeypatch.setattr("checkin.cli.day_keys.confirm", lambda *_, **__: place.list.write_text(other))
    with pytest.raises(RequestInvalid, match="exchanged"):
        run("keys", "sign", place.list, *place.officer(3))
    assert place.list.read_text() == other and not (place.officer(3)[1] / REMEMBERED_FILE).exists()


def test_officers_who_list_together_state_that_the_keys_are_the_rings_own(place: Place) -> None:
    """Signed by them, with the commitments of the list; one officer alone states nothing."""
    run("keys", "make", *place.common, "--ahead", 1)
    run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(1))
    assert not (place.folder / "checked.txt").exists()
    run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(1), *place.officer(3))
    officers = Officers.read((place.folder / "officers.txt").read_text())
    checked = CheckedList.read(officers.open((place.folder / "checked.txt").read_text()).text).keys
    listed = AuthorityList.read(unverified_text(place.list.read_text())).keys
    assert {day: key.commitment for day, key in checked.items()} == {d: key.commitment for d, key in listed.items()}
    assert {key.done for key in checked.values()} == {20779}


def test_a_key_that_the_machine_planted_is_not_signed(place: Place) -> None:
    """Another key for a day that the officer signed before: refused from the officer's own memory. For a new day: found
    by the shares of enough officers. Control: the ring's own keys, above."""
    run("keys", "make", *place.common, "--ahead", 1)
    run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(1))
    planted = AuthorityKey(OpeningKey(random_bytes(32)).public, "ab" * 32)
    listed = AuthorityList.read(unverified_text(place.list.read_text()))
    place.list.write_text(AuthorityList(listed.owner, {**listed.keys, 20779: planted}, True).text())
    with pytest.raises(ListRefused, match="another key for 2026-11-22"):
        run("keys", "sign", "--yes", place.list, *place.officer(1))
    kept = place.folder / "listed.txt"
    kept.write_text(AuthorityList(listed.owner, {**listed.keys, 20781: planted}, True).text())
    with pytest.raises(ListRefused, match="not the ring's own, do not sign it: 2026-11-24"):
        run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(2), *place.officer(3))


def test_due_keys_are_destroyed_once_the_clock_is_confirmed(place: Place) -> None:
    run("keys", "make", *place.common)
    assert run("keys", "destroy", *place.common)["destroyed"] == []
    place.clock.write_text("2026-12-20T00:00:00+09:00\n")
    with pytest.raises(ClockUntrusted):
        run("keys", "destroy", *place.common)
    [record] = run("keys", "destroy", *place.common, "--confirm-clock")["destroyed"]
    assert record["date"] == "2026-11-22" and len(record["commitment"]) == 64


def test_a_simulated_folder_is_not_used_with_the_real_clock(place: Place) -> None:
    with pytest.raises(SimulationRefused):
        run("keys", "make", "--dir", place.folder, "--allow-unfit-storage")


class Issuer(AnsweringServer):
    """Takes what an issuer's PUT /v1/authority-keys takes."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        super().__init__(self._answer)

    def _answer(self, heard: Heard) -> Said:
        self.seen.append((heard.target, json.loads(heard.body)))
        if heard.token == f"Bearer {TOKEN}":
            return Said(b'{"days": 15}')
        return Said(json.dumps(problems.document(Unauthorized("no"))).encode(), 401, "application/problem+json")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        yield server


def test_the_list_is_published_to_an_issuer_with_a_token(place: Place, issuer: Issuer, tmp_path: Path) -> None:
    run("keys", "make", *place.common)
    run("keys", "list", "--yes", *place.common, "-o", place.list, *place.officer(1), *place.officer(2))
    token = tmp_path / "token"
    replace_file(token, f"{TOKEN}\n".encode())
    run("keys", "list", *place.common, "-o", tmp_path / "unsigned.txt")
    answer = run("keys", "publish", place.list, "--issuer", issuer.url, "--token-file", token)
    assert answer == {"published": {issuer.url: {"days": 15}}, "index": None}
    assert issuer.seen == [("/v1/authority-keys", {"list": place.list.read_text()})]
    replace_file(token, b"another")
    with pytest.raises(Unauthorized):
        run("keys", "publish", place.list, "--issuer", issuer.url, "--token-file", token)
    with pytest.raises(Unreachable):
        run("keys", "publish", place.list, "--issuer", "http://127.0.0.1:1", "--token-file", token)
    with pytest.raises(SettingsInvalid):
        run("keys", "publish", place.list, "--issuer", issuer.url, "--token-file", tmp_path / "absent")
    with pytest.raises(NoteUntrusted, match="keys sign"):
        run("keys", "publish", tmp_path / "unsigned.txt", "--issuer", issuer.url, "--token-file", token)
    for options, hint in (
        (["--issuer", issuer.url], "--token-file"),
        ([], "parties.toml"),
        (["--log", "http://127.0.0.1:1"], "--log-key"),
        (["--log", "127.0.0.1", "--log-key", "x", "--log-token-file", token], "--log-key"),
    ):
        with pytest.raises(RequestInvalid, match=hint):
            run("keys", "publish", place.list, *options)


def test_what_was_destroyed_is_signed_by_two_officers_like_a_list(place: Place) -> None:
    """Destroying needs no officer; the statement waits for them, and a second run takes no signature away."""
    run("keys", "make", *place.common)
    assert run("keys", "destroy", *place.common)["statement"] is None
    place.clock.write_text("2026-12-20T00:00:00+09:00\n")
    statement = run("keys", "destroy", *place.common, "--confirm-clock")["statement"]
    assert statement == str(place.folder / "destroyed.txt")
    assert run("keys", "sign", "--yes", statement, *place.officer(2))["signatures"] == 1
    assert run("keys", "destroy", *place.common) == {"destroyed": [], "statement": statement}
    signed = run("keys", "sign", "--yes", statement, *place.officer(3))
    assert (signed["signatures"], signed["days"], signed["kind"]) == (2, 1, "a statement of destroyed keys")
    officers = Officers.read((place.folder / "officers.txt").read_text())
    assert list(DestroyedList.read(officers.open(Path(statement).read_text()).text).keys) == [20779]
    token = place.folder.with_name("token")
    replace_file(token, b"token\n")
    with pytest.raises(RequestInvalid, match="goes into the log"):
        run("keys", "publish", statement, "--issuer", "http://127.0.0.1:1", "--token-file", token)


def test_a_wrong_file_is_answered_with_one_line_that_says_what_to_take(place: Place, tmp_path: Path) -> None:
    """Nothing is signed, nothing is a traceback."""
    run("keys", "make", *place.common)
    run("keys", "list", *place.common, "-o", place.list)
    damaged = place.list.read_text().replace(" 2026-11-23 ", " 2026-11-31 ")
    wrong = tmp_path / "wrong"
    for content in (b"", b"\n\n", b"hello", b"hello\n\n\xe2\x80\x94 x y\n", b"\xff\xfe\x00", damaged.encode()):
        wrong.write_bytes(content)
        for words in (["keys", "sign", "--yes", wrong, *place.officer(1)], ["keys", "publish", wrong, *place.common]):
            with pytest.raises((NoteMalformed, RequestInvalid), match="keys list") as refused:
                run(*words)
            assert "\n" not in str(refused.value)
        assert wrong.read_bytes() == content
    with pytest.raises(RequestInvalid, match="authority sign"):
        run("keys", "sign", "--yes", tmp_path, *place.officer(1))


def test_another_authoritys_officer_does_not_sign(place: Place, tmp_path: Path) -> None:
    """The log would refuse the list for a line of nobody that it knows."""
    run("keys", "make", *place.common)
    run("keys", "list", *place.common, "-o", place.list)
    run("init", "--dir", tmp_path / "other", "--name", "other.example", "--allow-unfit-storage")
    with pytest.raises(RequestInvalid, match="no officer of"):
        run("keys", "sign", "--yes", place.list, "--officer", tmp_path / "other/officers/1")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--officers", 1], "2 of 1 officers"),
        (["--officers", 1, "--threshold", 1], "One officer alone"),
        (["--threshold", 0], "0 of 3 officers"),
        (["--threshold", 4], "4 of 3 officers"),
        (["--officers", -3, "--threshold", -5], "2 to 16"),
        (["--officers", 17, "--threshold", 2], "2 to 16"),
        (["--name", "Health Office"], "--name health.example"),
        (["--zone", "Asia/Soul"], "zone"),
    ],
)
def test_nonsense_makes_no_authority_and_says_what_to_choose(tmp_path: Path, options: list[object], hint: str) -> None:
    """And leaves nothing behind that keeps the next try from succeeding."""
    common = ("init", "--dir", tmp_path / "new", "--allow-unfit-storage", "--name", "health.example")
    with pytest.raises(SettingsInvalid, match=hint) as refused:
        run(*common, *options)
    assert "\n" not in str(refused.value)
    assert run(*common)["threshold"] == 2


COMMANDS = ("init", *(f"keys {word}" for word in ("make", "list", "sign", "publish", "destroy", "status")))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_explains_itself_with_an_example(words: str) -> None:
    output = CliRunner().invoke(app, [*words.split(), "--help"]).output
    assert f"Example: checkin authority {words}" in " ".join(output.split())


def test_reports_are_sentences_without_json(place: Place) -> None:
    for words, expected in [
        (["keys", "make", *place.common], "Made keys for 15 days"),
        (["keys", "make", *place.common], "No key was missing."),
        (["keys", "list", *place.common, "-o", place.list], "0 of 2 signatures"),
        (["keys", "sign", "--yes", place.list, *place.officer(1)], "of 15 days, has 1 signature now."),
        (["keys", "sign", "--yes", place.list, *place.officer(2)], "of 15 days, has 2 signatures now."),
        (["keys", "destroy", *place.common], "Nothing is due."),
    ]:
        assert expected in CliRunner().invoke(app, [*map(str, words)]).output
