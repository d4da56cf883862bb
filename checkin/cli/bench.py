"""`checkin bench`: the measurements, which lie in the source and not in what is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from checkin.cli.terminal import WithExample, report, say
from checkin.errors import NotFound, RequestInvalid

app = typer.Typer()

ALL: Final = "all"
_CHECKOUT: Final = Path(__file__).parents[2]
_FOLDER: Final = Path("tests", "benchmarks")
_PASSED_ON: Final = {"ignore_unknown_options": True, "allow_extra_args": True}
# What a measured service logs does not go where the figures go.
_RUN: Final = (
    "import runpy, sys; from checkin.service.logs import log_to_terminal; log_to_terminal(); del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
_ELSEWHERE: Final = (
    "The measurements lie in the source, not in what is installed. In a checkout of it run "
    "`pip install -e '.[test]'`, then `checkin bench` from there."
)


@app.command(cls=WithExample, epilog="checkin bench vault --rounds 2 --json", context_settings=_PASSED_ON)
def bench(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One of those that are listed without it, or `all`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """Measure: figures beside something bare that ran in turn with it. Without a name, list what can be measured.

    Further options are the measurement's own: `checkin bench vault -- --help`. It needs a checkout of the source.
    """
    known = measurements(_CHECKOUT)
    if name is None:
        report(as_json, known, _listed(known), indent=None)
        return
    if name not in {*known, ALL}:
        raise RequestInvalid(f"There is no measurement {name!r}: there are {', '.join(known)}, and `{ALL}`.")
    options = ["--json"] * as_json + context.args
    for one in known if name == ALL else [name]:
        if name == ALL and not as_json:
            say(f"# {one}")
        command = [sys.executable, "-c", _RUN, f"tests.benchmarks.bench_{one}", *options]
        done = subprocess.run(command, cwd=_CHECKOUT, check=False)  # noqa: S603 - our own program
        if done.returncode:
            raise typer.Exit(done.returncode)


def measurements(checkout: Path) -> dict[str, str]:
    """Name → the first sentence of what it says of itself. Raises `NotFound` where there is no source."""
    paths = sorted((checkout / _FOLDER).glob("bench_*.py"))
    if not paths:
        raise NotFound(_ELSEWHERE)
    return {path.stem.removeprefix("bench_"): _sentence(path) for path in paths}


def _sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).partition(": `")[0].rstrip(".")


def _listed(known: dict[str, str]) -> str:
    width = max(map(len, known))
    lines = [f"{name:{width}}  {sentence}." for name, sentence in known.items()]
    return "\n".join([*lines, f"`checkin bench NAME` runs one, `checkin bench {ALL}` all of them: that takes a while."])
