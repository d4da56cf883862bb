"""What the commands of the health authority share: options, its opened folder, a bar while something takes time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from checkin.parties.authority_folder import AuthorityFolder
from checkin.shown import shown
from checkin.tracing.trace import Tell, silent

PARTIES_FILE: Final = "parties.toml"

Dir = Annotated[Path, typer.Option("--dir", help="The authority's folder.")]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking: for scripts, after somebody has read it.")]
Unfit = Annotated[
    bool, typer.Option("--allow-unfit-storage", help="Accept a file system from which keys could be recovered.")
]


def opened(
    folder: Path, simulated_clock: Path | None, allow_unfit: bool, *, taking_over: bool = False
) -> AuthorityFolder:
    """The authority in the folder; raises as `AuthorityFolder.open`."""
    simulated = simulated_clock is not None
    return AuthorityFolder.open(folder, simulated=simulated, allow_unfit=allow_unfit, taking_over=taking_over)


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar with a rate and the time left, where there is a terminal to see it."""
    if not sys.stderr.isatty():
        yield silent
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(shown(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell
