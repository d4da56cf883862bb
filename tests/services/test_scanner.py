"""The scanner as an object and as a command, against a real registry that comes and goes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkin.demo.stage import Stage, enrol, one_time_code
from checkin.errors import AlreadyUsed, ListRefused, NoteUntrusted, ScannerStale, SettingsInvalid, StatusRequired
from checkin.http.client import Client
from checkin.keys.secret_file import read_secret
from checkin.parties import wallet
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.wallet import Wallet
from checkin.protocol import qr
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from tests.support.commands import command as checkin


@pytest.fixture(scope="module")
def visitor(town: Stage) -> Wallet:
    """Somebody with several batches for today."""
    issuer = town.deployment.url("issuer")
    registration = wallet.register(issuer, "Jung Ho", "+821033334444")
    otc = one_time_code(town.deployment, "+821033334444")
    held = wallet.confirm(issuer, registration, otc, town.folder / "visitor.json")
    for _ in range(4):
        held.fetch(town.day, town.calendar)
    return held


def code(town: Stage, visitor: Wallet, **options: bool) -> str:
    """A fresh code."""
    opened = visitor.open_code(town.day)
    assert opened is not None
    return wallet.present(opened, town.clock.now(), town.calendar, **options)


def registry(town: Stage, scanner: Scanner) -> Client:
    """The registry, as this scanner."""
    return Client(town.deployment.url("venue"), scanner.token)


def test_a_queue_survives_a_restart_and_is_uploaded_once(town: Stage, visitor: Wallet) -> None:
    """Nothing is lost when the battery runs out, and nothing counts twice when an answer gets lost."""
    scanner = enrol(town, "Library")
    for _ in range(3):
        assert scanner.scan(code(town, visitor), None, town.clock.now()) is ScanResult.QUEUED
    again = Scanner.load(scanner.path)
    assert len(again.queue) == 3
    kept = list(again.queue)
    with registry(town, scanner) as client:
        assert [entry["result"] for entry in again.upload(client)] == ["accepted"] * 3
        assert Scanner.load(scanner.path).queue == []
        again.queue = kept
        assert [entry["result"] for entry in again.upload(client)] == ["repeated"] * 3


def test_a_stolen_scanner_tells_nothing_about_its_queue(town: Stage, visitor: Wallet) -> None:
    """Neither the codes nor the visit ids of queued scans are in its file."""
    scanner = enrol(town, "Bakery")
    text = code(town, visitor)
    scanner.scan(text, None, town.clock.now())
    content = scanner.path.read_text()
    assert text not in content
    assert scanner.path.stat().st_mode & 0o077 == 0
    (entry,) = scanner.queue
    assert text[4:60].encode() not in b64url_decode(entry)


def test_a_door_goes_on_while_the_registry_is_gone(town: Stage, visitor: Wallet) -> None:
    """It falls into the queue by itself, and a second use is refused all the same."""
    scanner = enrol(town, "Gym")
    town.processes.kill("venue")
    try:
        with registry(town, scanner) as client:
            text = code(town, visitor)
            assert scanner.scan(text, client, town.clock.now()) is ScanResult.QUEUED
            with pytest.raises(AlreadyUsed):
                scanner.scan(text, client, town.clock.now())
    finally:
        town.processes.start("venue")
        town.processes.wait_for("venue")
    with registry(town, scanner) as client:
        assert [entry["result"] for entry in scanner.upload(client)] == ["accepted"]


def test_without_outside_time_for_a_day_a_scanner_stops(town: Stage, visitor: Wallet) -> None:
    """A tablet whose clock nobody checks admits old codes: 24 hours, then no more."""
    scanner = enrol(town, "Museum")
    text = code(town, visitor)
    with pytest.raises(ScannerStale):
        scanner.check(text, scanner.trust.time + 24 * 3600 + 1)
    with registry(town, scanner) as client, pytest.raises(ScannerStale, match="differs"):
        scanner.refresh(client, town.clock.now() + 60)


NONCE = "0123456789abcdefABCDEF"


def answered(town: Stage, scanner: Scanner) -> dict[str, Any]:
    """What the registry tells a scanner, as if neither of them pinned a log: what is left to hold on to then."""
    with registry(town, scanner) as client:
        answer: dict[str, Any] = client.get("/v1/trust", nonce=NONCE)
    scanner.trust.log = None
    return answer | {"log": None}


def resigned(note: str, signer: NoteSigner, change: Callable[[list[str]], list[str]]) -> str:
    """The same kind of list with its lines changed, well signed."""
    text = note.partition("\n\n")[0]
    changed = "\n".join(change(text.split("\n"))) + "\n"
    return changed + "\n" + signer.sign(changed)


def test_keys_once_seen_stay(town: Stage) -> None:
    """A registry that was taken over can put no other keys into a scanner: not its own, not an issuer's."""
    scanner = enrol(town, "Cinema")
    answer = answered(town, scanner)
    stranger = NoteSigner("issuer.localhost", SigningKey(b"\x06" * 32))
    forged = dict(answer["issuers"][0], vkey=stranger.verifier.vkey)
    forged["list"] = resigned(forged["list"], stranger, lambda lines: lines)
    with pytest.raises(NoteUntrusted):
        scanner.trust.update(dict(answer, issuers=[forged]), NONCE, town.clock.now())
    scanner.trust.update(answer, NONCE, town.clock.now())


