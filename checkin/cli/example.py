"""The help of a command, with its example on a line of its own, to be copied."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class WithExample(TyperCommand):
    """A command whose epilog is an example: it stands in one piece under the help, however narrow the terminal."""

    def __init__(self, *arguments: Any, epilog: str, help: str, **options: Any) -> None:
        paragraphs = [" ".join(paragraph.split()) for paragraph in help.split("\n\n")]
        options["short_help"] = paragraphs[0]  # whole in the list of commands
        super().__init__(*arguments, help="\n\n".join(paragraphs), **options)  # broken where the terminal ends, only
        self.example = epilog

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As typer, which would break the example like a sentence."""
        super().format_help(ctx, formatter)
        formatter.write(f"\nExample:\n   {self.example}\n")
