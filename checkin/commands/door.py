"""`checkin qr` and `checkin scan`: a wallet and a scanner for the command line."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from checkin import qr as pictures
from checkin import wallet as wallets
from checkin.client import Client
from checkin.clock import Calendar, Clock, SimulatedClock, SystemClock
from checkin.errors import RequestInvalid, TokenMalformed
from checkin.jsonfile import write_private
from checkin.notice import in_words
from checkin.presentation import PREFIX
from checkin.scanner import Scanner
from checkin.wallet import Wallet

Simulated = Annotated[Path | None, typer.Option("--simulated-clock", help="Take the time from this file.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(epilog="Example: checkin qr --issuer http://127.0.0.1:8001 --name 'Kim Ji-woo' --phone 01012345678")(qr)
    app.command(epilog="Example: checkin scan photo.jpg --venue http://127.0.0.1:8002 --scanner scanner.json")(scan)


def qr(  # noqa: PLR0913 - an option each
    *,
    issuer: Annotated[str, typer.Option(help="The issuer's address.")],
    wallet: Annotated[Path, typer.Option(help="The wallet's file; made when it is not there.")] = Path("wallet.json"),
    name: Annotated[str | None, typer.Option(help="Your name, for a new wallet.")] = None,
    phone: Annotated[str | None, typer.Option(help="Your phone, for a new wallet.")] = None,
    code: Annotated[str | None, typer.Option(help="The one-time code from the message.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .png or .svg file.")] = None,
    show_status: Annotated[bool, typer.Option("--show-status", help="Show your vaccination status.")] = False,
    zone: Annotated[str, typer.Option(help="The time zone whose calendar days count.")] = "Asia/Seoul",
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Show a fresh code. A new wallet registers first, and asks for what it was not given."""
    clock = _clock(simulated_clock)
    held = Wallet.load(wallet) if wallet.exists() else _register(issuer, wallet, name, phone, code)
    calendar, now = Calendar(zone), clock.now()
    day = calendar.day(now)
    known = len(held.disclosures)
    if not held.left(day):
        held.fetch(day, calendar)
    notices = [in_words(notice) for notice in held.disclosures]
    if not as_json:
        for words in notices[known:]:
            typer.echo(words, err=True)
    opened = held.open_code(day)
    assert opened is not None  # noqa: S101 - fetched above
    text = wallets.present(opened, now, calendar, show_status=show_status)
    if output:
        output.write_bytes(pictures.to_svg(text) if output.suffix == ".svg" else pictures.to_png(text))
    if as_json:
        picture = str(output) if output else None
        report = {"token": text, "left_today": held.left(day), "picture": picture, "notices": notices}
        typer.echo(json.dumps(report))
    elif output:
        typer.echo(f"{output}: good for 20 seconds, for one door. {held.left(day)} more codes today.")
    else:
        typer.echo(pictures.to_terminal(text) if sys.stdout.isatty() else text)


def scan(  # noqa: PLR0913 - an option each
    *,
    source: Annotated[str, typer.Argument(metavar="IMAGE|TEXT|-", help="A picture, the code's text, or - for stdin.")],
    venue: Annotated[str, typer.Option(help="The registry's address.")],
    scanner: Annotated[Path, typer.Option(help="The scanner's file, with the id and token from enrolment.")],
    offline: Annotated[bool, typer.Option("--offline", help="Queue the visit, sealed, instead of sending it.")] = False,
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Check a code as a door does, and record the visit. A queue from before is uploaded first."""
    text = _read(source)
    device, now = Scanner.load(scanner), _clock(simulated_clock).now()
    with Client(venue, device.token) as client:
        uploaded = []
        if not offline:
            device.refresh(client, now)
            uploaded = device.upload(client)
        result = device.scan(text, None if offline else client, now)
    counts = dict(Counter(entry["result"] for entry in uploaded))
    if as_json:
        typer.echo(json.dumps({"result": result, "queued": len(device.queue), "uploaded": counts}))
    else:
        typer.echo(f"{result}" + (f", {len(device.queue)} in the queue" if device.queue else ""))
        for entry, count in counts.items():
            typer.echo(f"uploaded from the queue: {count} {entry}")


def _clock(path: Path | None) -> Clock:
    return SimulatedClock(path) if path else SystemClock()


def _register(issuer: str, path: Path, name: str | None, phone: str | None, code: str | None) -> Wallet:
    """In one go at a terminal; in two calls from a script, the second with --code."""
    pending = path.with_name(path.name + ".registration")
    if not (code and pending.exists()):
        registration = wallets.register(issuer, name or _ask("Name", "--name"), phone or _ask("Phone", "--phone"))
        write_private(pending, registration)
        typer.echo("A one-time code is on its way by message.", err=True)
        code = _ask("Code from the message", "--code")
    held = wallets.confirm(issuer, json.loads(pending.read_text(encoding="utf-8")), code, path)
    pending.unlink()
    return held


def _ask(what: str, option: str) -> str:
    try:
        return str(typer.prompt(what, err=True))
    except typer.Abort:
        raise RequestInvalid(f"{what} is needed: repeat the command with {option}.") from None


def _read(source: str) -> str:
    """The code's text: of several codes in a picture the first that is one of ours."""
    if source != "-":
        if source.startswith(PREFIX):
            return source
        path = Path(source)
        texts = pictures.read_image(path) if path.is_file() else []
        if not texts:
            raise TokenMalformed("This is neither a picture file nor the text of a check-in code.")
        return next((text for text in texts if text.startswith(PREFIX)), texts[0])
    data = sys.stdin.buffer.read(pictures.MAX_PIXELS)
    if data.startswith(PREFIX.encode()):
        return data.decode("ascii", "replace").rstrip("\n")
    texts = pictures.read_image(data)
    return next((text for text in texts if text.startswith(PREFIX)), texts[0])
