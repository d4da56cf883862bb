"""`checkin change-master`: another master key under a service's key ring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.terminal import Json, WithExample, counted, report
from checkin.errors import NotReady, RequestInvalid
from checkin.keys.key_ring import change_master as change
from checkin.service.backup import stopped
from checkin.service.identity import IN_USE
from checkin.service.vault_folder import CommonSettings

app = typer.Typer()


@app.command(cls=WithExample, epilog="checkin change-master --config issuer.toml")
def change_master(
    config: Annotated[Path, typer.Option(help="The settings of the service, or of a ring node; a TOML file.")],
    as_json: Json = False,
) -> None:
    """Exchange a stopped service's master.key for a new one. Its keys stay.

    Each slot of the key ring is wrapped anew where it lies, and the former master key is overwritten. Stopped on the
    way, the service does not start until the command is repeated, which goes on from there.
    """
    settings = CommonSettings.load(config)
    if settings.master_key is None:
        raise RequestInvalid(f"{settings.name} keeps its keys on a ring of nodes: run this for each node, one by one.")
    if not (settings.keys / IN_USE).exists():
        raise NotReady(f"{settings.keys} was not in use yet: mount its volume, or start the service once.")
    with stopped(settings):
        done = change(settings.keys, settings.master_key, allow_unfit=settings.allow_unfit_storage)
    report(
        as_json,
        {"service": settings.name, "slots": done},
        f"{settings.master_key} is new, and {counted(done, 'key')} of {settings.name} wrapped under it. The former one "
        "opens none of them, and lies in no file here: start the service, and destroy every other copy of it.",
    )
