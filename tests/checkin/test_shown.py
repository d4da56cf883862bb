"""Foreign text on its way to a terminal: nothing in it acts, hides, or begins a line of its own."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from checkin.errors import ServiceError
from checkin.http.asking import read_json
from checkin.shown import as_json, lines, shown

PRINTING = {"print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write", "sys.stderr.write"}
ROOT = Path(__file__).parents[2]
ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0001]"
)


@pytest.mark.parametrize(
    ("foreign", "seen"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\r\n\nb", "a b"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("Café 김 「ミ」 می\u200cخواهم", "Café 김 「ミ」 می\u200cخواهم"),
    ],
)
def test_what_would_act_is_spelled_out(foreign: str, seen: str) -> None:
    """And what people write stays."""
    assert shown(foreign) == seen


def test_every_character_there_is_comes_out_harmless() -> None:
    """In one line, as text of several lines, and as JSON that gives the same value."""
    every = "".join(map(chr, [*range(0x30000), *range(0xE0000, 0x110000, 7)]))
    assert not ACTING.search(shown(every, len(every)))
    assert not ACTING.search(lines(every).replace("\n", ""))
    assert not ACTING.search(as_json([every]))
    few = every[:0x3000] + every[0xE0000:0xE0100]
    assert json.loads(as_json([few], indent=1)) == [few]


def test_one_text_is_one_line_of_a_bounded_length() -> None:
    """Escapes count: what is spelled longer is cut sooner."""
    assert len(shown("x" * 10**6)) == 400 and shown("x" * 401).endswith("…")
    assert len(shown("\x1b" * 10**6)) <= 1600
    assert shown("x" * 400) == "x" * 400


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe", b"9" * 5000, b"{'a': 1}"])
def test_an_answer_that_is_no_json_is_one_error(body: bytes) -> None:
    """Never a traceback, however deep or long it is."""
    with pytest.raises(ServiceError) as refused:
        read_json(body)
    assert "\n" not in str(refused.value)


def test_nothing_prints_but_through_the_terminal() -> None:
    """In the commands: no `print`, no `typer.echo`, no console of rich's own; and a problem's `detail` is read once."""
    found = []
    for path in sorted((ROOT / "checkin" / "cli").glob("*.py")):
        if path.name in ("terminal.py", "__init__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) in PRINTING:
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
