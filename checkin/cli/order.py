"""`checkin authority order`, `sign` and `trace`: from a question to the people to reach."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from checkin.cli.office import PARTIES_FILE, Dir, Unfit, Yes, opened, progress
from checkin.cli.terminal import Json, Simulated, WithExample, confirm, counted, report, say
from checkin.clock import Calendar, clock_of, parse_rfc3339
from checkin.errors import ListRefused, RequestInvalid, SettingsInvalid
from checkin.files.durable import replace_file
from checkin.keys.officer_folder import load_ring_keys, load_share, load_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.letter import letter
from checkin.orders.order import ORDER_FILE, PERSON, OrderRequest, draft
from checkin.orders.part import MAX_DAYS, MAX_WINDOW_SECONDS, PHONE, VENUE_ID
from checkin.parties.authority_folder import AuthorityFolder, read_authority
from checkin.shown import shown
from checkin.tracing.execute import Parties, execute_order
from checkin.tracing.trace_result import TraceResult

app = typer.Typer()

PARTLY = 3
"""The exit status of a trace from which a party's answer is missing."""
_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]([01]\d|2[0-3]):([0-5]\d)")

OrderDir = Annotated[Path, typer.Argument(metavar="ORDER", help="The order's folder.")]
Officer = Annotated[list[Path], typer.Option("--officer", help="The folder of an officer; may be repeated.")]


