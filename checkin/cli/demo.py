"""`checkin demo`: the whole story."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from checkin.cli.terminal import WithExample, say_json
from checkin.demo import story
from checkin.demo.narrator import Narrator
from checkin.demo.stage import MARKER
from checkin.deployment.deployment import LOCK, held, make_folder
from checkin.errors import SettingsInvalid

app = typer.Typer()


@app.command(cls=WithExample, epilog="checkin demo --dir my-demo")
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the story's files are left.")] = Path("checkin-demo"),
    serve: Annotated[bool, typer.Option("--serve", help="Keep the services running afterwards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the summary, as JSON.")] = False,
) -> None:
    """Tell the whole story with three real services: a code, a door, a thief, 28 days, an auditor."""
    make_folder(folder)
    with held(folder) as hold:
        _clear(folder)
        tell = Narrator(Console(highlight=False, quiet=as_json))
        ok = story.run(folder, tell, serve=serve, started=hold.tell)
    if as_json:
        say_json(tell.summary())
    if not ok:
        raise typer.Exit(1)


def _clear(folder: Path) -> None:
    """Make way for a new story: a folder of an earlier one is removed, any other is left alone."""
    inside = [path for path in folder.iterdir() if path.name != LOCK]
    if inside and not (folder / MARKER).exists():
        raise SettingsInvalid(f"The folder {folder} is neither empty nor an earlier story's: choose another one.")
    for path in inside:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
