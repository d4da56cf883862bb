"""`checkin audit …`: verifying what was destroyed, asking for the day-28 audit, showing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from checkin.audit.auditor import Verdict, verify
from checkin.audit.evidence import VKEYS, Evidence, read_vkeys
from checkin.audit.log_entry import DayState
from checkin.audit.page import read_audit
from checkin.audit.words import MARKS, RESULTS, STATES, point_words
from checkin.cli.example import WithExample
from checkin.cli.office import counted
from checkin.clock import Calendar, SystemClock
from checkin.errors import NotFound, SettingsInvalid
from checkin.http.client import Client, Service
from checkin.keys.secret_file import read_token

app = typer.Typer(
    no_args_is_help=True, help="Check what was destroyed and by whom it was stated; the day-28 audit of all services."
)

RUN_SECONDS = 3600.0  # every service reads every file it has
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Url = Annotated[str | None, typer.Option(help="The retention service.")]


@app.command("verify", cls=WithExample, epilog="checkin audit verify --dir evidence")
def verify_evidence(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="A folder with vkeys.txt, checkpoint.txt, log/, purge-reports/; works offline."),
    ] = None,
    url: Url = None,
    vkeys: Annotated[Path | None, typer.Option(help="Verifier keys, one a line; by default --dir's vkeys.txt.")] = None,
    since: Annotated[
        Path | None, typer.Option(help="An earlier checkpoint.txt, which the log must continue.")
    ] = None,
    date: Annotated[str, typer.Option(help="As of which day; by default today, or the newest day in a folder.")] = "",
    save: Annotated[Path | None, typer.Option(help="With --url: keep everything in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Verify every report, every file of the log and every audit with nothing but verifier keys.

    Shows for each of the last 60 days what was destroyed and who stated it. Exit status 1 when anything is wrong.
    """
    if (folder is None) == (url is None):
        raise SettingsInvalid("Give either --dir, a folder of files, or --url, a retention service, with --vkeys.")
    previous = _read(since) if since else None
    _check_date(date)
    if folder is not None:
        evidence = Evidence.of_folder(folder, vkeys or folder / VKEYS)
        verdict = verify(evidence, date, previous)
    else:
        verdict = _online(str(url), vkeys, date, previous, save)
    if as_json:
        typer.echo(json.dumps(verdict.summary(), ensure_ascii=False, indent=1))
    else:
        _tell(verdict)
    if not verdict.ok:
        raise typer.Exit(1)


