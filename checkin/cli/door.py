"""`checkin qr`, `enrol`, `scan` and `revoke`: a wallet, a venue and a scanner for the command line."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from checkin.cli.terminal import Json, WithExample, check_writable, counted, draw, file_of, in_colours, say, say_json
from checkin.client import enrol as enrol_door
from checkin.client import read_code
from checkin.clock import Calendar, Clock, clock_of
from checkin.errors import (
    CheckinError,
    CodeWrong,
    NameInvalid,
    NotReady,
    PhoneInvalid,
    RequestInvalid,
    TokenMalformed,
)
from checkin.files.dsn_file import is_here
from checkin.files.durable import locked_beside
from checkin.files.json_file import load_party, open_party, save_party, write_private
from checkin.http.asking import Keeping, conform, drive, nobody
from checkin.http.client import Client, Service, drive_at
from checkin.keys.secret_file import read_token
from checkin.parties import wallet as wallets
from checkin.parties.scanner import UNDECIDED, OwnScanners, Scanner, waits
from checkin.parties.wallet import Held, Wallet, notice_in_words
from checkin.protocol import qr as pictures
from checkin.protocol.presentation import PREFIX
from checkin.shown import shown

app = typer.Typer()

TELL_SECONDS = 5.0  # doors let codes be that much too early
WIDTHS: Final = {False: 69, True: 73}  # columns of a code in a terminal, without a status and with one
ASKED: Final = 3  # times, of a user who mistypes at a terminal
Simulated = Annotated[Path | None, typer.Option("--simulated-clock", help="Take the time from this file.")]


@app.command(
    cls=WithExample, epilog="checkin qr --issuer http://127.0.0.1:8001 --name 'Kim Ji-woo' --phone 01012345678"
)
def qr(  # noqa: PLR0913 - an option each
    *,
    issuer: Annotated[str, typer.Option(help="The issuer's address.")],
    wallet: Annotated[Path, typer.Option(help="The wallet's file; made when it is not there.")] = Path("wallet.json"),
    name: Annotated[str | None, typer.Option(help="Your name, for a new wallet.")] = None,
    phone: Annotated[str | None, typer.Option(help="Your phone, for a new wallet.")] = None,
    code: Annotated[str | None, typer.Option(help="The one-time code from the message, 8 digits.")] = None,
    recovery_code: Annotated[
        str | None, typer.Option(help="Of an earlier wallet of this phone: its account goes on in the new file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .png or .svg file.")] = None,
    show_status: Annotated[bool, typer.Option("--show-status", help="Show your vaccination status.")] = False,
    zone: Annotated[str, typer.Option(help="The time zone whose calendar days count.")] = "Asia/Seoul",
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Show a fresh code. A new wallet registers first, and asks for what it was not given."""
    clock = clock_of(simulated_clock)
    if output:
        _check_output(output)  # before a code is used up
    elif not as_json and sys.stdout.isatty():
        _check_width(show_status=show_status)
    calendar = Calendar(zone)
    with locked_beside(wallet):  # no other command takes the same code
        held = _load(wallet, issuer) if wallet.exists() else _register(issuer, wallet, name, phone, code, recovery_code)
        known = len(held.disclosures)
        keep = partial(save_party, wallet)
        opened = drive_at(issuer, held.open_today(calendar, clock), keep, Service.ISSUER)
    now = held.now(clock)
    day = calendar.day(now)
    notices = [notice_in_words(notice) for notice in held.disclosures]
    if not as_json:
        for words in notices[known:]:
            say(words, err=True)
    _tell_of(held, opened, clock, show_status=show_status)
    text = wallets.present(opened, now, calendar, show_status=show_status)
    if output:
        output.write_bytes(pictures.to_svg(text) if output.suffix == ".svg" else pictures.to_png(text))
    if as_json:
        picture = str(output) if output else None
        say_json({"token": text, "left_today": held.left(day), "picture": picture, "notices": notices})
    elif output:
        say(f"{output}: good for 20 seconds, for one door. {counted(held.left(day), 'more code')} today.")
    else:
        draw(in_colours(pictures.to_terminal(text)) if sys.stdout.isatty() else text)


def _check_width(*, show_status: bool) -> None:
    needed, columns = WIDTHS[show_status], shutil.get_terminal_size().columns
    if columns < needed:
        raise RequestInvalid(
            f"The code needs {needed} columns and this window has {columns}: make it wider or its letters smaller, or "
            "write a picture with -o qr.png."
        )


