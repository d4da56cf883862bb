"""`checkin audit …`: verifying what was destroyed, asking for the day-28 audit, showing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from checkin.audit.audit_page import read_audit
from checkin.audit.auditor import Verdict, verify
from checkin.audit.evidence import Evidence, read_vkeys
from checkin.audit.log_entry import DayState, EarlyEnd, by_service
from checkin.audit.retention_answers import AuditPage, AuditShown, read_answer
from checkin.audit.words import EARLY, MARKS, RESULTS, STATES, point_words
from checkin.cli.strip import DrawnDay, draw_days
from checkin.cli.terminal import Json, WithExample, console, counted, read_given, say, say_json
from checkin.clock import Calendar, SystemClock
from checkin.errors import NotFound, ServiceError, SettingsInvalid
from checkin.http.asking import read_json
from checkin.http.client import Client, Service
from checkin.keys.secret_file import read_token
from checkin.shown import shown

app = typer.Typer(name="audit", no_args_is_help=True)

OWN_KEYS = 3
"""The exit status of a folder that is consistent under keys that lie in it."""
_OWN_KEYS = (
    "The folder is consistent under the folder's own keys, which proves nothing about who made it: "
    "give --vkeys, a file of verifier keys that you got from somebody else."
)
RUN_SECONDS = 3600.0  # every service reads every file it has
Url = Annotated[str | None, typer.Option(help="The retention service.")]


@app.command("verify", cls=WithExample, epilog="checkin audit verify --dir evidence --vkeys vkeys.txt")
def verify_evidence(  # noqa: PLR0913, PLR0917 - options of a command
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="A folder with vkeys.txt, checkpoint.txt, log/, purge-reports/; works offline."),
    ] = None,
    url: Url = None,
    vkeys: Annotated[Path | None, typer.Option(help="Verifier keys, one a line, not from whom you audit.")] = None,
    since: Annotated[Path | None, typer.Option(help="An earlier checkpoint.txt, which the log must continue.")] = None,
    date: Annotated[str, typer.Option(help="As of which day; by default today, or the newest day in a folder.")] = "",
    save: Annotated[Path | None, typer.Option(help="With --url: keep everything in this new folder.")] = None,
    as_json: Json = False,
) -> None:
    """Verify every report, every file of the log and every audit with nothing but verifier keys.

    Shows for each of the last 60 days what was destroyed and who stated it. Exit status 1 when anything is wrong;
    3 when nothing is, but the keys are the folder's own: whoever made the folder chose them.
    """
    if (folder is None) == (url is None):
        raise SettingsInvalid("Give either --dir, a folder of files, or --url, a retention service, with --vkeys.")
    previous = read_given(since) if since else None
    _check_date(date)
    if folder is not None:
        evidence = Evidence.of_folder(folder, vkeys)
        verdict = verify(evidence, date, previous)
    else:
        verdict = _online(str(url), vkeys, date, previous, save)
    pinned = vkeys is not None
    if as_json:
        say_json(verdict.summary() | {"ok": verdict.ok and pinned, "pinned": pinned}, indent=1)
    else:
        _tell(verdict, pinned=pinned)
    if not verdict.ok:
        raise typer.Exit(1)
    if not pinned:
        raise typer.Exit(OWN_KEYS)


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
        made = read_answer(AuditShown, client.post("/v1/audits", body))
        audit = read_answer(AuditShown, client.get(f"/v1/audits/{made.place}"))
    _show(audit, as_json=as_json)


@app.command(cls=WithExample, epilog="checkin audit show --url https://retention.example")
def show(
    number: Annotated[int | None, typer.Argument(help="An audit's place in the log; by default the newest.")] = None,
    url: Url = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="A folder with audit.json.")] = None,
    as_json: Json = False,
) -> None:
    """Draw what is held and was destroyed over 60 days, and show an audit line by line.

    It only reads; `audit verify` checks. Exit status 1 when a line fails.
    """
    if (folder is None) == (url is None):
        raise SettingsInvalid("Give either --dir, a folder with audit.json, or --url, a retention service.")
    if folder is not None:
        try:
            audit = read_answer(AuditShown, read_json((folder / "audit.json").read_bytes()))
        except (OSError, ServiceError):
            raise NotFound("There is no audit.json in this folder, or it is none.") from None
    else:
        with Client(str(url), wanted=Service.RETENTION) as client:
            asked = number is not None
            audit = read_answer(AuditShown, client.get(f"/v1/audits/{number if asked else _newest(client).place}"))
    _show(audit, as_json=as_json)


def _check_date(date: str) -> None:
    try:
        Calendar().parse_date(date or "1970-01-01")
    except ValueError:
        raise SettingsInvalid("A day is written YYYY-MM-DD.") from None


def _text(path: Path) -> str:
    return read_given(path).decode(errors="replace").strip()


def _newest(client: Client) -> AuditShown:
    audits = read_answer(AuditPage, client.get("/v1/audits")).audits
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
        if save is not None:
            _save(save, evidence, verdict)
    return verdict


def _save(folder: Path, evidence: Evidence, verdict: Verdict) -> None:
    """Keeps what was verified; nothing where the log itself is not what was signed."""
    if verdict.head is None or not verdict.whole:
        say("Nothing was saved: the log is not what was signed, so the rest was not looked at.", err=True)
        return
    faulty = {fault.path for fault in verdict.faults}
    evidence.save(folder, verdict.head.size, faulty)


def _tell(verdict: Verdict, *, pinned: bool) -> None:
    out = console()
    for service, days in by_service(verdict.days).items():
        draw_days(out, service, [DrawnDay(day.day, day.state) for day in days])
        for day in days:
            if day.state != "none":
                out.print(f"  {day.day} {_told(day)}", soft_wrap=True)
    for fault in verdict.faults:
        out.print(f"✗ {shown(fault.path)}: {fault.kind}. {shown(fault.reason)}", soft_wrap=True)
    if verdict.head is not None:
        head = f"{shown(verdict.head.origin)}, {verdict.head.size} entries"
        kinds = f"{counted(verdict.reports, 'purge report')}, {counted(verdict.audits, 'audit')}"
        counts = f"{kinds}, as of {verdict.date}" if verdict.date else f"{kinds}; give --date to see each day"
        out.print(f"{'✗' if verdict.faults else '✓' if pinned else '?'} {head}: {counts}", soft_wrap=True)
    if verdict.faults:
        out.print(f"{counted(len(verdict.faults), 'fault')}.")
    elif pinned:
        out.print("Nothing is wrong.")
    else:
        out.print(_OWN_KEYS, soft_wrap=True)


def _told(day: DayState) -> str:
    if day.index is not None:
        late = ", late" if day.state == "late" else ""
        if day.state == "early":
            late = f" early, by {counted(day.officers, 'officer')}"
        if not day.rows:  # the authority's: it holds keys and no records
            return f"✓ key destroyed {shown(day.done)}{late}, stated by {shown(day.by)}, entry {day.index}"
        rows = day.rows if day.rows != "unknown" else "an unknown number of"
        why = f": {shown(day.reason)}" if day.reason else ""
        return f"✓ {shown(counted(rows, 'record'))} destroyed {shown(day.done)}{late}, report {day.index}{why}"
    if day.state == "held":
        return f"■ kept until {day.due}"
    if day.state == "missing":
        return f"✗ due {day.due}: {'STATEMENT' if day.key else 'REPORT'} MISSING"
    return f"◇ due {day.due}: statement awaited" if day.state == "awaited" else f"· {STATES[day.state][0]}"


def _show(audit: AuditShown, *, as_json: bool) -> None:
    values, points = read_audit(audit.note)
    place, result = audit.place, str(values["result"])
    if as_json:
        lines = [{**vars(point), "result": point.result.value} for point in points]
        days = [vars(day) for day in audit.days]
        say_json({"place": place, "day": values["day"], "result": result, "points": lines, "days": days}, indent=1)
    else:
        out = console()
        for service, states in by_service(DayState(**vars(day)) for day in audit.days).items():
            draw_days(out, service, [DrawnDay(day.day, day.state) for day in states])
            for end in EarlyEnd.of(states):
                out.print(f"  {shown(end.words(EARLY[0]))}: {shown(end.reason)}", soft_wrap=True)
        for service, mine in by_service(points).items():
            out.print(f"\n{shown(service)}")
            for point in mine:
                asks, word = point_words(point.name)[0], RESULTS[point.result.value][0]
                out.print(f"  {MARKS[point.result.value]} {shown(asks)} ({word})", soft_wrap=True)
                out.print(f"    {shown(point.evidence)}", soft_wrap=True)
        out.print(f"\nAudit {place} of {shown(values['day'])}: {shown(RESULTS.get(result, (result,))[0])}.")
    if result != "pass":
        raise typer.Exit(1)
