"""`checkin purge …`: what a service holds, what is due, and destroying it now."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from checkin.holdings import PurgeStatus
from checkin.service.vaultfolder import VaultFolder

app = typer.Typer(no_args_is_help=True, help="What a service holds, what is due, and destroying it now.")

Config = Annotated[Path, typer.Option(help="The service's settings, a TOML file.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Simulated = Annotated[
    Path | None,
    typer.Option("--simulated-clock", help="Take the time from this file; refused on a real deployment's folder."),
]


@app.command(epilog="Example: checkin purge status --config venue.toml")
def status(config: Config, simulated_clock: Simulated = None, as_json: Json = False) -> None:
    """Show the days that are held, overdue and destroyed. Changes nothing."""
    folder = _open(config, simulated_clock)
    found = folder.purger.status() if folder.purger else PurgeStatus([], [], [], folder.guard.doubt)
    if as_json:
        _print({"service": folder.party.settings.name, **asdict(found)})
        return
    for line in _lines(folder.party.settings.name, found):
        typer.echo(line)


@app.command(epilog="Example: checkin purge run --config venue.toml --confirm-clock")
def run(
    config: Config,
    confirm_clock: Annotated[
        bool, typer.Option("--confirm-clock", help="You have compared this machine's clock, and it is right.")
    ] = False,
    simulated_clock: Simulated = None,
    as_json: Json = False,
) -> None:
    """Destroy all days that are due, now.

    A running service does this by itself; this is for a service that is stopped, or whose clock is in doubt. What an
    issuer keeps beside its days (deleted accounts, the identity key) it destroys itself, as soon as it runs.
    """
    folder = _open(config, simulated_clock)
    if confirm_clock:
        folder.guard.confirm()
    made = folder.purger.run() if folder.purger else []
    if as_json:
        _print({"service": folder.party.settings.name, "statements": made})
    elif made:
        typer.echo("Destroyed and stated: " + ", ".join(made))
    else:
        typer.echo("Nothing was due.")


def _open(config: Path, simulated_clock: Path | None) -> VaultFolder:
    # What is reported goes to standard output, what is logged does not.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return VaultFolder(config, simulated_clock)


def _print(values: dict[str, Any]) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False, indent=2))


def _lines(name: str, found: PurgeStatus) -> list[str]:
    lines = [f"{name}: {len(found.held)} days held, {len(found.due)} overdue, {len(found.destroyed)} destroyed."]
    if found.doubt:
        lines.append(f"The clock is in doubt: {found.doubt}")
    for day in found.held:
        rows = "unreadable" if day.rows is None else f"{day.rows} rows, {day.bytes} bytes"
        mark = "OVERDUE since" if day.day in found.due else "to be destroyed on"
        lines.append(f"  {day.day}  {rows}, {mark} {day.due}")
    lines += [f"  {gone.day}  {gone.rows} rows, destroyed on {gone.done}" for gone in found.destroyed]
    return lines
