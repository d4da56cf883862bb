"""`checkin backup` and `checkin restore`: a service's data folder, in one archive and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.terminal import WithExample, confirm, counted, say
from checkin.service.backup import back_up, put_back, read_contents, stopped
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
