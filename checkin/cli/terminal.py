"""The one way of the commands to a terminal: whatever text is printed, none of it acts there (`checkin/shown.py`).

Foreign text goes through `shown` where it enters a sentence, so that it stays one line; `say` is the net beneath.
And the help of a command, with its example on a line of its own, to be copied.
"""

from __future__ import annotations

import re
from errno import ENOENT
from os import strerror
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperCommand

from checkin.errors import RequestInvalid, SettingsInvalid
from checkin.shown import as_json, lines

Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Simulated = Annotated[
    Path | None, typer.Option("--simulated-clock", help="Take the time from this file; only in a folder made so.")
]
SimulatedService = Annotated[
    Path | None,
    typer.Option("--simulated-clock", help="Take the time from this file; refused on a real deployment's folder."),
]
_KINDS: Final = {"path": "PATH", "file": "PATH", "int": "NUMBER", "int range": "NUMBER"}
_SUFFIXES: Final = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".txt"}


def say(text: str, *, err: bool = False) -> None:
    """Prints lines of text on standard output, or on standard error."""
    typer.echo(lines(text), err=err)


def say_json(values: Any, indent: int | None = None) -> None:
    typer.echo(as_json(values, indent))


def report(for_program: bool, values: dict[str, Any], sentence: str, indent: int | None = 2) -> None:
    """On standard output: one or the other."""
    if for_program:
        say_json(values, indent)
    else:
        say(sentence)


def confirm(question: str, *, yes: bool, done: str = "signed") -> None:
    """Puts a question to a person on standard error; raises `RequestInvalid`, nothing was `done`, unless the answer is
    yes. `yes`: it was given before."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        say("", err=True)
        raise RequestInvalid(f"Nobody answered, and nothing was {done}: repeat the command with --yes.") from None
    if not agreed:
        raise RequestInvalid(f"Nothing was {done}.")


def counted(number: int | str, what: str) -> str:
    """`1 day`, `2 days`; a number as text may also be words."""
    return f"{number} {what}{'' if str(number) == '1' else 's'}"


def check_writable(path: Path) -> None:
    """Raises `OSError` now for a file that could not be written when the work is done. What is in it stays."""
    fresh = not path.exists()
    with path.open("ab"):
        pass
    if fresh:
        path.unlink()


def read_given(path: Path) -> bytes:
    """What a file holds that was named on the command line; raises `SettingsInvalid`, which says why."""
    try:
        return path.read_bytes()
    except OSError:
        raise SettingsInvalid(f"The file {path.name} cannot be read.") from None


def file_of(text: str) -> Path | None:
    """The file that an argument names; None where it is a text itself. Raises `FileNotFoundError` for a name with the
    suffix of a picture or text file, and `PermissionError`."""
    path = Path(text)
    try:
        if path.is_file():
            return path
    except PermissionError:
        raise
    except (OSError, ValueError):  # a text is often no possible name of a file
        return None
    if path.suffix.lower() in _SUFFIXES and ":" not in text:
        raise FileNotFoundError(ENOENT, strerror(ENOENT), text)
    return None


def draw(picture: str) -> None:
    """Prints a picture of ours that is made of escape sequences."""
    typer.echo(picture)


def console() -> Console:
    """For tables; brackets in foreign text are no markup. Without a terminal a line is as long as it is."""
    made = Console(highlight=False, markup=False, emoji=False)
    return made if made.is_terminal else Console(highlight=False, markup=False, emoji=False, width=200)


def in_colours(drawing: str) -> str:
    """White on black whatever the terminal's colours are: inverted, many cameras do not read it."""
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in drawing.splitlines())


class WithExample(TyperCommand):
    """A command with an example as its epilog: it stands in one piece under the help, however narrow the terminal."""

    def __init__(self, *arguments: Any, epilog: str, help: str, **options: Any) -> None:
        paragraphs = [" ".join(paragraph.split()) for paragraph in help.split("\n\n")]
        options["short_help"] = paragraphs[0]  # whole in the list of commands
        super().__init__(*arguments, help="\n\n".join(paragraphs), **options)  # broken at the terminal's width, only
        self.example = epilog

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As typer, which would break the example like a sentence, and names types as Python does."""
        write = formatter.write_dl
        formatter.write_dl = lambda rows, *layout: write([(_plain(name), text) for name, text in rows], *layout)
        super().format_help(ctx, formatter)
        formatter.write(f"\nExample:\n   {self.example}\n")


def _plain(name: str) -> str:
    """`--code PATH` for `--code <list[Path]>`; an argument is its name alone."""
    return re.sub("<(.*)>", _kind, name) if name.startswith("-") else name.partition(" <")[0]


def _kind(shown: re.Match[str]) -> str:
    kind = shown[1].removeprefix("list[").removesuffix("]").lower()
    return kind if "|" in kind else _KINDS.get(kind, "TEXT")