@app.command(
    cls=WithExample,
    epilog="checkin authority order ORDER --dir authority --case 2026-17 --purpose 'measles' --basis 'Act, Art. 76-2' "
    "--person +821012345678 --since 2026-11-07 --until 2026-11-20",
)
def order(  # noqa: PLR0913 - what an officer has to say
    *,
    folder: OrderDir,
    authority: Dir,
    case: Annotated[str, typer.Option(help="The case number.")],
    purpose: Annotated[str, typer.Option(help="What for, in words that the people concerned will read.")],
    basis: Annotated[str, typer.Option(help="The legal basis.")],
    venue: Annotated[str | None, typer.Option(help="Who was at this venue: 16 hex digits; --from, --to.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="2026-11-20T12:00, local, or with an offset.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="At most four hours later.")] = None,
    person: Annotated[str | None, typer.Option(help="Who was near this phone's owner; --since, --until.")] = None,
    since: Annotated[str | None, typer.Option(help="The first day, 2026-11-07.")] = None,
    until: Annotated[str | None, typer.Option(help="The last day, at most 28 days in all.")] = None,
    issuer: Annotated[list[int] | None, typer.Option(help="Ask only issuers of these numbers; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=5000, help="No part is answered with more rows than this.")] = 1000,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the order can be executed.")] = 72,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Write an order into a new folder, for the officers to read and sign. Nothing is sent anywhere."""
    who = opened(authority, simulated_clock, allow_unfit_storage)
    parties = Parties.load(authority / PARTIES_FILE)
    asked = [party.verifier.name for party in parties.issuers if not issuer or party.number in issuer]
    common = OrderRequest(case=case, purpose=purpose, basis=basis, life=hours * 3600.0, limit=limit)
    made = draft(
        _about(common, who.calendar, (venue, begin, end), (person, since, until)),
        who,
        registry=parties.registry.verifier.name,
        issuers=asked,
        now=clock_of(simulated_clock).now(),
    )
    OrderFolder.make(folder, made)
    report(
        as_json,
        {"order": made.id, "kind": made.kind, "folder": str(folder), "needed": who.officers.threshold},
        f"{folder}/{ORDER_FILE} is to be read, and signed by {who.officers.threshold} officers.",
        indent=None,
    )


@app.command(cls=WithExample, epilog="checkin authority sign ORDER --officer authority/officers/2 --dir authority")
def sign(
    folder: OrderDir,
    officer: Officer,
    authority: Annotated[Path | None, typer.Option("--dir", help="The authority's, to say how many sign.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show the order as a letter and ask; then sign it, all its parts, and the entry for the log, as they were shown.

    The order's keys are held against those in each officer's ring.txt, and with --dir against the authority's: its
    answers are sealed to the ring key.
    """
    if authority and not (authority / "officers.txt").exists():
        raise SettingsInvalid("There is no authority in the folder that --dir names.")
    known = read_authority(authority) if authority else None
    drafted, _ = OrderFolder(folder).read()
    needed = known.officers.threshold if known else None
    pinned = [load_ring_keys(path) for path in officer] + ([known.order_keys()] if known else [])
    for keys in pinned:
        if keys:
            drafted.check_keys(keys)
    if not as_json:
        say(letter(drafted, checked=any(pinned)))
    names = ", ".join(path.name for path in officer)
    confirm(f"Sign this order with the {'folder' if len(officer) == 1 else 'folders'} {names}?", yes=yes)
    count = OrderFolder(folder).sign([load_signer(path) for path in officer], drafted)
    values = {"order": str(folder), "signatures": count, **({"needed": needed} if needed else {})}
    enough = f"{count} of {needed} signatures" if needed else counted(count, "signature")
    report(as_json, values, f"{folder} has {enough} now.", indent=None)


@app.command(
    cls=WithExample,
    epilog="checkin authority trace ORDER --dir authority --officer authority/officers/1 "
    "--officer authority/officers/2 -o result",
)
def trace(  # noqa: PLR0913 - an option each
    *,
    folder: OrderDir,
    authority: Dir,
    officer: Officer,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder for the result.")],
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Execute a signed order: log it, ask every party, open what only the officers' shares open.

    The result is written as trace.csv, trace.json, and trace.html for printing. A party that does not answer, or
    refuses, does not keep the others' answers back: it is named, with the reason, and the exit status is 3. Until the
    order expires the same command comes to the same result, and asks again for what is missing. Listed day keys that
    are not the ring's own are told.
    """
    who = opened(authority, simulated_clock, allow_unfit_storage)
    signed = OrderFolder(folder).open(who.officers)
    parties = Parties.load(authority / PARTIES_FILE)
    shares = [load_share(path) for path in officer]
    with progress() as tell:
        result = execute_order(signed, who, parties, shares, tell)
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(output / "trace.csv", result.csv().encode())
    replace_file(output / "trace.json", json.dumps(result.json(), ensure_ascii=False, indent=1).encode())
    replace_file(output / "trace.html", result.html().encode())
    _tell_of_planted(who, shares)
    if result.failed and not as_json:
        say(_missing(result), err=True)
    report(as_json, result.json(), _summary(result, output), indent=None)
    if result.failed:
        raise typer.Exit(PARTLY)


def _tell_of_planted(who: AuthorityFolder, shares: list[str]) -> None:
    """What can be seen only while shares are joined, of the list that is signed next."""
    try:
        who.check_ring(who.listed(), shares)
    except ListRefused as error:
        say(f"✗ {error.detail}", err=True)


def _summary(result: TraceResult, folder: Path) -> str:
    lines = [f"{step.audience} was asked {step.asked}; it was not told {step.not_told}." for step in result.asked]
    lines += [f"{issuer} has no batches under the number in these days." for issuer in result.without_batches]
    if result.order.kind == PERSON:
        lines.append(f"Places where the person was, with their times: {len(result.places)}.")
    lines.append(f"{len(result.people)} to reach: {folder}/trace.csv, and {folder}/trace.html for printing.")
    if result.unopened or result.unknown:
        lines.append(f"{result.unopened} seals did not open; {result.unknown} people are not known any more.")
    if result.gone:
        lines.append(f"Destroyed before the order was executed: {', '.join(result.gone)}.")
    return "\n".join(lines)


def _missing(result: TraceResult) -> str:
    lines = [
        f"✗ {shown(one.audience)} was asked {one.asked}: {shown(one.reason)} ({one.code})" for one in result.failed
    ]
    return "\n".join([*lines, "The rest was delivered. Run the same command again, until the order expires."])


def _about(
    request: OrderRequest, calendar: Calendar, place: tuple[str | None, ...], who: tuple[str | None, ...]
) -> OrderRequest:
    """With what the order is about; raises `RequestInvalid`, of the option that is wrong."""
    venue, begin, end = place
    person, since, until = who
    if venue and begin and end and not any(who):
        if not VENUE_ID.fullmatch(venue):
            raise RequestInvalid("--venue is no venue's id: 16 hexadecimal digits, in small letters.")
        return replace(request, venue=venue, window=_window(calendar, begin, end))
    if person and since and until and not any(place):
        phone = re.sub(r"[\s()-]", "", person)
        if not PHONE.fullmatch(phone):
            raise RequestInvalid("--person is no phone number that begins with + and its country: +821012345678.")
        return replace(request, phone=phone, days=_days(calendar, since, until))
    raise RequestInvalid(
        "An order is about one venue (--venue with 16 hexadecimal digits, --from, --to) or one person "
        "(--person with a phone that begins with + and its country, --since, --until)."
    )


def _window(calendar: Calendar, begin: str, end: str) -> tuple[float, float]:
    first, last = _moment(calendar, "--from", begin), _moment(calendar, "--to", end)
    if last // 60 <= first // 60:
        raise RequestInvalid("--to is not after --from.")
    if last - first > MAX_WINDOW_SECONDS:
        raise RequestInvalid(f"--to is more than {MAX_WINDOW_SECONDS // 3600} hours after --from.")
    return first, last


def _days(calendar: Calendar, since: str, until: str) -> tuple[int, int]:
    first, last = _day(calendar, "--since", since), _day(calendar, "--until", until)
    if last < first:
        raise RequestInvalid("--until is before --since.")
    if last - first >= MAX_DAYS:
        raise RequestInvalid(f"From --since to --until are {last - first + 1} days: {MAX_DAYS} are the most.")
    return first, last


def _moment(calendar: Calendar, option: str, text: str) -> float:
    local = _LOCAL.fullmatch(text)
    try:
        if local:
            return calendar.start(calendar.parse_date(local[1])) + int(local[2]) * 3600 + int(local[3]) * 60
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise RequestInvalid(f"{option} {text} is no time: write it like 2026-11-20T12:00.") from None


def _day(calendar: Calendar, option: str, text: str) -> int:
    try:
        return calendar.parse_date(text)
    except ValueError:
        raise RequestInvalid(f"{option} {text} is no day: write it like 2026-11-20.") from None
