"""The help of a command, with its example on a line of its own, to be copied."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperCommand

_KINDS: Final = {"str": "TEXT", "path": "PATH", "file": "PATH", "int": "NUMBER", "int range": "NUMBER"}


class WithExample(TyperCommand):
    """A command whose epilog is an example: it stands in one piece under the help, however narrow the terminal."""

    def __init__(self, *arguments: Any, epilog: str, help: str, **options: Any) -> None:
        paragraphs = [" ".join(paragraph.split()) for paragraph in help.split("\n\n")]
        options["short_help"] = paragraphs[0]  # whole in the list of commands
        super().__init__(*arguments, help="\n\n".join(paragraphs), **options)  # broken where the terminal ends, only
        self.example = epilog
        for parameter in self.params:
            if parameter.metavar is None and not getattr(parameter, "is_flag", False):
                parameter.metavar = _kind(parameter)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As typer, which would break the example like a sentence."""
        super().format_help(ctx, formatter)
        formatter.write(f"\nExample:\n   {self.example}\n")


def _kind(parameter: Any) -> str:
    """What stands for the value: typer would show the name of Python's type."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    choices = getattr(parameter.type, "choices", ())
    return "|".join(choices) or _KINDS.get(parameter.type.name, "VALUE")
