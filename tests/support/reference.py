"""Writes the reference pages of `docs/` from the code: `python tests/support/reference.py`. A test compares them.

errors.md, commands.md, routes.md, settings.md: what a person looks up; and the tables of data-map.md. Reasons and
examples live in the other pages.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parents[2]))

from checkin import cli, errors
from checkin.audit.data_map import DataMap, MapFile
from checkin.deployment.deployment import Deployment
from checkin.errors import CheckinError
from checkin.ring.app import create_app as ring_app
from checkin.ring.settings import RingSettings
from checkin.service.addresses import free_ports
from issuer.app import create_app as issuer_app
from issuer.settings import IssuerSettings
from retention.app import create_app as retention_app
from retention.settings import RetentionSettings
from tests.support.ring_in_process import Ring
from venue.app import create_app as venue_app
from venue.settings import VenueSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
APPS = {"issuer": issuer_app, "venue": venue_app, "retention": retention_app, "ring": ring_app}
SETTINGS: dict[str, type[BaseModel]] = {
    "issuer": IssuerSettings,
    "venue": VenueSettings,
    "retention": RetentionSettings,
    "ring": RingSettings,
}
MAPS = [*sorted(ROOT.glob("*/data_map.toml")), *sorted(ROOT.glob("checkin/*/*_data_map.toml"))]
PLACES = {"data": "", "keys": "keys/"}
WRITTEN = "Written by `python tests/support/reference.py` from the code; a test compares the two.\n"


def all_errors(root: type[CheckinError] = CheckinError) -> Iterator[type[CheckinError]]:
    """Every error with a code of its own, in the order of the source."""
    for sub in root.__subclasses__():
        if "code" in vars(sub):
            yield sub
        yield from all_errors(sub)


def errors_page() -> str:
    """Stable codes, their HTTP status, and what they say unless they can say it more exactly."""
    for name in cli.COMMANDS:  # a command may have an error of its own
        cli.loaded(name)
    rows = sorted({(error.code, error.status, error.default) for error in all_errors()})
    codes = [code for code, _, _ in rows]
    if len(set(codes)) != len(codes):
        raise ValueError("two errors share a code")
    lines = [f"| `{code}` | {status} | {default} |" for code, status, default in rows]
    head = (
        "# Errors\n\n"
        "Over HTTP an error is a problem document (RFC 9457, `application/problem+json`):\n\n"
        "```json\n"
        '{"type": "urn:checkin:problem:token_expired", "title": "The code has expired: ask for a new one.",\n'
        ' "status": 422, "detail": "The code has expired: ask for a new one.", "code": "token_expired"}\n'
        "```\n\n"
        "On the command line it is one line, `checkin: token_expired: The code has expired: ask for a new one.`,\n"
        "and exit status 1. A `code` never changes its meaning. `invalid_request` adds `errors: [{at, why}]`, which\n"
        "says where and why, never what was sent. 429 and 503 come with `Retry-After`, 429 with the time left.\n"
        "What is no HTTP that can be read, as an unknown method or headers of 70 kB, gets 400 in plain text.\n\n"
    )
    return head + WRITTEN + "\n| code | status | sentence |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(cli.app)
    manners = "Each takes `-h` or `--help`; `checkin --install-completion` completes them in your shell."
    out = ["# Commands\n", WRITTEN, f"{manners} Errors: [errors.md](errors.md).\n"]
    for path, command in walk(root, ["checkin"]):
        out.append(f"## `{' '.join(path)}`\n\n{one_line(command.help)}\n")
        rows = [parameter_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            out.append("| parameter | what |\n|---|---|\n" + "\n".join(rows) + "\n")
        out.append(f"    {command.example}\n")
    return "\n".join(out)


def walk(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Commands that do something, below a group."""
    lazy = isinstance(command, cli.LazyGroup)
    subcommands = {name: cli.loaded(name) for name in cli.COMMANDS} if lazy else getattr(command, "commands", None)
    if not subcommands:
        yield path, command
        return
    for name in sorted(subcommands):
        yield from walk(subcommands[name], [*path, name])


def parameter_row(parameter: Any) -> str:
    """One line of a command's table."""
    names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar or parameter.name.upper()]
    return f"| `{', '.join(names)}` | {one_line(getattr(parameter, 'help', None))} |"


def one_line(text: str | None) -> str:
    """A help text without its line breaks."""
    return " ".join((text or "").split()).replace("|", "\\|")


