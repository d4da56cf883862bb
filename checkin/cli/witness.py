"""`checkin witness …`: a witness that another organisation runs, in a folder of its own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from checkin.cli.terminal import Json, Simulated, WithExample, report
from checkin.clock import clock_of
from checkin.errors import RequestInvalid
from checkin.service import launch
from checkin.service.addresses import require_free
from checkin.tlog.witness import WitnessState, create_app
from checkin.tlog.witness_folder import add_log, make_folder, open_witness, read_identity, read_logs

app = typer.Typer(name="witness", no_args_is_help=True)

Dir = Annotated[Path, typer.Option("--dir", help="The witness's folder.")]
LogKey = Annotated[list[str], typer.Option("--log", help="The verifier key of a log to watch; may be repeated.")]


@app.command(cls=WithExample, epilog="checkin witness init --dir witness --name witness.example/w1 --log LOG_VKEY")
def init(
    folder: Dir,
    name: Annotated[str, typer.Option(help="What it cosigns as: an address without its scheme.")],
    log: LogKey = [],  # noqa: B006 - typer's way to say that there may be none; never changed
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Make the folder and its key, and print the verifier key that others pin."""
    verifier = make_folder(folder, name, log, simulated=simulated_clock is not None)
    origins = [watched.origin for watched in read_logs(folder)]
    report(as_json, {"vkey": verifier.vkey, "logs": origins}, verifier.vkey)


@app.command("add-log", cls=WithExample, epilog="checkin witness add-log --dir witness --log LOG_VKEY")
def watch(
    folder: Dir,
    log: LogKey,
    origin: Annotated[
        str | None, typer.Option(help="The first line of the log's checkpoints, where it is not the key's name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch one more log, or more; a witness that runs is started again for it."""
    if origin is not None and len(log) != 1:
        raise RequestInvalid("An origin is one log's: name one --log with it.")
    origins = [add_log(folder, vkey, origin).origin for vkey in log]
    report(as_json, {"logs": origins}, f"Watching {', '.join(origins)}.")


@app.command(cls=WithExample, epilog="checkin witness status --dir witness --json")
def status(folder: Dir, as_json: Json = False) -> None:
    """What it has seen: the newest head of each log, and heads that did not continue it."""
    verifier, _ = read_identity(folder)
    with closing(WitnessState(folder / "witness.sqlite")) as state:
        heads = {log.origin: state.head(log.origin).size for log in read_logs(folder)}
        evidence = [{"log": origin, "seen": seen, "shown": shown} for origin, seen, shown in state.evidence()]
    lines = [f"{origin}: {size} entries" for origin, size in heads.items()]
    lines += [f"{item['log']} signed a head that did not continue what was seen here." for item in evidence]
    report(
        as_json, {"vkey": verifier.vkey, "logs": heads, "evidence": evidence}, "\n".join(lines) or "Watching no log."
    )


@app.command(cls=WithExample, epilog="checkin witness serve --dir witness --port 8004")
def serve(
    folder: Dir,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8004,
    simulated_clock: Simulated = None,
) -> None:
    """Answer POST /add-checkpoint (c2sp.org/tlog-witness) until stopped."""
    witness = open_witness(folder, simulated=simulated_clock is not None)
    with closing(witness.state):
        require_free(host, port)
        uvicorn.run(create_app(witness, clock_of(simulated_clock)), **launch.bounded(host, port))
