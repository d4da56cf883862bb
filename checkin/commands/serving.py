"""`checkin serve` and `checkin up`: the services as processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.deployment import Deployment
from checkin.errors import RequestInvalid
from checkin.processes import Processes
from checkin.service import launch

Simulated = Annotated[
    Path | None,
    typer.Option("--simulated-clock", help="Take the time from this file; refused on a real deployment's folder."),
]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(epilog="Example: checkin serve issuer --config issuer.toml")(serve)
    app.command(epilog="Example: checkin up --dir my-checkin")(up)


def serve(
    service: Annotated[str, typer.Argument(help="issuer, venue or retention")],
    config: Annotated[Path, typer.Option(help="The service's settings, a TOML file.")],
    simulated_clock: Simulated = None,
) -> None:
    """Run one service, as in production."""
    if service not in launch.service_names():
        raise RequestInvalid(f"There is no service {service!r}: it is one of {', '.join(launch.service_names())}.")
    launch.serve(service, config, simulated_clock)


def up(
    folder: Annotated[Path, typer.Option("--dir", help="Where everything is kept; made on first start.")] = Path(
        "checkin-data"
    ),
    simulated_clock: Simulated = None,
) -> None:
    """Run all three services on this machine, ports 8001 to 8003. Makes keys and settings on first start."""
    deployment = Deployment.open_or_make(folder, ports=(8001, 8002, 8003), simulated_clock=simulated_clock)
    for warning in deployment.warnings:
        typer.echo(f"warning: {warning}", err=True)
    with Processes(deployment) as processes:
        typer.echo(deployment.addresses())
        processes.wait(deployment.tend)
