"""`checkin revoke`: an operator takes a scanner out of service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.terminal import Json, WithExample, counted, say, say_json
from checkin.errors import RequestInvalid
from checkin.http.asking import conform
from checkin.http.client import Client, Service
from checkin.keys.secret_file import read_token
from checkin.parties.scanner import OwnScanners

app = typer.Typer()


@app.command(
    cls=WithExample,
    epilog="checkin revoke 00f1e2d3c4b5a697 --registry http://127.0.0.1:8002 --venue 0123456789abcdef"
    " --token-file operator.token",
)
def revoke(  # noqa: PLR0913 - an option each
    *,
    scanner: Annotated[str, typer.Argument(help="The scanner's id, 16 hexadecimal digits.")],
    registry: Annotated[str, typer.Option(help="The registry's address.")],
    venue: Annotated[str, typer.Option(help="The venue's id, 16 hexadecimal digits.")],
    token_file: Annotated[Path, typer.Option(help="The file with the operator's token.")],
    stolen: Annotated[bool, typer.Option("--stolen", help="What waits in it is lost.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before visits are lost.")] = False,
    as_json: Json = False,
) -> None:
    """Revoke a scanner. What it queued before may still be uploaded until those days close, unless it was stolen."""
    if not all(re.fullmatch("[0-9a-f]{16}", part) for part in (scanner, venue)):
        raise RequestInvalid("A scanner's and a venue's id have 16 hexadecimal digits each.")
    with Client(registry, read_token(token_file), wanted=Service.REGISTRY) as client:
        listed = conform(OwnScanners, client.get(f"/v1/venues/{venue}/scanners")).scanners
        waiting = next((entry.waiting for entry in listed if entry.scanner_id == scanner), None)
        number = "an unknown number of visits" if waiting is None else counted(waiting, "visit")
        cost = f"When it last asked for its lists {number} waited in it; what it scanned since is not known."
        if stolen and not yes and not typer.confirm(f"{cost} They will be lost. Revoke it?", err=True):
            raise RequestInvalid("Nothing was revoked.")
        client.delete(f"/v1/venues/{venue}/scanners/{scanner}", reason="stolen" if stolen else "replaced")
    if as_json:
        say_json({"scanner_id": scanner, "stolen": stolen, "waiting": waiting})
    else:
        say(f"revoked. {cost} " + ("They are lost." if stolen else "They can be uploaded for four days."))
