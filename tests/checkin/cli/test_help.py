"""`--help` is where people look first: what it shows can be read and copied."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from checkin import cli
from tests.support.reference import walk

COMMANDS = {" ".join(path): command for path, command in walk(typer.main.get_command(cli.app), ["checkin"])}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_is_copied_in_one_piece_from_the_narrowest_terminal(name: str) -> None:
    """It stands on a line of its own, which the terminal may fold and nobody breaks."""
    shown = CliRunner().invoke(cli.app, [*name.split()[1:], "--help"], env={"COLUMNS": "40"}).output
    [example] = [line.strip() for line in shown.splitlines() if line.startswith(f"   {name} ")]
    assert example == COMMANDS[name].example


def test_a_sentence_is_broken_where_the_terminal_ends_and_nowhere_else() -> None:
    """Not where the source had its line's end."""
    shown = CliRunner().invoke(cli.app, ["authority", "trace", "--help"], env={"COLUMNS": "300"}).output
    assert "Until the order expires the same command comes to the same result." in shown
