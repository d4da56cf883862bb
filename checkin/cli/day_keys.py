"""`checkin authority keys …`: making, listing, signing, publishing and destroying the authority's day keys."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from checkin.audit.authority_audit import AuthorityAudit
from checkin.audit.point import PointResult, overall
from checkin.audit.words import MARKS, RESULTS, point_words
from checkin.cli.office import PARTIES_FILE, Dir, Unfit, Yes, opened, progress
from checkin.cli.terminal import Json, Simulated, WithExample, confirm, counted, report, say
from checkin.clock import DATES, clock_of
from checkin.errors import RequestInvalid
from checkin.files.durable import replace_file
from checkin.keys.officer_folder import keep_ring_keys, load_share, load_signer, new_days, remember
from checkin.keys.secret_file import read_token
from checkin.parties.authority import AHEAD_DAYS
from checkin.parties.authority_folder import CHECKED_FILE, DESTROYED_FILE, LOGGED_FOLDER
from checkin.protocol.key_list import AuthorityList, CheckedList, DestroyedList
from checkin.protocol.note import NoteSigner, sign_also, sign_note, split_note, text_of
from checkin.protocol.primitives import sha256
from checkin.tracing.execute import Parties, PublicLog
from checkin.tracing.publish import publish_keys, read_keys_note

app = typer.Typer(name="keys", no_args_is_help=True, help="Day keys: make, list, sign, publish, destroy, look after.")

Stated = AuthorityList | DestroyedList | CheckedList
Note = Annotated[Path, typer.Argument(help="A list of day keys, or a statement that some were destroyed.")]
Officer = Annotated[list[Path], typer.Option("--officer", help="The folder of an officer who signs; may be repeated.")]


@app.command(cls=WithExample, epilog="checkin authority keys make --dir authority")
def make(
    folder: Dir,
    ahead: Annotated[int, typer.Option(min=0, max=AHEAD_DAYS, help="How many days after today.")] = AHEAD_DAYS,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Make the day keys that are missing, from today on. Needs no officer."""
    authority = opened(folder, simulated_clock, allow_unfit_storage)
    made = [authority.calendar.date(day) for day in authority.make_keys(clock_of(simulated_clock).now(), ahead)]
    lost = [authority.calendar.date(day) for day in authority.lost_days()]
    warning = f" Listed, but their slots are lost: {', '.join(lost)}." if lost else ""
    told = f"Made keys for {counted(len(made), 'day')}, {made[0]} to {made[-1]}." if made else "No key was missing."
    report(as_json, {"made": made, "lost": lost}, told + warning)


@app.command("list", cls=WithExample, epilog="checkin authority keys list --dir authority -o keys.txt")
def list_keys(  # noqa: PLR0913 - an option each
    *,
    folder: Dir,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the list.")],
    officer: Officer = [],  # noqa: B006 - typer's way to say that there may be none; never changed
    yes: Yes = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Write the list of day keys, for officers to sign, or signed by those whose folders are here, once they agreed.

    Where enough officers are here, each listed key is held against the ring's own, which their shares open; that is
    stated in checked.txt of the authority's folder, signed, for the log (`keys publish`).
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage)
    now, checked = clock_of(simulated_clock).now(), None
    key_list = authority.list_keys(now)
    text = key_list.text()
    if len(officer) >= authority.officers.threshold:
        shares = [load_share(path) for path in officer]
        authority = authority.adopt_list_key(shares)
        for path in officer:
            keep_ring_keys(path, authority.ring_keys)
        authority.check_ring(key_list.keys, shares)
        checked = authority.checked_list(key_list.keys, now)
    signers = _agreed(key_list, officer, yes=yes, quiet=as_json) if officer else []
    replace_file(output, (sign_note(text, *signers) if signers else text).encode())
    _remember(key_list, officer)
    if checked:
        replace_file(folder / CHECKED_FILE, sign_note(checked.text(), *signers).encode())
    dates = [authority.calendar.date(day) for day in key_list.keys]
    report(
        as_json,
        {"days": dates, "signatures": len(signers), "needed": authority.officers.threshold, "list": str(output)},
        f"{output} lists {counted(len(dates), 'day')}, {min(dates)} to {max(dates)}, and has {len(signers)} of "
        f"{authority.officers.threshold} signatures.",
    )


