"""`checkin venue …`: what the holder of the enrolment secret does about a venue: another operator's token, an end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.terminal import Json, WithExample, report, say
from checkin.errors import RequestInvalid
from checkin.http.asking import conform
from checkin.http.client import Client, Service
from checkin.keys.secret_file import read_token
from checkin.parties.grants import OperatorGrant

app = typer.Typer(name="venue", no_args_is_help=True)

Venue = Annotated[str, typer.Argument(metavar="VENUE", help="The venue's number, 16 hexadecimal digits.")]
Registry = Annotated[str, typer.Option(help="The registry's address.")]
Secret = Annotated[Path, typer.Option(help="The file with the enrolment secret.")]
_WHERE = "--registry http://127.0.0.1:8002 --secret-file enrolment.token"


@app.command("renew-token", cls=WithExample, epilog=f"checkin venue renew-token 0123456789abcdef {_WHERE}")
def renew_token(
    venue: Venue,
    registry: Registry,
    secret_file: Secret,
    as_json: Json = False,
) -> None:
    """Give a venue's operator another token, for one that was lost or stolen: the old one is void at once.

    It is printed this once. Scanners keep their own tokens; revoke on the operator's page what was stolen, too.
    """
    with _client(venue, registry, secret_file) as client:
        token = conform(OperatorGrant, client.post(f"/v1/venues/{venue}/operator-token")).operator_token
    values = {"venue_id": venue, "operator_token": token}
    report(as_json, values, f"venue {venue}, operator token {token}", indent=None)


@app.command(cls=WithExample, epilog=f"checkin venue close 0123456789abcdef {_WHERE}")
def close(
    venue: Venue,
    registry: Registry,
    secret_file: Secret,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Close a venue for good: its operator's token and all its scanners' are void, also for what waits in their queues.

    Its visits stay until they are due, like all others.
    """
    if not yes:
        question = f"Close venue {venue}? Its doors stop at once, and what their queues hold is lost."
        typer.confirm(question, abort=True, err=True)
    with _client(venue, registry, secret_file) as client:
        client.delete(f"/v1/venues/{venue}")
    say(f"venue {venue} is closed")


def _client(venue: str, registry: str, secret_file: Path) -> Client:
    if len(venue) != 16 or not set(venue) <= set("0123456789abcdef"):  # it becomes a part of the address
        raise RequestInvalid("A venue's number has 16 hexadecimal digits.")
    return Client(registry, read_token(secret_file), wanted=Service.REGISTRY)
