"""The command `checkin`: registers what lies beside it, and turns errors into one line."""

from __future__ import annotations

import io
import sys
from typing import Final

import typer

from checkin.cli import audit, authority, bench, certificate, demo, door, order, purge, serve, simulate, witness
from checkin.errors import CheckinError, FileTrouble
from checkin.keys.hardening import harden
from checkin.service.logs import log_to_terminal
from checkin.shown import as_json, shown

# Who runs these has a party's keys in hand. `serve` tells it in the service's log; a wallet's owner could do nothing.
_WARNED: Final = {"authority", "key", "purge", "witness"}

app = typer.Typer(
    name="checkin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Privacy-preserving QR check-in: codes that an issuer signs, visits that nobody can link, all gone after "
    "28 days. Start with `checkin demo`.",
)
demo.register(app)
simulate.register(app)
serve.register(app)
door.register(app)
order.register(authority.app)
bench.register(app)
app.add_typer(audit.app, name="audit")
app.add_typer(authority.app, name="authority")
app.add_typer(purge.app, name="purge")
app.add_typer(witness.app, name="witness")
app.add_typer(certificate.app, name="certificate")


def main() -> None:
    """Run a command. An error is one line on standard error and exit status 1; a wrong call is status 2.

    With `--json` the error stands on standard output, too: {"error": {"code", "detail"}}.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a check mark shows a question mark
    log_to_terminal()
    _harden()
    try:
        app()
    except CheckinError as error:
        _fail(error)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        name = f" {shown(error.filename)}" if error.filename else ""
        _fail(FileTrouble(f"The file{name} could not be read or written: {error.strerror or 'unknown reason'}."))
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
