"""`checkin simulate`: a town over time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from checkin.cli.terminal import WithExample, check_writable, say, say_json
from checkin.demo.narrator import Narrator
from checkin.deployment.child import ended_by_signals
from checkin.deployment.deployment import make_folder
from checkin.errors import SettingsInvalid
from checkin.files.durable import file_trouble
from checkin.simulation.plan import Size
from checkin.simulation.simulation import Ended
from checkin.simulation.simulation import simulate as live
from checkin.simulation.town_page import report_html

app = typer.Typer()


@app.command(cls=WithExample, epilog="checkin simulate --people 20 --venues 5 --days 32 --seed 7")
def simulate(  # noqa: PLR0913 - an option each
    *,
    people: Annotated[int, typer.Option(min=2, max=10_000, help="How many have a wallet.")] = 20,
    venues: Annotated[int, typer.Option(min=1, max=1000, help="Every third one has two gates.")] = 5,
    days: Annotated[int, typer.Option(min=1, max=120, help="From the 29th on the oldest days are destroyed.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="The same seed has the same town: who goes where, and when.")] = 1,
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep everything in this new folder.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page of plots with their numbers to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the numbers, as JSON; progress on stderr.")] = False,
) -> None:
    """Let a town live its days at three real services under a simulated clock: habits, queues, an outbreak, the purge.

    At the end everything must add up: every code has an end, a trace finds exactly who was there, what is due is gone.
    """
    tell = Narrator(Console(highlight=False, stderr=as_json))
    if report is not None:
        if not report.parent.is_dir():
            raise SettingsInvalid(f"There is no folder {report.parent} for the page: make it first.")
        check_writable(report)
    with ended_by_signals():  # a folder of our own is removed, too
        ended = _in(folder, Size(people, venues, days, seed), tell)
    lost: dict[str, Any] = {}
    if report is not None:
        try:
            report.write_text(report_html(ended), encoding="utf-8")
        except OSError as error:  # the numbers of an hour are shown all the same
            trouble = file_trouble(error)
            lost = {"error": {"code": trouble.code, "detail": trouble.detail}}
            say(f"checkin: {trouble.code}: {trouble.detail}", err=True)
    if as_json:
        say_json(ended.summary() | lost)
    if lost or ended.faults():
        raise typer.Exit(1)


def _in(folder: Path | None, size: Size, tell: Narrator) -> Ended:
    if folder is not None:
        make_folder(folder)
        return live(folder, size, tell)
    with tempfile.TemporaryDirectory(prefix="checkin-town-") as name:
        return live(Path(name), size, tell)
