"""`checkin authority …`: the health authority's folder; its day keys are in `day_keys.py`, its orders in `order.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.cli import day_keys, order
from checkin.cli.example import WithExample
from checkin.cli.office import Dir, Json, Simulated, Unfit, Yes, clock_of, confirm, opened, report
from checkin.cli.terminal import say
from checkin.errors import RequestInvalid
from checkin.files.durable import replace_file
from checkin.keys.officers import load_signer
from checkin.parties.authority import Authority
from checkin.protocol.note import (
    NoteVerifier,
    add_signature,
    check_own_name,
    decode_note,
    sign_note,
    split_note,
    unverified_text,
)
from checkin.protocol.ring_messages import NODE_LOST
from checkin.protocol.statement import clock_value

app = typer.Typer(no_args_is_help=True, help="The health authority's work.")
app.add_typer(day_keys.app, name="keys")


@app.command(
    cls=WithExample,
    epilog="checkin authority init --dir authority --officers 3 --threshold 2 --name health.example",
)
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
        now=clock_of(simulated_clock).now(),
        zone=zone,
        simulated=simulated_clock is not None,
        allow_unfit=allow_unfit_storage,
    )
    vkeys = [verifier.vkey for verifier in authority.officers.verifiers]
    report(
        as_json,
        {"authority": name, "threshold": threshold, "officers": vkeys, "folder": str(folder)},
        f"{name}: {threshold} of {officers} officers. Let each officer carry away one folder of {folder}/officers, "
        f"and pin {folder}/officers.txt wherever the authority is trusted.",
    )


@app.command(
    "node-lost",
    cls=WithExample,
    epilog="checkin authority node-lost --dir authority --service registry.example --node VKEY "
    "--officer authority/officers/1 --officer authority/officers/2 -o node-lost.txt",
)
def node_lost(  # noqa: PLR0913 - an option each
    *,
    folder: Dir,
    service: Annotated[str, typer.Option(help="The name of the service whose key ring the node belonged to.")],
    node: Annotated[str, typer.Option(help="The node's verifier key, as the settings had it.")],
    officer: Annotated[list[Path], typer.Option("--officer", help="The folder of an officer who signs; repeatable.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it, or to add signatures.")],
    yes: Yes = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """State that a node of a service's key ring is lost with its volume: nobody waits any more for its word that it
    destroyed a key. Officers sign that together, or in turn into the same file. The service takes it by its setting
    `ring.lost`, and it goes into the log.
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage)
    name = authority.officers.authority
    check_own_name(service)
    day = authority.calendar.date(authority.calendar.day(clock_of(simulated_clock).now()))
    values = {"authority": name, "service": service, "node": NoteVerifier.parse(node).vkey, "day": day}
    text = NODE_LOST.write({**values, **clock_value(simulated=authority.simulated)})
    note = _same(output, {"authority": name, "service": service, "node": node})
    if not as_json:
        say(unverified_text(note) if note else text)
    signers = [load_signer(path) for path in officer]
    confirm(f"Sign this as {', '.join(signer.name for signer in signers)}?", yes=yes)
    for signer in signers:
        note = add_signature(note, signer) if note else sign_note(text, signer)
    replace_file(output, note.encode())
    count = len(split_note(note)[1])
    report(
        as_json,
        {"statement": str(output), "signatures": count, "needed": authority.officers.threshold},
        f"{output} has {count} of {authority.officers.threshold} signatures.",
    )


def _same(path: Path, wanted: dict[str, str]) -> str:
    """The note that is there already, '' without one; raises `RequestInvalid` where it is about something else."""
    if not path.exists():
        return ""
    note = decode_note(path.read_bytes())
    values = NODE_LOST.read(unverified_text(note))
    if any(values[name] != value for name, value in wanted.items()):
        raise RequestInvalid(f"{path} is about something else: choose another file.")
    return note


order.register(app)