def _tell_of(held: Wallet, opened: Held, clock: Clock, *, show_status: bool) -> None:
    """What the caller should know about the code that was made."""
    ahead = held.time.off(clock)
    if abs(ahead) > TELL_SECONDS:
        where = "ahead of" if ahead > 0 else "behind"
        span = timedelta(seconds=round(abs(ahead)))
        say(f"This machine's clock is {span} {where} the issuer's, by which the code goes.", err=True)
    if show_status and not opened.opening.status:
        say("There is no status to show: add a vaccination proof first (PUT /v1/vaccination).", err=True)


@app.command(cls=WithExample, epilog="checkin enrol --venue http://127.0.0.1:8002 --secret-file enrolment.token")
def enrol(  # noqa: PLR0913 - an option each
    *,
    venue: Annotated[str, typer.Option(help="The registry's address.")],
    secret_file: Annotated[Path, typer.Option(help="The file with the enrolment secret.")],
    name: Annotated[str, typer.Option(help="What the venue is called.")] = "Café",
    category: Annotated[str, typer.Option(help="What kind of place it is.")] = "cafe",
    label: Annotated[str, typer.Option(help="What the scanner is called.")] = "front door",
    output: Annotated[Path, typer.Option("-o", "--output", help="The scanner's new file.")] = Path("scanner.json"),
    as_json: Json = False,
) -> None:
    """Enrol a venue with one scanner. Keep the operator's token that is printed: it is shown this once."""
    if output.exists():
        raise RequestInvalid(f"{output} is there already: name another file with --output.")
    made = enrol_door(venue, read_token(secret_file), output, name=name, category=category, label=label)
    if as_json:
        say_json(vars(made) | {"scanner": str(output)})
    else:
        say(f"venue {shown(made.venue_id)}, operator token {shown(made.operator_token)}")
        say(f"{output}: its scanner, for checkin scan --scanner {output}")


