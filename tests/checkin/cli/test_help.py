"""`--help` is where people look first: what it shows can be read and copied."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from checkin import cli
from tests.support.reference import walk

COMMANDS = {" ".join(path): command for path, command in walk(typer.main.get_command(cli.app), ["checkin"])}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_is_copied_in_one_piece_from_the_narrowest_terminal(name: str) -> None:
    """It stands on a line of its own, which the terminal may fold and nobody breaks."""
    shown = CliRunner().invoke(cli.app, [*name.split()[1:], "--help"], terminal_width=40).output
    [example] = [line.strip() for line in shown.splitlines() if line.startswith(f"   {name} ")]
    assert example == COMMANDS[name].example


def test_a_sentence_is_broken_where_the_terminal_ends_and_nowhere_else() -> None:
    """Not where the source had its line's end."""
    shown = CliRunner().invoke(cli.app, ["authority", "trace", "--help"], terminal_width=300).output
    assert "A party that does not answer, or refuses, does not keep the others' answers back" in shown


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_of_commands_says_what_each_one_says(name: str) -> None:
    """The list is written down, so that it is shown without the commands."""
    assert " ".join(cli.loaded(name).help.split()).startswith(cli.COMMANDS[name][1].rstrip("."))


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_there_by_its_short_name(name: str) -> None:
    short, long = (CliRunner().invoke(cli.app, [*name.split()[1:], option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
    assert re.findall(r"<\w[^>]*>?", short.output) == [], "the name of a type of Python's"


def test_the_version_is_that_of_the_installation() -> None:
    [command] = entry_points(group="console_scripts", name="checkin")
    assert command.dist is not None
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"checkin {command.dist.version}\n")


def test_whoever_asks_for_help_does_not_wait_for_a_service_to_be_imported() -> None:
    """With the control that a command which serves does import them."""
    names = "fastapi uvicorn starlette httpx sqlite_utils pydantic rich issuer venue retention"
    script = (
        "import contextlib, io, sys; from checkin import cli; sys.argv = ['checkin', *sys.argv[1:]]\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): cli.main()\n"
        f"print(*sorted(set({names!r}.split()) & set(sys.modules)))"
    )

    def imported(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert imported("--help") == imported("--version") == imported() == []
    assert {"fastapi", "uvicorn"} <= set(imported("serve", "--help"))


@pytest.mark.parametrize(
    ("words", "offered"),
    [(["auth"], "authority"), (["authority", "keys", "dest"], "destroy"), (["qr", "--iss"], "--issuer")],
)
def test_a_shell_completes_commands_and_their_options(words: list[str], offered: str) -> None:
    """As the script asks that `checkin --install-completion` leaves in a shell's folder."""
    asked = {"COMP_WORDS": " ".join(["checkin", *words]), "COMP_CWORD": str(len(words))}
    environment = os.environ | asked | {"_CHECKIN_COMPLETE": "complete_bash"}
    checkin = Path(sys.executable).with_name("checkin")
    done = subprocess.run([checkin], env=environment, capture_output=True, text=True, check=True)
    assert offered in done.stdout.split()