@app.command(cls=WithExample, epilog="checkin audit run --url https://retention.example --token auditor.token")
def run(  # noqa: PLR0913, PLR0917 - options of a command
    url: Annotated[str, typer.Option(help="The retention service.")],
    token: Annotated[Path, typer.Option(help="The file with the auditor's token.")],
    test_visitor: Annotated[
        list[str] | None, typer.Option(help="Name or phone (E.164) of your test visitor; searched for everywhere.")
    ] = None,
    code: Annotated[
        list[Path] | None, typer.Option(help="A file with a code of your test visitor, to be decoded field by field.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="trace.csv of an order about your test visitor; it is read here and not sent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let every service audit itself, and retention sign, log and keep the result. Exit status 1 when a line fails."""
    words = list(test_visitor or [])
    body: dict[str, Any] = {"words": words, "tokens": [_text(path) for path in code or []]}
    if trace is not None:
        if not words:
            raise SettingsInvalid("With --trace name the test visitor, who should be in it: --test-visitor.")
        found = _text(trace)
        body["found"] = any(word in found for word in words)
    with Client(url, read_token(token), RUN_SECONDS, Service.RETENTION) as client:
        audit = client.post("/v1/audits", body)
    _show(int(audit["place"]), str(audit["note"]), as_json=as_json)


@app.command(cls=WithExample, epilog="checkin audit show --url https://retention.example")
def show(
    number: Annotated[int | None, typer.Argument(help="An audit's place in the log; by default the newest.")] = None,
    url: Url = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="A folder with audit.json.")] = None,
    as_json: Json = False,
) -> None:
    """Show an audit line by line. It only reads; `audit verify` checks. Exit status 1 when a line fails."""
    if (folder is None) == (url is None):
        raise SettingsInvalid("Give either --dir, a folder with audit.json, or --url, a retention service.")
    if folder is not None:
        try:
            audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise NotFound("There is no audit.json in this folder.") from None
    else:
        with Client(str(url), wanted=Service.RETENTION) as client:
            audit = client.get(f"/v1/audits/{number}") if number is not None else _newest(client)
    _show(int(audit["place"]), str(audit["note"]), as_json=as_json)


def _check_date(date: str) -> None:
    try:
        Calendar().parse_date(date or "1970-01-01")
    except ValueError:
        raise SettingsInvalid("A day is written YYYY-MM-DD.") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise SettingsInvalid(f"The file {path.name} cannot be read.") from None


def _text(path: Path) -> str:
    return _read(path).decode(errors="replace").strip()


def _console() -> Console:
    """Without a terminal a line is as long as it is."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _newest(client: Client) -> Any:
    audits = client.get("/v1/audits")["audits"]
    if not audits:
        raise NotFound("There has been no audit yet.")
    return audits[0]


def _online(url: str, vkeys: Path | None, date: str, previous: bytes | None, save: Path | None) -> Verdict:
    if vkeys is None:
        raise SettingsInvalid("Give --vkeys: a file of verifier keys that you got from somebody else than the service.")
    calendar = Calendar()
    today = calendar.date(calendar.day(SystemClock().now()))
    with Client(url, wanted=Service.RETENTION) as client:
        evidence = Evidence.online(client, read_vkeys(vkeys))
        verdict = verify(evidence, date, previous, today)
        if save is not None and verdict.head is not None:
            evidence.save(save, verdict.head.size)
    return verdict


def _tell(verdict: Verdict) -> None:
    console = _console()
    if verdict.days:
        console.print(_days(list(verdict.days)))
    for fault in verdict.faults:
        console.print(f"✗ {fault.path}: {fault.kind}. {fault.reason}", soft_wrap=True, markup=False)
    if verdict.head is not None:
        head = f"{verdict.head.origin}, {verdict.head.size} entries"
        kinds = f"{counted(verdict.reports, 'purge report')}, {counted(verdict.audits, 'audit')}"
        counts = f"{kinds}, as of {verdict.date or 'no day'}"
        console.print(f"{'✗' if verdict.faults else '✓'} {head}: {counts}", markup=False)
    console.print(f"{counted(len(verdict.faults), 'fault')}." if verdict.faults else "Nothing is wrong.")


def _days(days: list[DayState]) -> Table:
    services = list(dict.fromkeys(day.service for day in days))
    table = Table("day", *services, title="What was destroyed, and by whom it was stated", title_justify="left")
    dates = list(dict.fromkeys(day.day for day in days))
    known = {(day.day, day.service): day for day in days}
    for date in dates:
        table.add_row(date, *(_cell(known[date, service]) for service in services))
    return table


def _cell(day: DayState) -> str:
    if day.index is not None:
        late = ", late" if day.state == "late" else ""
        if not day.rows:  # the authority's: it holds keys and no records
            return f"✓ key destroyed {day.done}{late}, stated by {day.by}, entry {day.index}"
        rows = day.rows if day.rows != "unknown" else "an unknown number of"
        return f"✓ {counted(rows, 'record')} destroyed {day.done}{late}, report {day.index}"
    if day.state == "held":
        return f"■ kept until {day.due}"
    if day.state == "missing":
        return f"✗ due {day.due}: {'STATEMENT' if day.key else 'REPORT'} MISSING"
    return f"◇ due {day.due}: statement awaited" if day.state == "awaited" else f"· {STATES[day.state][0]}"


def _show(place: int, note: str, *, as_json: bool) -> None:
    values, points = read_audit(note)
    if as_json:
        lines = [{**vars(point), "result": point.result.value} for point in points]
        shown = {"place": place, "day": values["day"], "result": values["result"], "points": lines}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))
    else:
        console = _console()
        for service in dict.fromkeys(point.service for point in points):
            console.print(f"\n{service}", markup=False)
            for point in points:
                if point.service == service:
                    asks, result = point_words(point.name)[0], RESULTS[point.result.value][0]
                    console.print(f"  {MARKS[point.result.value]} {asks} ({result})", markup=False, soft_wrap=True)
                    console.print(f"    {point.evidence}", markup=False, soft_wrap=True)
        console.print(f"\nAudit {place} of {values['day']}: {RESULTS[str(values['result'])][0]}.", markup=False)
    if values["result"] != "pass":
        raise typer.Exit(1)