def test_an_older_list_makes_no_room_for_another_key(town: Stage) -> None:
    """Whoever has a list's key for an hour can neither replace tomorrow's key nor forget it first."""
    scanner = enrol(town, "Theatre")
    answer = answered(town, scanner)
    signer = NoteSigner(town.deployment.verifier("venue").name, _statement_key(town, "venue"))
    before = dict(scanner.trust.intake_keys)
    shorter = resigned(answer["intake"], signer, lambda lines: lines[:-1])
    scanner.trust.update(dict(answer, intake=shorter), NONCE, town.clock.now())
    assert scanner.trust.intake_keys == before
    swapped = resigned(
        answer["intake"], signer, lambda lines: [*lines[:-1], " ".join([*lines[-1].split()[:2], lines[-2].split()[2]])]
    )
    with pytest.raises(ListRefused):
        scanner.trust.update(dict(answer, intake=swapped), NONCE, town.clock.now())
    assert Scanner.load(scanner.path).trust.intake_keys == before


def test_a_list_does_not_own_the_years_to_come(town: Stage) -> None:
    """Keys for more than 15 days ahead are not remembered."""
    scanner = enrol(town, "Zoo")
    answer = answered(town, scanner)
    signer = NoteSigner(town.deployment.verifier("venue").name, _statement_key(town, "venue"))
    far = resigned(answer["intake"], signer, lambda lines: [*lines, f"key 2040-01-01 {lines[-1].split()[2]}"])
    scanner.trust.update(dict(answer, intake=far), NONCE, town.clock.now())
    assert max(scanner.trust.intake_keys) <= town.day + 15


def test_an_old_time_is_not_believed(town: Stage) -> None:
    """The registry's time is signed together with a fresh nonce: a recorded answer says nothing about now."""
    scanner = enrol(town, "Arcade")
    with pytest.raises(NoteUntrusted, match="not the answer"):
        scanner.trust.update(answered(town, scanner), NONCE[::-1], town.clock.now())


def test_a_venue_s_rule_is_asked_at_its_door_only(town: Stage, visitor: Wallet) -> None:
    """Whoever shows no status is told so; the registry never sees one."""
    scanner = enrol(town, "Clinic")
    scanner.trust.rule = [1]
    with registry(town, scanner) as client, pytest.raises(StatusRequired):
        scanner.scan(code(town, visitor), client, town.clock.now())
    scanner.trust.rule = []
    with registry(town, scanner) as client:
        assert scanner.scan(code(town, visitor, show_status=True), client, town.clock.now()) is ScanResult.ACCEPTED


def test_a_file_that_is_no_scanner_is_told_so(tmp_path: Path) -> None:
    """With the names of what is missing."""
    for content in ("{}", "[]", "nonsense", '{"venue_id": 1}'):
        (tmp_path / "scanner.json").write_text(content)
        with pytest.raises(SettingsInvalid, match="scanner_token"):
            Scanner.load(tmp_path / "scanner.json")


def command(town: Stage, scanner: Scanner, source: str, *arguments: str, stdin: bytes = b"") -> Any:
    """`checkin scan` under the town's clock: exit status, the JSON answer, standard error."""
    options = ["--venue", town.deployment.url("venue"), "--scanner", str(scanner.path), "--json"]
    line = ["scan", source, *options, "--simulated-clock", str(town.folder / "clock"), *arguments]
    done = checkin(*line, stdin=stdin)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_the_command_reads_a_picture_a_text_and_standard_input(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """And uploads what was queued before, with the next scan that has a network."""
    scanner = enrol(town, "Station")
    (tmp_path / "code.png").write_bytes(qr.to_png(code(town, visitor)))
    assert command(town, scanner, str(tmp_path / "code.png"))[1]["result"] == "accepted"
    queued = command(town, scanner, code(town, visitor), "--offline")
    assert queued[1] == {"result": "queued", "queued": 1, "uploaded": {}}
    piped = command(town, scanner, "-", stdin=qr.to_png(code(town, visitor)))
    assert piped[1] == {"result": "accepted", "queued": 0, "uploaded": {"accepted": 1}}


def test_the_command_passes_no_second_code_over_in_silence(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """Two people's codes in one picture: nobody is recorded, and the steward is told."""
    scanner = enrol(town, "Cinema hall")
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
    scanner = enrol(town, "Pier")
    command(town, scanner, text := code(town, visitor), "--offline")
    status, answer, error = command(town, scanner, text)
    assert (status, answer["error"]["code"]) == (1, "already_used")
    assert error.startswith("uploaded from the queue: 1 accepted\ncheckin: already_used: ")


def test_the_command_queues_without_the_registry_and_says_so(town: Stage, visitor: Wallet) -> None:
    """No answer is no refusal: the visit waits. What is no code is refused all the same."""
    scanner = enrol(town, "Ferry")
    nowhere = ("--venue", "http://127.0.0.1:9")
    status, answer, error = command(town, scanner, code(town, visitor), *nowhere)
    assert (status, answer["result"], answer["queued"]) == (0, "queued", 1)
    assert error.startswith("unreachable: http://127.0.0.1:9 ") and "waits in the queue" in error
    assert command(town, scanner, "CK1:A", *nowhere)[1]["error"]["code"] == "token_malformed"


def test_the_command_refuses_in_one_line(town: Stage, visitor: Wallet, tmp_path: Path) -> None:
    """A stable code, a sentence, a non-zero exit, no traceback."""
    scanner = enrol(town, "Harbour")
    text = code(town, visitor)
    assert command(town, scanner, text)[0] == 0
    (tmp_path / "noise.png").write_bytes(b"no picture")
    noise = str(tmp_path / "noise.png")
    for source, expected in [(text, "already_used"), (noise, "picture_unreadable"), ("x", "token_malformed")]:
        status, _, error = command(town, scanner, source)
        assert status == 1
        assert error.startswith(f"checkin: {expected}: ")
        assert error.count("\n") == 1


def _statement_key(town: Stage, service: str) -> SigningKey:
    return SigningKey(read_secret(town.deployment.folder / service / "statement.key"))