def routes_page() -> str:
    """Every route of every service, from the same description that /openapi.json serves."""
    out = ["# Routes\n", WRITTEN, "Bodies, answers and examples: `/docs` and `/openapi.json` of the running service.\n"]
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder) / "clock"
        clock.write_text("2026-11-20T12:00:00+09:00\n")
        deployment = Deployment.open_or_make(Path(folder), free_ports(3), clock)
        for service, create in APPS.items():
            config = Ring(Path(folder) / "ring").config("a") if service == "ring" else deployment.config(service)
            paths = create(config, clock).openapi()["paths"]
            out.append(f"## {service}\n\n| route | what |\n|---|---|")
            for path in sorted(paths):
                for method, operation in sorted(paths[path].items()):
                    what = one_line(operation.get("description") or operation.get("summary")).split(". ")[0].rstrip(".")
                    out.append(f"| `{method.upper()} {path}` | {what} |")
            out.append("")
    return "\n".join(out)


def settings_page() -> str:
    """Every setting of every service; the sample files beside the services explain them at work."""
    out = ["# Settings\n", WRITTEN, "One TOML file a service, paths relative to it, unknown names refused. Samples:"]
    out.append("`issuer/settings.sample.toml`, `venue/settings.sample.toml`, `retention/settings.sample.toml`.\n")
    places: dict[type[BaseModel], dict[str, list[str]]] = {}
    for service, model in SETTINGS.items():
        out.append(f"## {service}\n\n{settings_table(model)}\n")
        for name, table in tables_in(model):
            places.setdefault(table, {}).setdefault(name, []).append(service)
    for table, names in places.items():
        where = "; ".join(f"`[{name}]` of {', '.join(services)}" for name, services in names.items())
        out.append(f"## {where}\n\n{one_line(inspect.getdoc(table))}\n\n{settings_table(table)}\n")
    return "\n".join(out)


def settings_table(model: type[BaseModel]) -> str:
    """The settings of one model, a row each."""
    sources = "".join(inspect.getsource(cls) for cls in reversed(model.__mro__) if issubclass(cls, BaseModel)
                      and cls.__module__.startswith(("checkin", "issuer", "venue", "retention")))  # fmt: skip
    rows = ["| setting | default | what |", "|---|---|---|"]
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else f"`{info.default!r}`"
        rows.append(f"| `{name}` | {default} | {documented(sources, name)} |")
    return "\n".join(rows)


def tables_in(model: type[BaseModel], under: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables of a settings file by their names in TOML; one that may stand several times in brackets."""
    for name, info in model.model_fields.items():
        for part in parts_of(info.annotation):
            if inspect.isclass(part) and issubclass(part, BaseModel):
                several = any(get_origin(outer) is tuple for outer in parts_of(info.annotation))
                path = f"{under}{name}"
                yield f"[{path}]" if several else path, part
                yield from tables_in(part, f"{path}.")


def parts_of(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


def documented(source: str, name: str) -> str:
    """The string under an attribute, as the source has it."""
    _, _, after = source.partition(f"\n    {name}: ")
    _, _, rest = after.partition("\n")
    text = rest.strip()
    return one_line(text.split('"""')[1]) if text.startswith('"""') else ""


def data_map_page() -> str:
    """docs/data-map.md, with each map's tables between its two marks."""
    page = (DOCS / "data-map.md").read_text(encoding="utf-8")
    for path in MAPS:
        data_map = DataMap.load(path)
        begin, end = (f"<!-- {mark} {data_map.service} -->\n" for mark in ("begin", "end"))
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the page has no marks for {data_map.service}")
        page = before + begin + "\n" + data_map_tables(data_map) + end + after
    return page


def data_map_tables(data_map: DataMap) -> str:
    """Every file of a service, and the columns of its databases."""
    lines = []
    for place in data_map.places:
        shown = "postgresql" if place.folder == "engine" else PLACES[place.folder] + place.path
        lines += [f"### `{shown}`", "", place.why, ""]
        if isinstance(place, MapFile):
            lines += [f"Finest time: {place.grain}. Lives {place.until}.", ""]
        for table, columns in place.tables.items():
            lines += [f"**{table}**", "", "| column | reason | form | finest time | lives |", "|---" * 5 + "|"]
            lines += [f"| `{name}` | {e.why} | {e.form} | {e.grain} | {e.until} |" for name, e in columns.items()]
            lines.append("")
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Name → content."""
    assert errors.__doc__
    return {
        "errors.md": errors_page(),
        "commands.md": commands_page(),
        "routes.md": routes_page(),
        "settings.md": settings_page(),
        "data-map.md": data_map_page(),
    }


if __name__ == "__main__":
    for name, content in pages().items():
        (DOCS / name).write_text(content, encoding="utf-8")
