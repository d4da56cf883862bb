"""`checkin serve` and `checkin up`: the services as processes; `checkin key`: what others pin of one."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from checkin.cli.terminal import SimulatedService, WithExample, draw, in_colours, say
from checkin.clock import SystemClock
from checkin.deployment.deployment import PAGES, SERVICES, Deployment, held, make_folder
from checkin.deployment.phone import fingerprint, over_tls, phone_certificate, require_address
from checkin.deployment.processes import Processes
from checkin.errors import ClockUntrusted, RequestInvalid
from checkin.files.lifeline import GRACE_SECONDS
from checkin.keys.secret_file import make_secret, read_secret
from checkin.protocol import qr as pictures
from checkin.protocol.note import NoteSigner, check_own_name
from checkin.protocol.primitives import SigningKey
from checkin.service import launch

app = typer.Typer()


@app.command(cls=WithExample, epilog="checkin serve issuer --config issuer.toml")
def serve(
    service: Annotated[str, typer.Argument(help="issuer, venue, retention or ring")],
    config: Annotated[Path, typer.Option(help="The service's settings, a TOML file.")],
    simulated_clock: SimulatedService = None,
) -> None:
    """Run one service, as in production."""
    if service not in launch.service_names():
        raise RequestInvalid(f"There is no service {service!r}: it is one of {', '.join(launch.service_names())}.")
    launch.serve(service, config, simulated_clock)


@app.command(cls=WithExample, epilog="checkin up --dir my-checkin")
def up(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[Path, typer.Option("--dir", help="Where everything is kept; made on first start.")] = Path(
        "checkin-data"
    ),
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65533, help="The issuer's port, the next two are the others'. Later: the folder moves there."
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="An address of this machine in your Wi-Fi: phones reach the pages there, over TLS."),
    ] = None,
    confirm_clock: Annotated[
        bool, typer.Option("--confirm-clock", help="You have compared this machine's clock, and it is right.")
    ] = False,
    simulated_clock: SimulatedService = None,
    engine: Annotated[
        Literal["sqlite", "postgresql"] | None,
        typer.Option(help="What keeps the days of a new folder; postgresql runs a server of its own beside them."),
    ] = None,
) -> None:
    """Run all three services on this machine, ports 8001 to 8003. Makes keys and settings on first start."""
    address = require_address(host) if host else ""
    make_folder(folder)
    with held(folder) as hold:
        ports = (port, port + 1, port + 2) if port else None
        deployment = Deployment.open_or_make(
            folder, ports, simulated_clock, patience=GRACE_SECONDS if hold.unclean else 0.0, engine=engine
        )
        _compare_clock(deployment, confirmed=confirm_clock)
        hold.tell([deployment.url(name) for name in SERVICES])
        for warning in deployment.warnings:
            say(f"warning: {warning}", err=True)
        say("Starting three services …", err=True)
        with ExitStack() as stack:
            if address:
                certificate = phone_certificate(deployment.folder, address, SystemClock())
                stack.enter_context(over_tls(address, deployment.ports.values(), certificate))
            processes = stack.enter_context(Processes(deployment))
            for name in processes.unready:
                say(f"warning: the {name} service is not ready: see {deployment.url(name)}/readyz", err=True)
            say(deployment.addresses())
            if address:
                _invite(deployment, address, certificate)
            processes.wait(deployment.tend, partial(say, err=True))


def _compare_clock(deployment: Deployment, *, confirmed: bool) -> None:
    """Has a person at a terminal compare the clock; without one the option says it, or `ClockUntrusted` is raised."""
    try:
        deployment.require_clock(confirmed=confirmed)
    except ClockUntrusted as error:
        if not sys.stdin.isatty():
            raise
        say(error.detail, err=True)
        typer.confirm("Have you compared it, and is it right?", abort=True, err=True)
        deployment.require_clock(confirmed=True)


def _invite(deployment: Deployment, address: str, certificate: Path) -> None:
    """Shows what a user with a phone in hand needs to know."""
    host = f"[{address}]" if ":" in address else address
    pages = {what: f"https://{host}:{deployment.ports[service]}{path}" for what, service, path in PAGES}
    say(f"\nOn a phone in the same Wi-Fi: {pages['wallet']}")
    if sys.stdout.isatty():
        draw(in_colours(pictures.to_terminal(pages["wallet"])))
    say(
        "The phone will warn that the connection is not private, because this machine made the certificate itself.\n"
        f"See that its SHA-256 begins with {fingerprint(certificate)[:23]}, then go on (Advanced, Proceed; on an\n"
        "iPhone Show Details, visit this website). To work without a network, too, the phone must trust the\n"
        f"certificate: see docs/operating.md, On a phone.\n  {'scanner':13} {pages['scanner']}\n"
        f"  {'certificate':13} {certificate}"
    )


@app.command(cls=WithExample, epilog="checkin key statement.key --name issuer.example/checkin")
def key(
    file: Annotated[Path, typer.Argument(help="A service's statement.key, or retention's log.key.")],
    name: Annotated[str, typer.Option(help="The service's name, as in its settings; the log's ends in /log.")],
) -> None:
    """Print the verifier key that others pin. The file is made when it is not there; nothing else is needed."""
    check_own_name(name)
    secret = read_secret(file) if file.exists() else make_secret(file)
    say(NoteSigner(name, SigningKey(secret)).verifier.vkey)
