"""`checkin certificate verify` as a person or a program meets it."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from checkin.cli import app
from checkin.protocol.qr import to_png

AT = "2021-07-01T12:00:00+02:00"


@pytest.fixture
def files(tmp_path: Path, cases: dict[str, dict[str, Any]]) -> SimpleNamespace:
    """A real case as files, with its signer, and another signer."""
    case = cases["AT/2"]
    (tmp_path / "signer.txt").write_text(case["TESTCTX"]["CERTIFICATE"])
    (tmp_path / "other.txt").write_text(cases["DE/1"]["TESTCTX"]["CERTIFICATE"])
    (tmp_path / "code.png").write_bytes(base64.b64decode(case["2DCODE"]))
    (tmp_path / "code.txt").write_text(case["PREFIX"] + "\n")
    (tmp_path / "noise.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)))
    (tmp_path / "empty").write_bytes(b"")
    return SimpleNamespace(folder=tmp_path, text=case["PREFIX"], trust=str(tmp_path / "signer.txt"))


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["certificate", "verify", *arguments], input=stdin)


def test_text_picture_text_file_and_standard_input_give_the_same_answer(files: SimpleNamespace) -> None:
    """Five ways to hand over one certificate; exit code 0."""
    common = ("--trust", files.trust, "--at", AT, "--json")
    results = [
        run(files.text, *common),
        run(str(files.folder / "code.png"), *common),
        run(str(files.folder / "code.txt"), *common),
        run("-", *common, stdin=files.text.encode() + b"\r\n"),
        run("-", *common, stdin=(files.folder / "code.png").read_bytes()),
    ]
    assert [result.exit_code for result in results] == [0] * 5
    assert len({result.stdout for result in results}) == 1
    answer = json.loads(results[0].stdout)
    assert list(answer) == ["ok", "checks", "status", "valid_from", "valid_until", "code"]
    assert list(answer["checks"]) == [
        "prefix", "base45", "compression", "cose", "schema", "signature", "key_usage", "expiry"
    ]  # fmt: skip
    assert set(answer["checks"].values()) == {True}
    assert (answer["ok"], answer["status"], answer["code"]) == (True, "recovered", None)
    assert (answer["valid_from"], answer["valid_until"]) == ("2021-04-04T00:00:00Z", "2021-10-04T23:59:59Z")


def test_a_person_sees_each_step_with_a_sign(files: SimpleNamespace) -> None:
    """✓ passed, ✗ failed, · not reached; then one sentence."""
    good = run(files.text, "--trust", files.trust, "--at", AT)
    assert good.exit_code == 0
    assert [line[0] for line in good.stdout.splitlines()[:8]] == ["✓"] * 8
    assert "Valid: recovered, 2021-04-04T00:00:00Z to 2021-10-04T23:59:59Z" in good.stdout
    bad = run(files.text, "--trust", str(files.folder / "other.txt"), "--at", AT)
    assert bad.exit_code == 1
    assert [line[0] for line in bad.stdout.splitlines()[:8]] == ["✓"] * 5 + ["✗", "·", "·"]
    assert "(certificate_signature)" in bad.stdout


def test_the_page_says_when_a_genuine_certificate_proves_nothing_or_no_longer(
    tmp_path: Path, forge: SimpleNamespace
) -> None:
    """Exit code 0: all steps passed; the sentence tells the rest."""
    trust = tmp_path / "signer.pem"
    trust.write_bytes(forge.signer.pem)
    started = run(forge.signer.text(forge.claims_of("v", dn=1)), "--trust", str(trust), "--at", AT)
    assert (started.exit_code, "proves no status" in started.stdout) == (0, True)
    over = run(forge.signer.text(forge.claims_of("t")), "--trust", str(trust), "--at", "2021-07-30")
    assert (over.exit_code, over.stdout.rstrip().endswith("2021-07-03T06:00:00Z: over by now")) == (0, True)


def test_without_a_time_the_certificate_is_judged_as_of_now(files: SimpleNamespace) -> None:
    """This one expired in 2021."""
    result = run(files.text, "--trust", files.trust, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "certificate_expiry")


def test_a_time_without_a_zone_is_utc_and_fractions_are_taken(files: SimpleNamespace) -> None:
    """As some of the EU's own cases write it."""
    for text in ("2021-06-08T20:17:27.9906293Z", "2021-06-08T20:17:27", "2021-06-08 20:17", "2021-06-08"):
        assert run(files.text, "--trust", files.trust, "--at", text).exit_code == 0


def test_of_several_codes_in_a_picture_the_certificate_is_taken(files: SimpleNamespace) -> None:
    """A poster beside the certificate does no harm."""
    pictures = [Image.open(io.BytesIO(data)).convert("L") for data in (to_png("HTTPS://A.EXAMPLE"), to_png(files.text))]
    both = Image.new("L", (sum(p.width for p in pictures), max(p.height for p in pictures)), 255)
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (pictures[0].width, 0))
    both.save(files.folder / "both.png")
    assert run(str(files.folder / "both.png"), "--trust", files.trust, "--at", AT).exit_code == 0


@pytest.mark.parametrize(
    ("stdin", "code"),
    [(b"", "certificate_prefix"), ("HC1:ä".encode(), "certificate_base45"), (b"\xff\xd8\xff", "picture_unreadable")],
)
def test_whatever_comes_in_is_answered_in_the_same_form(stdin: bytes, code: str, files: SimpleNamespace) -> None:
    """Nothing, no text, no picture: exit code 1 and the eight checks."""
    result = run("-", "--trust", files.trust, "--json", stdin=stdin)
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"], answer["code"], len(answer["checks"])) == (1, False, code, 8)
    assert run("-", "--trust", files.trust, stdin=stdin).exit_code == 1


@pytest.mark.parametrize("text", ["HC2:" + "A" * 5000, "NCFOXN%TS3DH3ZSUZK+.V0ETD%65NL-AH/", "\udcff", "x" * 300])
def test_text_that_is_no_file_name_is_taken_as_text(text: str, files: SimpleNamespace) -> None:
    """Longer than any name, with slashes, with bytes that are no text."""
    assert run(text, "--trust", files.trust).exit_code == 1


def test_mistakes_in_the_command_end_with_exit_code_2(files: SimpleNamespace) -> None:
    """No trust list, a bad one, no such picture, no time: what to do is said, no traceback shown."""
    folder = files.folder
    for arguments in (
        (files.text,),
        (files.text, "--trust", str(folder / "missing")),
        (files.text, "--trust", str(folder)),
        (files.text, "--trust", str(folder / "code.txt")),
        (files.text, "--trust", str(folder / "empty")),
        (files.text, "--trust", files.trust, "--at", "yesterday"),
        (files.text, "--trust", files.trust, "--at", "0001-01-01T00:00:00+23:59:99"),
        (str(folder / "missing.png"), "--trust", files.trust),
        (),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert isinstance(result.exception, SystemExit)


def test_the_picture_of_a_broken_code_is_an_answer_not_a_crash(files: SimpleNamespace) -> None:
    """A file that begins like a picture and is none."""
    result = run(str(files.folder / "noise.jpg"), "--trust", files.trust, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "picture_unreadable")


def test_the_help_shows_an_example() -> None:
    """--help is where people look first."""
    result = CliRunner().invoke(app, ["certificate", "verify", "--help"])
    assert result.exit_code == 0
    assert "Example: checkin certificate verify" in " ".join(result.stdout.split())
