"""The scanner as an object and as a command, against a real registry that comes and goes."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkin.demo.stage import Stage, registered
from checkin.errors import SettingsInvalid
from checkin.files.json_file import load_party, save_party
from checkin.http.asking import drive
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.wallet import Wallet
from checkin.protocol import qr
from tests.services.conftest import enrolled
from tests.support.commands import command as checkin


@pytest.fixture(scope="module")
def visitor(town: Stage) -> Wallet:
    """Somebody with several batches for today."""
    held = registered(town.deployment, "Jung Ho", "+821033334444")
    for _ in range(4):
        town.at("issuer", held.fetch(town.day, town.calendar))
    return held


def code(town: Stage, visitor: Wallet, **options: bool) -> str:
    """A fresh code."""
    opened = drive(visitor.open_code(town.day))
    assert opened is not None
    return wallet.present(opened, town.clock.now(), town.calendar, **options)


def test_a_queue_survives_a_restart_and_is_uploaded_once(town: Stage, visitor: Wallet) -> None:
    """Nothing is lost when the battery runs out, and nothing counts twice when an answer gets lost."""
    path = enrolled(town, "Library")
    keep = partial(save_party, path)
    for _ in range(3):
        scan = load_party(Scanner, path).scan(code(town, visitor), town.clock.now())
        assert drive(scan, keep=keep) is ScanResult.QUEUED
    again = load_party(Scanner, path)
    kept = list(again.queue)
    assert [entry["result"] for entry in town.at("venue", again.upload(), keep)] == ["accepted"] * 3
    assert load_party(Scanner, path).queue == []
    again.queue = kept
    assert [entry["result"] for entry in town.at("venue", again.upload())] == ["repeated"] * 3


def test_a_file_that_is_no_scanner_is_told_so(tmp_path: Path) -> None:
    """With the names of what is missing."""
    for content in ("{}", "[]", "nonsense", '{"venue_id": 1}'):
        (tmp_path / "scanner.json").write_text(content)
        with pytest.raises(SettingsInvalid, match="scanner_token"):
            load_party(Scanner, tmp_path / "scanner.json")


@pytest.mark.parametrize("part", ["trust", "told"])
def test_a_scanner_file_with_a_member_that_nobody_knows_is_none(tmp_path: Path, part: str) -> None:
    """It is a later version's, or damaged; what it says would be lost when it is written anew."""
    path, content = tmp_path / "scanner.json", Scanner("00" * 8, "11" * 8, "secret").plain()
    save_party(path, content)
    assert load_party(Scanner, path).token == "secret"
    content[part]["more"] = 1
    save_party(path, content)
    with pytest.raises(SettingsInvalid, match="scanner_token"):
        load_party(Scanner, path)


def command(town: Stage, scanner: Path, source: str, *arguments: str, stdin: bytes = b"") -> Any:
    """`checkin scan` under the town's clock: exit status, the JSON answer, standard error."""
    options = ["--venue", town.deployment.url("venue"), "--scanner", str(scanner), "--json"]
    line = ["scan", source, *options, "--simulated-clock", str(town.folder / "clock"), *arguments]
    done = checkin(*line, stdin=stdin)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_the_command_reads_a_picture_a_text_and_standard_input(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """And uploads what was queued before, with the next scan that has a network."""
    scanner = enrolled(town, "Station")
    (tmp_path / "code.png").write_bytes(qr.to_png(code(town, visitor)))
    assert command(town, scanner, str(tmp_path / "code.png"))[1]["result"] == "accepted"
    queued = command(town, scanner, code(town, visitor), "--offline")
    assert queued[1] == {"result": "queued", "queued": 1, "uploaded": {}}
    piped = command(town, scanner, "-", stdin=qr.to_png(code(town, visitor)))
    assert piped[1] == {"result": "accepted", "queued": 0, "uploaded": {"accepted": 1}}


def test_the_command_passes_no_second_code_over_in_silence(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """Two people's codes in one picture: nobody is recorded, and the steward is told."""
    scanner = enrolled(town, "Cinema hall")
    codes = [Image.open(io.BytesIO(qr.to_png(code(town, visitor)))).convert("L") for _ in range(2)]
    both = Image.new("L", (2 * codes[0].width, codes[0].height), 255)
    for place, one in enumerate(codes):
        both.paste(one, (place * codes[0].width, 0))
    both.save(tmp_path / "both.png")
    status, answer, _ = command(town, scanner, str(tmp_path / "both.png"))
    assert (status, answer["error"]["code"]) == (1, "picture_unreadable")
    assert "2 check-in codes" in answer["error"]["detail"]


def test_the_command_tells_of_an_upload_also_when_it_refuses_the_code(town: Stage, visitor: Wallet) -> None:
    """Nobody wonders where the queue went."""
    scanner = enrolled(town, "Pier")
    command(town, scanner, text := code(town, visitor), "--offline")
    status, answer, error = command(town, scanner, text)
    assert (status, answer["error"]["code"]) == (1, "already_used")
    assert error.startswith("uploaded from the queue: 1 accepted\ncheckin: already_used: ")


def test_the_command_queues_without_the_registry_and_says_so(town: Stage, visitor: Wallet) -> None:
    """No answer is no refusal: the visit waits. What is no code is refused all the same."""
    scanner = enrolled(town, "Ferry")
    nowhere = ("--venue", "http://127.0.0.1:9")
    status, answer, error = command(town, scanner, code(town, visitor), *nowhere)
    assert (status, answer["result"], answer["queued"]) == (0, "queued", 1)
    assert error.startswith("unreachable: http://127.0.0.1:9 ") and "waits in the queue" in error
    assert command(town, scanner, "CK1:A", *nowhere)[1]["error"]["code"] == "token_malformed"


def test_the_command_refuses_in_one_line(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """A stable code, a sentence, a non-zero exit, no traceback."""
    scanner = enrolled(town, "Harbour")
    text = code(town, visitor)
    assert command(town, scanner, text)[0] == 0
    (tmp_path / "noise.png").write_bytes(b"no picture")
    noise = str(tmp_path / "noise.png")
    for source, expected in [(text, "already_used"), (noise, "picture_unreadable"), ("x", "token_malformed")]:
        status, _, error = command(town, scanner, source)
        assert status == 1
        assert error.startswith(f"checkin: {expected}: ")
        assert error.count("\n") == 1