@app.command(cls=WithExample, epilog="checkin scan photo.jpg --venue http://127.0.0.1:8002 --scanner scanner.json")
def scan(  # noqa: PLR0913 - an option each
    *,
    source: Annotated[str, typer.Argument(metavar="IMAGE|TEXT|-", help="A picture, the code's text, or - for stdin.")],
    venue: Annotated[str, typer.Option(help="The registry's address.")],
    scanner: Annotated[Path, typer.Option(help="The scanner's file, with the id and token from enrolment.")],
    offline: Annotated[bool, typer.Option("--offline", help="Queue the visit, sealed, instead of sending it.")] = False,
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Check a code as a door does, and record the visit. A queue from before is uploaded first.

    The visit waits in the queue, sealed, when the registry does not answer, or answers with anything but its own word.
    """
    text, clock = _read(source), clock_of(simulated_clock)
    with open_party(Scanner, scanner) as device, Client(venue, wanted=Service.REGISTRY) as client:
        keep = partial(save_party, scanner)
        uploaded = None if offline else _tended(device, clock, client, keep)
        counts = dict(Counter(entry["result"] for entry in uploaded or ()))
        for entry, count in counts.items():  # also if this code is refused
            if entry == UNDECIDED:
                say(f"kept in the queue: {count}, whose issuer key the registry does not know yet", err=True)
            else:
                say(f"uploaded from the queue: {count} {shown(entry)}", err=True)
        if device.refused:
            codes = ", ".join(sorted({entry["code"] for entry in device.refused}))
            kept = f"{counted(len(device.refused), 'visit')} that the registry refused ({shown(codes)})"
            say(f"{kept}, kept in {scanner.name}: tell the operator", err=True)
        # Reports a clock of ours that is wrong also when the code is good.
        result = drive(device.judge(text, clock), nobody if uploaded is None else client.answer, keep)
        if device.told.proved(clock) and (doubt := device.clock_doubt(clock)):
            say(f"{doubt} The registry's time was used.", err=True)
    if as_json:
        say_json({"result": result, "queued": len(device.queue), "uploaded": counts})
    else:
        say(f"{result}" + (f", {len(device.queue)} in the queue" if device.queue else ""))


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


def _tended(device: Scanner, clock: Clock, client: Client, keep: Keeping) -> list[dict[str, str]] | None:
    """What became of the queue; None without an answer, which is no refusal."""
    try:
        passed, uploaded = drive(device.tend(clock), client.answer, keep)
    except CheckinError as error:
        if not waits(error):
            raise
        say(f"{error.code}: {error.detail} The visit waits in the queue.", err=True)
        return None
    for issuer, code in passed.items():
        say(f"issuer {issuer}: its new list was passed over ({shown(code)}): tell the operator", err=True)
    return uploaded


def _load(path: Path, issuer: str) -> Wallet:
    held = load_party(Wallet, path)
    if held.issuer_url.rstrip("/") != issuer.rstrip("/"):
        raise RequestInvalid(f"{path.name} is a wallet of {held.issuer_url}: name another file with --wallet.")
    return held


def _check_output(path: Path) -> None:
    if path.suffix not in (".png", ".svg"):
        raise RequestInvalid(f"{path} must end in .png or .svg.")
    check_writable(path)


def _register(  # noqa: PLR0913, PLR0917 - what a registration is given
    issuer: str, path: Path, name: str | None, phone: str | None, code: str | None, recovery_code: str | None
) -> Wallet:
    """In one go at a terminal; in two calls from a script, the second with --code."""
    pending = path.with_name(path.name + ".registration")
    with Client(issuer, wanted=Service.ISSUER) as client:
        if not (code and pending.exists()):
            write_private(pending, _begin(client, name, phone))
            say(_on_its_way(issuer), err=True)
        registration = json.loads(pending.read_text(encoding="utf-8"))
        held = _confirm(client, registration, code, path, recovery_code)
    pending.unlink()
    say(
        f"Your recovery code is in {path}: keep it elsewhere, too. Without it, whoever registers your phone number "
        "begins a new account.",
        err=True,
    )
    return held


def _begin(client: Client, name: str | None, phone: str | None) -> str:
    """The registration's id. What was typed at a terminal and is refused may be typed again."""
    if not (name and phone):
        with suppress(NotReady):  # before a user types for an address that leads nowhere
            client.get("/v1/keys")
    typed_name, typed_phone = name, phone
    for left in reversed(range(ASKED)):
        typed_name = typed_name or _ask("Name", "--name")
        typed_phone = typed_phone or _ask("Phone", "--phone")
        try:
            return drive(wallets.register(typed_name, typed_phone), client.answer)
        except (NameInvalid, PhoneInvalid) as error:
            given = name if isinstance(error, NameInvalid) else phone
            if given or not left:
                raise
            say(error.detail, err=True)
            typed_name, typed_phone = (None, typed_phone) if isinstance(error, NameInvalid) else (typed_name, None)
    raise AssertionError


def _on_its_way(issuer: str) -> str:
    sent = f"A one-time code of {wallets.CODE_DIGITS} digits is on its way by message, good for five minutes."
    if not is_here(urlsplit(issuer).hostname or ""):
        return sent
    return f"{sent} An issuer of `checkin up` sends none: it leaves it in issuer/data/outbox of its folder."


def _confirm(client: Client, registration: str, code: str | None, path: Path, recovery_code: str | None) -> Wallet:
    """The new wallet. A code that is mistyped at a terminal may be typed again; the issuer counts five tries."""
    for left in reversed(range(ASKED)):
        typed = _ask(f"Code from the message, {wallets.CODE_DIGITS} digits", "--code") if code is None else code
        try:
            steps = wallets.confirm(client.url, registration, typed, recovery_code)
            return drive(steps, client.answer, partial(save_party, path))
        except (CodeWrong, RequestInvalid) as error:
            if code is not None or not left:
                raise
            say(error.detail, err=True)
    raise AssertionError


def _ask(what: str, option: str) -> str:
    try:
        return str(typer.prompt(what, err=True))
    except typer.Abort:
        say("", err=True)
        raise RequestInvalid(f"There was no answer: repeat the command with {option}.") from None


def _read(source: str) -> str:
    """The code's text, as `read_code`, of what was typed or piped."""
    if source.startswith(PREFIX):
        return source
    if source == "-":
        data = sys.stdin.buffer.read(pictures.MAX_BYTES)
        if not data.strip():
            raise TokenMalformed("There was nothing on standard input.")
        return data.decode("ascii", "replace").rstrip("\n") if data.startswith(PREFIX.encode()) else read_code(data)
    if (path := file_of(source)) is None:
        raise TokenMalformed("This is neither the text of a check-in code, which begins with CK1:, nor a file.")
    return read_code(path)
