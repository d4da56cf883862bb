"""`checkin backup`, `restore` and `change-master`: a service's data in one archive and back, its keys under another
master key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.terminal import Json, WithExample, confirm, counted, report, say
from checkin.errors import NotReady, RequestInvalid
from checkin.keys.key_ring import change_master as change
from checkin.service.backup import back_up, put_back, read_contents, stopped
from checkin.service.identity import IN_USE
from checkin.service.vault_folder import CommonSettings
from checkin.shown import shown

app = typer.Typer()

Config = Annotated[Path, typer.Option(help="The service's settings, a TOML file.")]


@app.command(cls=WithExample, epilog="checkin backup --config issuer.toml -o issuer.tar")
def backup(
    config: Config,
    out: Annotated[Path, typer.Option("--out", "-o", help="The archive, a file that is not there yet.")],
) -> None:
    """Back up a service's data in one archive, while it runs. Keys are never in it.

    What the archive holds of a day is noise as soon as that day's key is destroyed, here as everywhere.
    """
    contents = back_up(CommonSettings.load(config), out)
    say(
        f"{out}: {counted(len(contents.files), 'file')} of {contents.service}, as of {contents.day}. No key is in it. "
        f"To put it back: checkin restore {out} --config {config}"
    )


@app.command(cls=WithExample, epilog="checkin restore issuer.tar --config issuer.toml")
def restore(
    archive: Annotated[Path, typer.Argument(help="What `checkin backup` wrote.")],
    config: Config,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")] = False,
) -> None:
    """Put a backup back in place of a stopped service's data. Keys stay as they are.

    What ended since then, accounts, scanners and tokens, stays ended; everything else since then is lost. The service
    says so at /readyz until somebody confirms it.
    """
    settings = CommonSettings.load(config)
    with stopped(settings):
        contents = read_contents(settings, archive)
    question = f"Replace {settings.data} by the backup of {shown(contents.day)}? What came since then is lost."
    confirm(question, yes=yes, done="put back")
    put_back(settings, archive)
    say(
        f"{settings.data} is that of {shown(contents.day)}. Start the service. /readyz names the day until you confirm "
        f"it: checkin purge run --config {config} --confirm-restored"
    )


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
