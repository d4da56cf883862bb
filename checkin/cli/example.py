"""The help of a command, with its example on a line of its own, to be copied."""

from __future__ import annotations

import re
from typing import Any, Final

from typer.core import TyperCommand

_KINDS: Final = {"path": "PATH", "file": "PATH", "int": "NUMBER", "int range": "NUMBER"}


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
