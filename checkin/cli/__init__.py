"""The command `checkin`: finds the command that is meant beside it, and turns errors into one line.

A command's file is imported when it is called, not for the list of all: what serves and what traces takes a second to
import, and a user of `--help` would wait for it.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from checkin import __version__
from checkin.errors import CheckinError
from checkin.keys.hardening import harden
from checkin.shown import as_json, shown

# Operators of these have a party's keys in hand. `serve` writes it to the service's log; a holder could do nothing.
_WARNED: Final = {"authority", "change-master", "key", "purge", "witness"}
# Command → the file that has it, and the first sentence of its help, for the list.
COMMANDS: Final = {
    "demo": ("demo", "Tell the whole story with three real services: a code, a door, a thief, 28 days, an auditor."),
    "simulate": (
        "simulate",
        "Let a town live its days at three real services under a simulated clock: habits, queues, an outbreak, the "
        "purge.",
    ),
    "serve": ("serve", "Run one service, as in production."),
    "up": ("serve", "Run all three services on this machine."),
    "key": ("serve", "Print the verifier key that others pin."),
    "change-master": ("backup", "Exchange a stopped service's master.key for a new one."),
    "qr": ("door", "Show a fresh code."),
    "enrol": ("door", "Enrol a venue with one scanner."),
    "scan": ("door", "Check a code as a door does, and record the visit."),
    "revoke": (
        "door",
        "Revoke a scanner. What it queued before may still be uploaded until those days close, unless it was stolen.",
    ),
    "bench": ("bench", "Measure: figures beside something bare that ran in turn with it."),
    "audit": ("audit", "Check what was destroyed and by whom it was stated; the day-28 audit of all services."),
    "authority": ("authority", "The health authority's work."),
    "venue": ("venue", "Renew an operator's token, or close a venue, with the enrolment secret."),
    "backup": ("backup", "Back up a service's data in one archive, while it runs."),
    "restore": ("backup", "Put a backup back in place of a stopped service's data."),
    "purge": ("purge", "What a service holds, what is due, and destroying it now."),
    "witness": ("witness", "Watch logs for another organisation, and cosign what continues."),
    "conformance": (
        "conformance",
        "Judge another wallet or scanner by the rules of docs/spec/wallet.md and scanner.md.",
    ),
    "certificate": ("certificate", "Verify vaccination, recovery and test certificates."),
}


class LazyGroup(TyperGroup):
    """Knows its commands by name and sentence, and loads the one that is called."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, (_, sentence) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=sentence, short_help=sentence)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As click, with the real command; also what completion of a command's options goes by."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = loaded(args[0])
        return super().resolve_command(ctx, args)


def loaded(name: str) -> Any:
    """A command with its options, or a group of commands."""
    file, sentence = COMMANDS[name]
    part = typer.Typer(rich_markup_mode=None)
    part.add_typer(import_module(f"checkin.cli.{file}").app, help=sentence)
    return typer.main.get_group(part).commands[name]


app = typer.Typer(
    name="checkin",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain lines: read aloud as they stand, and there in half the time
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 1000},
    help="Privacy-preserving QR check-in: codes that an issuer signs, visits that nobody can link, all gone after "
    "28 days. Start with `checkin demo`.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"checkin {__version__}")
        raise typer.Exit


@app.callback()
def _checkin(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What stands before every command."""


def main() -> None:
    """Run a command. An error is one line on standard error and exit status 1; a wrong call is status 2.

    With `--json` the error stands on standard output, too: {"error": {"code", "detail"}}.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a check mark shows a question mark
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        import_module("checkin.service.logs").log_to_terminal()
    _harden()
    try:
        app()
    except CheckinError as error:
        _fail(error)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        _fail(import_module("checkin.files.durable").file_trouble(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _harden() -> None:
    """Before any command reads a key."""
    warnings = harden()
    if set(sys.argv[1:2]) & _WARNED:
        for warning in warnings:
            print(f"checkin: {warning}", file=sys.stderr)


def _fail(error: CheckinError) -> None:
    print(f"checkin: {error.code}: {shown(error.detail)}", file=sys.stderr)
    if "--json" in sys.argv:
        print(as_json({"error": {"code": error.code, "detail": error.detail}}))
    sys.exit(1)
