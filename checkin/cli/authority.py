"""`checkin authority …`: the health authority's folder; its day keys are in `day_keys.py`, its orders in `order.py`."""

from __future__ import annotations

from typing import Annotated

import typer

from checkin.cli import day_keys, order
from checkin.cli.example import WithExample
from checkin.cli.office import Dir, Json, Simulated, Unfit, clock_of, report
from checkin.parties.authority import Authority

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


order.register(app)
