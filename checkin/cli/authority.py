"""`checkin authority …`: the health authority's folder; its day keys are in `day_keys.py`, its orders in `order.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.audit.sweep import has_phone
from checkin.cli import day_keys, order
from checkin.cli.office import PARTIES_FILE, Dir, Unfit, Yes, opened
from checkin.cli.terminal import Json, Simulated, WithExample, confirm, report, say
from checkin.clock import Clock, clock_of
from checkin.errors import RequestInvalid
from checkin.files.durable import replace_file
from checkin.keys.officer_folder import load_signer
from checkin.parties.authority_folder import AuthorityFolder
from checkin.parties.renewal import exchange_officers
from checkin.protocol.note import (
    NoteVerifier,
    check_own_name,
    decode_note,
    sign_also,
    split_note,
    unverified_text,
)
from checkin.protocol.ring_messages import NODE_LOST
from checkin.protocol.statement import StatementType, clock_value
from checkin.purge.early import EarlyDestruction
from checkin.purge.statement_store import EARLY_DESTRUCTION
from checkin.shown import shown
from checkin.tracing.execute import Parties

Signers = Annotated[list[Path], typer.Option("--officer", help="The folder of an officer who signs; repeatable.")]
Signed = Annotated[Path, typer.Option("--output", "-o", help="Where to write it, or to add signatures.")]
app = typer.Typer(name="authority", no_args_is_help=True)
app.add_typer(order.app)
app.add_typer(day_keys.app)


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
    authority = AuthorityFolder.init(
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
    cls=WithExample,
    epilog="checkin authority renew --dir authority --officer authority/officers/1 --officer authority/officers/2",
)
def renew(  # noqa: PLR0913 - an option each
    *,
    folder: Dir,
    officer: Annotated[list[Path], typer.Option(help="The folder of an officer of now; as many as it takes.")],
    officers: Annotated[int | None, typer.Option(min=2, help="How many there will be; as many as now.")] = None,
    threshold: Annotated[int | None, typer.Option(min=2, help="How many must sign; as many as now.")] = None,
    yes: Yes = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Exchange all officers' keys and shares, and the ring: one may have been lost or stolen, or somebody leaves.

    Day keys stay as they were listed. Orders that are not traced yet are to be written anew. After a crash, repeat it:
    it goes on.
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage, taking_over=True)
    former = authority.officers
    count, needed = officers or len(former.verifiers), threshold or former.threshold
    told = f"{needed} of {count} new officers take the place of {former.threshold} of {len(former.verifiers)}."
    confirm(f"{told} Orders that are not traced yet are to be written anew. Go on?", yes=yes)
    done = exchange_officers(authority, officer, count, needed)
    dates = [authority.calendar.date(day) for day in done.unopened]
    lost = f" The slots of these days open under no ring: {', '.join(dates)}." if dates else ""
    folders = [str(path) for path in done.folders]
    report(
        as_json,
        {"officers": [key.vkey for key in done.officers.verifiers], "folders": folders, "unopened": dates},
        f"{former.authority}: {done.officers.threshold} of {len(folders)} officers, in {', '.join(folders)}.{lost} Pin "
        f"{folder}/officers.txt wherever the authority is trusted, then let the former officers destroy their folders.",
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
    officer: Signers,
    output: Signed,
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
    _check_service(service, folder)
    values = {"service": service, "node": NoteVerifier.parse(node).vkey}
    text = _text(authority, clock_of(simulated_clock), NODE_LOST, values, output)
    if not as_json:
        say(text)
    _sign(authority, text, officer, output, yes=yes, as_json=as_json)


@app.command(
    "destroy-early",
    cls=WithExample,
    epilog="checkin authority destroy-early --dir authority --service registry.example --first 2026-11-20 "
    '--last 2026-11-22 --reason "A server was stolen." --officer authority/officers/1 '
    "--officer authority/officers/2 -o early.txt",
)
def destroy_early(  # noqa: PLR0913 - an option each
    *,
    folder: Dir,
    service: Annotated[str, typer.Option(help="The name of the service whose keys are to be destroyed.")],
    first: Annotated[str, typer.Option(help="The first day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option(help="The last day; today at the latest.")],
    reason: Annotated[str, typer.Option(help="Why, in up to 200 characters that everybody will read: name nobody.")],
    officer: Signers,
    output: Signed,
    yes: Yes = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Order that a service destroys its keys of some days at once, in an emergency.

    What it holds of these days can be read no more, by nobody, and nobody can undo that. Officers sign it together, or
    in turn into the same file. Whoever runs the service hands it in with `checkin purge early`, and it goes into the
    log.
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage)
    _check_service(service, folder)
    if has_phone(reason.encode()):  # it stays in the log for good, and every audit would find it there
        raise RequestInvalid("The reason holds what looks like a phone number: everybody will read it, name nobody.")
    values = {"service": service, "first": first, "last": last, "reason": reason}
    text = _text(authority, clock_of(simulated_clock), EARLY_DESTRUCTION, values, output)
    told = EarlyDestruction.read(text).told()
    if not as_json:
        say(f"{told}\n\n{text}")
    _sign(authority, text, officer, output, yes=yes, as_json=as_json)


def _check_service(name: str, authority: Path) -> None:
    """Raises `RequestInvalid` for one that parties.toml does not have, before officers sign what no service takes; says
    so where there is no such file to compare it with."""
    check_own_name(name)
    path = authority / PARTIES_FILE
    if not path.exists():
        say(f"There is no {path} to compare {name} with: see that the service is called so.", err=True)
    elif name not in (names := Parties.load(path).services):
        raise RequestInvalid(f"{path} has no service {shown(name)}: it has {', '.join(names)}.")


def _text(authority: AuthorityFolder, clock: Clock, kind: StatementType, values: dict[str, str], path: Path) -> str:
    """The statement that officers are to sign, of today; where the file is there, what stands in it. Raises
    `RequestInvalid` where that says something else."""
    values = {"authority": authority.officers.authority, **values}
    if not path.exists():
        calendar = authority.calendar
        day = calendar.date(calendar.day(clock.now()))
        return kind.write({**values, "day": day, **clock_value(simulated=authority.simulated)})
    text = unverified_text(decode_note(path.read_bytes()))
    standing = kind.read(text)
    if any(standing[name] != value for name, value in values.items()):
        raise _other(path)
    return text


def _sign(  # noqa: PLR0913 - what is signed, by whom, where, and how it is told
    authority: AuthorityFolder, text: str, officers: list[Path], path: Path, *, yes: bool, as_json: bool
) -> None:
    """Signs after a question, together or in turn into one file, and shows how many have. Raises `RequestInvalid` where
    the file says something else by then."""
    signers = [load_signer(folder) for folder in officers]
    known = {verifier.vkey for verifier in authority.officers.verifiers}
    for signer in signers:
        if signer.verifier.vkey not in known:
            raise RequestInvalid(f"{shown(signer.name)} is no officer of officers.txt: others may have taken over.")
    confirm(f"Sign this as {', '.join(signer.name for signer in signers)}?", yes=yes)
    note = decode_note(path.read_bytes()) if path.exists() else ""
    if note and unverified_text(note) != text:
        raise _other(path)
    note = sign_also(note or text, signers)
    replace_file(path, note.encode())
    count, needed = len(split_note(note)[1]), authority.officers.threshold
    values = {"statement": str(path), "signatures": count, "needed": needed}
    report(as_json, values, f"{path} has {count} of {needed} signatures.")


def _other(path: Path) -> RequestInvalid:
    return RequestInvalid(f"{path} is about something else: choose another file.")
