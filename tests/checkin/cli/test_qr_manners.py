"""`checkin qr` at a terminal: it asks in an order that costs nobody anything, and draws only what can be read."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from checkin import cli, client
from checkin.cli import door
from checkin.cli.terminal import in_colours
from checkin.errors import (
    NameInvalid,
    PhoneInvalid,
    PhoneNotMobile,
    PictureUnreadable,
    RequestInvalid,
    TokenMalformed,
    Unauthorized,
    Unreachable,
)
from checkin.files.json_file import save_party
from checkin.http.client import Client
from checkin.parties.wallet import Wallet
from checkin.protocol import qr
from checkin.protocol.key_list import IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from tests.support.hostile import hostile


def ask(tmp_path: Path, *options: str, typed: str = "") -> Any:
    """What the command says to somebody who types."""
    command = ["qr", "--issuer", "http://127.0.0.1:9", "--wallet", str(tmp_path / "w.json"), *options]
    return CliRunner().invoke(cli.app, command, input=typed)


def test_an_address_that_leads_nowhere_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    done = ask(tmp_path, typed="Kim\n01012345678\n")
    assert isinstance(done.exception, Unreachable)
    assert "Name" not in done.output


def test_a_refused_name_and_a_refused_phone_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only what was refused."""
    tried: list[tuple[str, str]] = []

    def register(_: Client, path: str, body: dict[str, str]) -> dict[str, str]:
        assert path == "/v1/registrations"
        tried.append((body["name"], body["phone"]))
        if body["name"] == "=1":
            raise NameInvalid
        if body["phone"] == "02-123-4567":
            raise PhoneNotMobile
        return {"registration_id": "a-registration"}

    monkeypatch.setattr(Client, "get", lambda *_: {})
    monkeypatch.setattr(Client, "post", register)
    done = ask(tmp_path, typed="=1\n02-123-4567\nKim\n010-1234-5678\n")
    assert tried == [("=1", "02-123-4567"), ("Kim", "02-123-4567"), ("Kim", "010-1234-5678")]
    assert "give a mobile number" in done.output


@pytest.mark.parametrize("options", [("--name", "Kim", "--phone", "1"), ("--phone", "1")])
def test_what_was_given_as_an_option_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """A script ends with the error."""

    def register(*_: object) -> str:
        raise PhoneInvalid

    monkeypatch.setattr(Client, "get", lambda *_: {})
    monkeypatch.setattr(Client, "post", register)
    done = ask(tmp_path, *options, typed="Kim\n")
    assert isinstance(done.exception, PhoneInvalid)
    assert "Phone" not in done.output


@pytest.mark.parametrize(("shown", "characters"), [(False, 468), (True, 501)])
def test_a_window_too_narrow_for_the_code_is_told_before_a_code_is_used(
    monkeypatch: pytest.MonkeyPatch, shown: bool, characters: int
) -> None:
    """The number of columns is that of a code of this length."""
    drawing = qr.to_terminal("CK1:" + "A" * (characters - 4))
    assert {len(line) for line in drawing.splitlines()} == {door.WIDTHS[shown]}
    for columns, fits in ((door.WIDTHS[shown] - 1, False), (door.WIDTHS[shown], True)):
        size = os.terminal_size((columns, 24))
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_, size=size, **__: size)
        if fits:
            door._check_width(show_status=shown)
        else:
            with pytest.raises(RequestInvalid, match=f"needs {door.WIDTHS[shown]} columns"):
                door._check_width(show_status=shown)


def test_a_code_has_its_own_colours_in_a_light_terminal_too() -> None:
    """White on black in every line, so that what is dark is dark."""
    drawn = in_colours(qr.to_terminal("CK1:" + "A" * 464))
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in drawn.splitlines())


def test_a_picture_that_is_too_large_is_an_error_and_no_warning_with_a_path(tmp_path: Path) -> None:
    """Pillow's own warning names the line of a file; here every warning is an error."""
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 9_500)).save(path)
    for read in (lambda: client.read_code(path), lambda: qr.read_image(path.read_bytes())):
        with pytest.raises(PictureUnreadable, match="50 million"):
            read()
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    with pytest.raises(PictureUnreadable, match="50 million"):
        qr.read_image(buffer.getvalue())


def test_a_wallet_whose_account_has_ended_is_told_to_register_again(tmp_path: Path) -> None:
    """Deleted from another device, or unused for too long: its token is nobody's any more."""
    key = SigningKey(bytes([1] * 32)).public
    listed = IssuerList(1, {20777: ListedKey(issuer_kid(1, key), key)}, simulated=True)
    said = {"type": "urn:checkin:problem:unauthorized", "status": 401, "detail": "Not known.", "code": "unauthorized"}
    keys = {"list": sign_note(listed.text(), NoteSigner("issuer.example", SigningKey(bytes([2] * 32))))}
    (tmp_path / "clock").write_text("2026-11-20T12:00:00+09:00\n", encoding="ascii")
    with hostile("http://127.0.0.1:9") as issuer:
        issuer.rules = {
            ("GET", "/v1/keys"): (200, "application/json", json.dumps(keys)),
            ("POST", "/v1/credentials"): (401, "application/problem+json", json.dumps(said)),
        }
        save_party(tmp_path / "w.json", Wallet(issuer.url, "a-token-of-before").plain())
        done = ask(tmp_path, "--issuer", issuer.url, "--simulated-clock", str(tmp_path / "clock"))
    assert isinstance(done.exception, Unauthorized)
    assert done.exception.detail == "The account of this wallet has ended: register again, in a new file."


def test_a_picture_that_is_not_there_is_named_and_another_code_is_no_file(tmp_path: Path) -> None:
    """A certificate is longer than any file's name: it is no code of ours, and nobody prints it."""

    def scan(source: str) -> Any:
        options = ("--venue", "http://127.0.0.1:9", "--scanner", str(tmp_path / "s.json"))
        return CliRunner().invoke(cli.app, ["scan", source, *options]).exception

    missing = str(tmp_path / "missing.png")
    assert (type(found := scan(missing)), found.filename) == (FileNotFoundError, missing)
    assert isinstance(found := scan("HC1:" + "A" * 600), TokenMalformed) and "AAA" not in found.detail