@app.command(cls=WithExample, epilog="checkin authority keys sign keys.txt --officer authority/officers/2")
def sign(note: Note, officer: Officer, yes: Yes = False, as_json: Json = False) -> None:
    """Add an officer's signature to a list of day keys or a statement that some were destroyed, and to nothing else.

    Shows every day with its key and commitment, and which of them this officer has not signed before, and asks first. A
    key other than the one that this officer signed for a day is refused.
    """
    text, stated = read_keys_note(_read(note))
    signers = _agreed(stated, officer, yes=yes, quiet=as_json)
    content = _read(note)  # others may have signed meanwhile
    if text_of(content) != text:
        raise RequestInvalid(f"{note} was exchanged while it was read, and nothing was signed: read it again.")
    content = sign_also(content, signers)
    replace_file(note, content.encode())
    _remember(stated, officer)
    count, what = len(split_note(content)[1]), _what(stated)
    report(
        as_json,
        {"list": str(note), "kind": what, "days": len(stated.keys), "signatures": count},
        f"{note}, {what} of {counted(len(stated.keys), 'day')}, has {counted(count, 'signature')} now.",
    )


@app.command(cls=WithExample, epilog="checkin authority keys publish keys.txt --dir authority")
def publish(  # noqa: PLR0913 - an option each
    *,
    note: Note,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="The authority's folder; its parties.toml names issuers and the log.")
    ] = None,
    issuer: Annotated[
        list[str] | None, typer.Option(help="The address of an issuer, instead of those in parties.toml; repeatable.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="With --issuer: the authority's bearer token there.")] = None,
    log: Annotated[str | None, typer.Option(help="The address of the log, instead of the one in parties.toml.")] = None,
    log_key: Annotated[str | None, typer.Option(help="With --log: its verifier key.")] = None,
    log_token_file: Annotated[Path | None, typer.Option(help="With --log: the authority's bearer token there.")] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="With --log: the verifier key of a witness; repeatable.")
    ] = None,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Put what enough officers signed into the log, wait for its witnesses, and bring a list to the issuers.

    An issuer that pins a log takes a list only with the proof that it is there. A statement that keys were destroyed
    stays in the log. What is there is kept in the authority's folder. It can be repeated.
    """
    content = _read(note)
    read_keys_note(content)
    authority = opened(folder, simulated_clock, allow_unfit_storage) if folder else None
    parties = Parties.load(folder / PARTIES_FILE) if folder and (folder / PARTIES_FILE).exists() else None
    pinned = _log(log, log_key, log_token_file, witness or []) or (parties.log if parties else None)
    if issuer:
        if token_file is None:
            raise RequestInvalid("With --issuer goes --token-file: the file with the authority's bearer token.")
        issuers = dict.fromkeys(issuer, read_token(token_file))
    else:
        issuers = {one.url: one.token for one in parties.issuers} if parties else {}
    if not issuers and pinned is None:
        raise RequestInvalid("Say where to: --dir with a parties.toml, or --issuer with --token-file, or --log.")
    with progress() as tell:
        index, answers = publish_keys(content, pinned, issuers, authority, tell)
    if authority is not None:
        authority.state_destroyed()  # what is logged now needs no signature any more
    report(as_json, {"published": answers, "index": index}, _told(index, answers, folder))


@app.command(cls=WithExample, epilog="checkin authority keys destroy --dir authority")
def destroy(
    folder: Dir,
    confirm_clock: Annotated[bool, typer.Option("--confirm-clock", help="The clock was compared.")] = False,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Destroy every day key that is 28 days old, so that nobody opens that day again. Run it daily.

    Needs no officer. The statement about all that is destroyed and not in the log yet is left in destroyed.txt of the
    authority's folder, for officers to sign (`keys sign`) and for the log (`keys publish`).
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage, taking_over=True)
    records = authority.destroy_due(clock_of(simulated_clock).now(), confirm_clock=confirm_clock)
    stated = authority.state_destroyed()
    dates = ", ".join(str(record["date"]) for record in records)
    sentence = f"Destroyed the keys of {dates}." if records else "Nothing is due."
    path = folder / DESTROYED_FILE
    if stated:
        sentence += f" {path} states the end of {counted(len(stated.keys), 'key')}: to be signed by "
        sentence += f"{authority.officers.threshold} officers, and published."
    report(as_json, {"destroyed": records, "statement": str(path) if stated else None}, sentence)


@app.command(cls=WithExample, epilog="checkin authority keys status --dir authority")
def status(
    folder: Dir,
    simulated_clock: Simulated = None,
    allow_unfit_storage: Unfit = False,
    as_json: Json = False,
) -> None:
    """Look through the folder: no slot of a destroyed day is left, each was overwritten, and its end is in the log.

    Changes nothing. Exit status 1 when anything is wrong.
    """
    authority = opened(folder, simulated_clock, allow_unfit_storage)
    log = Parties.load(folder / PARTIES_FILE).log.pinned if (folder / PARTIES_FILE).exists() else None
    points = AuthorityAudit(authority, clock_of(simulated_clock).now(), log).points()
    result = overall(points)
    lines = [{**vars(point), "result": point.result.value} for point in points]
    told = [
        f"{MARKS[point.result]} {point_words(point.name)[0]} ({RESULTS[point.result][0]})\n    {point.evidence}"
        for point in points
    ]
    values: dict[str, object] = {"authority": authority.officers.authority, "result": result.value, "points": lines}
    report(as_json, values, "\n".join([authority.officers.authority, *told]))
    if result is PointResult.FAIL:
        raise typer.Exit(1)


def _agreed(stated: Stated, folders: list[Path], *, yes: bool, quiet: bool) -> list[NoteSigner]:
    """The officers of these folders, once they were shown what they sign and agreed to it."""
    signers = [load_signer(path) for path in folders]
    for signer in signers:
        if not signer.name.startswith(f"{stated.owner}/"):
            raise RequestInvalid(f"{signer.name} is no officer of {stated.owner}, whose keys these are.")
    new = {day for path in folders for day in new_days(path, stated)} if isinstance(stated, AuthorityList) else set()
    if not quiet:
        say("\n".join(_shown(stated, new)))
    names = ", ".join(signer.name for signer in signers)
    confirm(f"Sign {_what(stated)} of {counted(len(stated.keys), 'day')} as {names}?", yes=yes)
    return signers


def _shown(stated: Stated, new: set[int]) -> list[str]:
    """Every day: the key's fingerprint, its commitment, and what is new; or the commitment, and when the key was
    destroyed or checked."""
    lines = [f"{stated.owner}: {_what(stated)}."]
    if isinstance(stated, AuthorityList):
        for day, key in stated.keys.items():
            mark = "NEW" if day in new else "signed before"
            lines.append(f"  {DATES.date(day)}  key {_fingerprint(key.public)}  commitment {key.commitment}  {mark}")
        return [*lines, f"New to these officers: {counted(len(new), 'key')}."]
    word = "destroyed" if isinstance(stated, DestroyedList) else "checked"
    return lines + [
        f"  {DATES.date(day)}  commitment {gone.commitment}  {word} {DATES.date(gone.done)}"
        for day, gone in stated.keys.items()
    ]


def _fingerprint(public: bytes) -> str:
    digest = sha256(public).hex()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


def _remember(stated: Stated, folders: list[Path]) -> None:
    if isinstance(stated, AuthorityList):
        for path in folders:
            remember(path, stated)


def _read(path: Path) -> str:
    """Raises `RequestInvalid` that says what it is instead; `OSError` for a file that is not there."""
    if path.is_dir():
        raise RequestInvalid(f"{path} is a folder: name the file. An order is signed by `checkin authority sign`.")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise RequestInvalid(f"{path} is not text: take the file that `checkin authority keys list` wrote.") from None


def _what(stated: object) -> str:
    return "a list of day keys" if isinstance(stated, AuthorityList) else "a statement of destroyed keys"


def _log(url: str | None, key: str | None, token_file: Path | None, witnesses: list[str]) -> PublicLog | None:
    if url is None and key is None and token_file is None and not witnesses:
        return None
    try:
        return PublicLog.model_validate({"url": url, "vkey": key, "token_file": token_file, "witnesses": witnesses})
    except ValidationError:
        raise RequestInvalid(
            "A log is --log with an address, --log-key with its verifier key, --log-token-file, and perhaps --witness "
            "with a verifier key, all of them written as `GET /v1/keys` of the retention service shows them."
        ) from None


def _told(index: int | None, issuers: Collection[str], folder: Path | None) -> str:
    told = "" if index is None else f"Entry {index} of the log. "
    if folder and told:
        told += f"Kept in {folder / LOGGED_FOLDER}. "
    return told + (f"Published to {', '.join(issuers)}." if issuers else "")
