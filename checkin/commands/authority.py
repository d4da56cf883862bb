"""`checkin authority …`: the health authority's folder and its day keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from checkin.authority import AHEAD_DAYS, Authority
from checkin.client import Client
from checkin.clock import Clock, SimulatedClock, SystemClock
from checkin.durable import replace_file
from checkin.errors import RequestInvalid
from checkin.keylist import AUTHORITY_KEYS, AuthorityList
from checkin.note import add_signature, sign_note, split_note
from checkin.officers import load_signer
from checkin.statement import kind_of

app = typer.Typer(no_args_is_help=True, help="The health authority's work.")
keys = typer.Typer(no_args_is_help=True, help="Day keys: make, list, sign, publish, destroy.")
app.add_typer(keys, name="keys")

Dir = Annotated[Path, typer.Option("--dir", help="The authority's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Simulated = Annotated[
    Path | None, typer.Option("--simulated-clock", help="Take the time from this file; only in a folder made so.")
]
Unfit = Annotated[
    bool, typer.Option("--allow-unfit-storage", help="Accept a file system from which keys could be recovered.")
]
Officer = Annotated[list[Path], typer.Option("--officer", help="The folder of an officer who signs; may be repeated.")]


def _clock(path: Path | None) -> Clock:
    return SimulatedClock(path) if path else SystemClock()


def _report(as_json: bool, values: dict[str, object], sentence: str) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False, indent=2) if as_json else sentence)


@app.command(epilog="Example: checkin authority init --dir authority --officers 3 --threshold 2 --name health.example")
def init(  # noqa: PLR0913 - one option for each thing that is decided once and for all
    *,
    folder: Dir,
    name: Annotated[str, typer.Option(help="What its officers sign as: an address without its scheme.")],
    officers: Annotated[int, typer.Option(help="How many officers there are, 2 to 16.")] = 3,
    threshold: Annotated[int, typer.Option(help="How many of them must sign, or join their shares.")] = 2,
    zone: Annotated[str, typer.Option(help="The time zone whose calendar days count.")] = "Asia/Seoul",
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Make the officers' folders with their keys and shares, and the ring. Nobody keeps the ring's private key."""
    authority = Authority.init(
        folder,
        name,
        officers=officers,
        threshold=threshold,
        now=_clock(simulated_clock).now(),
        zone=zone,
        simulated=simulated_clock is not None,
        allow_unfit=allow_unfit_storage,
    )
    vkeys = [verifier.vkey for verifier in authority.officers.verifiers]
    _report(
        as_json,
        {"authority": name, "threshold": threshold, "officers": vkeys, "folder": str(folder)},
        f"{name}: {threshold} of {officers} officers. Let each officer carry away one folder of {folder}/officers, "
        f"and pin {folder}/officers.txt wherever the authority is trusted.",
    )


@keys.command(epilog="Example: checkin authority keys make --dir authority")
def make(
    folder: Dir,
    ahead: Annotated[int, typer.Option(min=0, max=AHEAD_DAYS, help="How many days after today.")] = AHEAD_DAYS,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Make the day keys that are missing, from today on. Needs no officer."""
    authority = Authority.open(folder, simulated=simulated_clock is not None, allow_unfit=allow_unfit_storage)
    made = [authority.calendar.date(day) for day in authority.make_keys(_clock(simulated_clock).now(), ahead)]
    lost = [authority.calendar.date(day) for day in authority.lost_days()]
    warning = f" Listed, but their slots are lost: {', '.join(lost)}." if lost else ""
    _report(
        as_json,
        {"made": made, "lost": lost},
        (f"Made keys for {len(made)} days, {made[0]} to {made[-1]}." if made else "No key was missing.") + warning,
    )


@keys.command("list", epilog="Example: checkin authority keys list --dir authority -o keys.txt")
def list_keys(  # noqa: PLR0913 - an option each
    *,
    folder: Dir,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the list.")],
    officer: Officer = [],  # noqa: B006 - typer's way to say that there may be none; never changed
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Write the list of day keys, signed by the officers whose folders are here, or for them to sign."""
    authority = Authority.open(folder, simulated=simulated_clock is not None, allow_unfit=allow_unfit_storage)
    key_list = authority.list_keys(_clock(simulated_clock).now())
    signers = [load_signer(path) for path in officer]
    text = key_list.text()
    replace_file(output, (sign_note(text, *signers) if signers else text).encode())
    dates = [authority.calendar.date(day) for day in key_list.keys]
    _report(
        as_json,
        {"days": dates, "signatures": len(signers), "needed": authority.officers.threshold, "list": str(output)},
        f"{output} lists {len(dates)} days, {min(dates)} to {max(dates)}, and has {len(signers)} of "
        f"{authority.officers.threshold} signatures.",
    )


@keys.command(epilog="Example: checkin authority keys sign keys.txt --officer authority/officers/2")
def sign(
    note: Annotated[Path, typer.Argument(help="A list of day keys, signed by others or by nobody yet.")],
    officer: Officer,
    as_json: Json = False,
) -> None:
    """Add an officer's signature to a list of day keys, and to nothing else."""
    content = note.read_text(encoding="utf-8")
    text = content if kind_of(content) == AUTHORITY_KEYS.kind and "\n\n" not in content else split_note(content)[0]
    AuthorityList.read(text)
    for signer in map(load_signer, officer):
        content = sign_note(content, signer) if content == text else add_signature(content, signer)
    replace_file(note, content.encode())
    count = len(split_note(content)[1])
    _report(as_json, {"list": str(note), "signatures": count}, f"{note} has {count} signatures now.")


@keys.command(epilog="Example: checkin authority keys publish keys.txt --issuer URL --token-file issuer-token")
def publish(
    note: Annotated[Path, typer.Argument(help="A list signed by enough officers.")],
    issuer: Annotated[list[str], typer.Option(help="The address of an issuer; may be repeated.")],
    token_file: Annotated[Path, typer.Option(help="The file with the authority's bearer token.")],
    as_json: Json = False,
) -> None:
    """Hand the list to the issuers, which seal the subjects of each day to it."""
    try:
        body, token = {"list": note.read_text(encoding="utf-8")}, token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise RequestInvalid("The list or the token file cannot be read.") from None
    answers = {}
    for url in issuer:
        with Client(url, token) as client:
            answers[url] = client.put("/v1/authority-keys", body)
    _report(as_json, {"published": answers}, f"Published to {', '.join(answers)}.")


@keys.command(epilog="Example: checkin authority keys destroy --dir authority")
def destroy(
    folder: Dir,
    confirm_clock: Annotated[bool, typer.Option("--confirm-clock", help="The clock was compared.")] = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Destroy every day key that is 28 days old, so that nobody opens that day again. Run it daily."""
    authority = Authority.open(folder, simulated=simulated_clock is not None, allow_unfit=allow_unfit_storage)
    records = authority.destroy_due(_clock(simulated_clock).now(), confirm_clock=confirm_clock)
    dates = ", ".join(str(record["date"]) for record in records)
    _report(as_json, {"destroyed": records}, f"Destroyed the keys of {dates}." if records else "Nothing is due.")
