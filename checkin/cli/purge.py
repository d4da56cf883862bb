"""`checkin purge …`: what a service holds, what is due, and destroying it now."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from checkin.audit.destroyed import STRIP_DAYS
from checkin.cli.strip import FULL, DrawnDay, draw_days, levels
from checkin.cli.terminal import Json, SimulatedService, WithExample, console, counted, read_given, say, say_json
from checkin.clock import DATES
from checkin.errors import CheckinError, NotReady, SettingsInvalid
from checkin.keys.generation import Generation
from checkin.protocol.note import decode_note
from checkin.purge.early import end_of_day
from checkin.purge.inventory import DestroyedDay, PurgeStatus, RingNodeStatus
from checkin.service.day_store import VAULTS
from checkin.service.launch import load
from checkin.service.logs import log_to_terminal
from checkin.service.vault_folder import VaultFolder
from checkin.shown import shown

app = typer.Typer(name="purge", no_args_is_help=True)

_ENDS: Final = ("purge-", "key-destroyed-")
Config = Annotated[Path, typer.Option(help="The service's settings, a TOML file.")]


@app.command(cls=WithExample, epilog="checkin purge status --dir my-checkin")
def status(
    config: Annotated[
        list[Path] | None, typer.Option(help="A service's settings, a TOML file; once for each service.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="The folder of `checkin up`, in place of --config."),
    ] = None,
    simulated_clock: SimulatedService = None,
    as_json: Json = False,
) -> None:
    """Show what each service holds, what is due, done and left, days and keys, with a picture of the last 60 days.

    Changes nothing. With several services their reports stand in `services`.
    """
    if (config is None) == (folder is None):
        raise SettingsInvalid("Give either --config, a service's settings, or --dir, the folder of `checkin up`.")
    paths = config or [Path(str(folder), name, "settings.toml") for name in VAULTS]
    if folder and not all(path.exists() for path in paths):
        raise SettingsInvalid(f"{shown(folder)} is no folder of `checkin up`.")
    reports = []
    for path in paths:
        with closing(_open(path, simulated_clock)) as service:
            name, found = service.settings.name, service.status()
            reports.append({"service": name, **asdict(found)})
            if not as_json:
                draw_days(console(), name, _strip(found, service.today()))
                for line in _lines(name, found):
                    say(line)
    if as_json:
        say_json(reports[0] if len(reports) == 1 else {"services": reports}, indent=2)


@app.command(cls=WithExample, epilog="checkin purge run --config venue.toml --confirm-clock")
def run(
    config: Config,
    confirm_clock: Annotated[
        bool, typer.Option("--confirm-clock", help="You have compared this machine's clock, and it is right.")
    ] = False,
    confirm_restored: Annotated[
        bool, typer.Option("--confirm-restored", help="You know that the data folder was put back from a backup.")
    ] = False,
    simulated_clock: SimulatedService = None,
    as_json: Json = False,
) -> None:
    """Destroy all that is due, now: days first, then what the service destroys beside them.

    A running service does this by itself; this is for one that is stopped, or whose clock is in doubt. Days go even if
    the service cannot be opened. Then everything is done that the service does at its start, without serving: deleted
    accounts, hosted codes, the identity key, old lists and counters. What failed keeps nothing else from being done and
    is named; exit status 1.
    """
    folder = _open(config, simulated_clock)
    if confirm_clock:
        folder.guard.confirm()
    before = set(folder.book.names()) if folder.book else set()
    keys = set(map(str, folder.keys.due(folder.guard.now())))
    left = folder.destroy()
    destroyed = sorted(keys - set(folder.status().keys_due))
    folder.close()
    outcome = _run_start_tasks(folder.service, config, simulated_clock) if folder.service else TaskOutcome()
    outcome = replace(outcome, failed=({"days": NotReady.code} if left else {}) | outcome.failed, left=left)
    if confirm_restored:  # last: opening the service compares the folders
        Generation(folder.settings.data, folder.settings.keys).confirm()
    names = folder.book.names() if folder.book else []
    made = [name for name in names if name not in before and name.startswith(_ENDS)]
    if as_json:
        say_json({"service": folder.settings.name, "keys": destroyed, "statements": made, **asdict(outcome)}, indent=2)
    else:
        if destroyed and not made:
            say("Destroyed, not stated yet: " + ", ".join(destroyed))
        elif made or not left:
            say("Destroyed and stated: " + ", ".join(made) if made else "Nothing was due.")
        if told := outcome.told():
            say(told)
    if outcome.not_opened or outcome.failed:
        raise typer.Exit(1)


@app.command(cls=WithExample, epilog="checkin purge early --config venue.toml --statement early.txt")
def early(
    config: Config,
    statement: Annotated[Path, typer.Option(help="What officers signed with `checkin authority destroy-early`.")],
    simulated_clock: SimulatedService = None,
    as_json: Json = False,
) -> None:
    """Destroy the keys of days before they are due, because enough officers ordered it.

    In an emergency: it cannot be undone. The statement is held against the pinned authority, kept beside the keys and
    carried out at once, by a running service, too, and goes into the log. Repeatable. On a ring the nodes say a minute
    later that it is done. What failed is named; exit status 1.
    """
    with closing(_open(config, simulated_clock)) as folder:
        order = folder.early.take(decode_note(read_given(statement)))
        left = folder.destroy()
        gone = [str(name) for name in folder.volume.ring.tombstones() if order.covers(name)]
    if as_json:
        say_json({"service": folder.settings.name, "statement": order.name, "keys": gone, "left": left}, indent=2)
    else:
        say(f"By {order.name}: destroyed {', '.join(gone) or 'nothing, there was no such key'}.")
        if told := TaskOutcome(left=left).told():
            say(told)
    if left:
        raise typer.Exit(1)


@dataclass(frozen=True)
class TaskOutcome:
    """Outcome of the tasks that the service runs at its start: whether they ran, which failed and with what code (and
    `days`, which go before them), and why the service could not be opened at all, if so."""

    chores_done: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    not_opened: str = ""
    left: dict[str, str] = field(default_factory=dict)
    """Of the days and their keys: what could not be destroyed or stated, and why."""

    def told(self) -> str:
        """A sentence; '' where there was nothing to do."""
        told = [f"Left: {what}. {reason}." for what, reason in self.left.items()]
        if self.failed:
            told.append("These failed: " + ", ".join(f"{name} ({code})" for name, code in self.failed.items()) + ".")
        if self.not_opened:
            told.append(
                f"Days were looked through, and nothing else: the service cannot be opened ({self.not_opened}) What it "
                "destroys beside its days is still there until it starts."
            )
        if self.chores_done and not self.failed:
            told.append("Its own duties were carried out, as at its start.")
        return "\n".join(told)


def _run_start_tasks(service: str, config: Path, simulated_clock: Path | None) -> TaskOutcome:
    """All that the service does at its start before it serves, through its entry point."""
    try:
        frame = load(service, config, simulated_clock).state.frame
    except CheckinError as error:
        return TaskOutcome(not_opened=f"{error.code}: {error.detail}")
    try:
        return TaskOutcome(chores_done=True, failed=frame.tasks.run_all())
    finally:
        frame.close()


def _open(config: Path, simulated_clock: Path | None) -> VaultFolder:
    log_to_terminal()  # also where the command is called without the rest of the command line
    return VaultFolder(config, simulated_clock)


def _strip(found: PurgeStatus, today: str) -> list[DrawnDay]:
    """The last 60 days; those ahead, of which there is a key and nothing else, are left out."""
    filled = levels({day.day: day.rows or 0 for day in found.held})
    done = {gone.day: _end(gone, found) for gone in found.destroyed}
    overdue = dict.fromkeys(found.due, "overdue")
    last = DATES.parse_date(today)
    dates = [DATES.date(day) for day in range(last - STRIP_DAYS + 1, last + 1)]
    states = {date: overdue.get(date) or ("held" if date in filled else done.get(date, "none")) for date in dates}
    return [DrawnDay(date, state, filled.get(date, FULL)) for date, state in states.items()]


def _end(gone: DestroyedDay, found: PurgeStatus) -> str:
    ordered = any(order.first <= gone.day <= order.last and order.day <= gone.done for order in found.early)
    return end_of_day(gone.due, gone.done, ordered=ordered)


def _node_line(node: RingNodeStatus) -> str:
    """Of a ring: due, done and left on one node."""
    if not node.answers:
        return f"  {node.node}  does NOT answer; {node.destroyed} destroyed, awaited: {_listed(node.awaited)}"
    due = f"DUE: {_listed(node.due)}, " if node.due else ""
    return f"  {node.node}  {counted(node.held, 'key')} held, {due}{node.destroyed} destroyed, " + (
        f"awaited: {_listed(node.awaited)}" if node.awaited else "nothing awaited"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _lines(name: str, found: PurgeStatus) -> list[str]:
    lines = [
        f"{name}: {counted(len(found.held), 'day')} held, {len(found.due)} overdue, {len(found.destroyed)} destroyed."
    ]
    if found.doubt:
        lines.append(f"The clock is in doubt: {found.doubt}")
    if found.data_trouble:
        lines.append(f"Only the key ring could be looked at: {found.data_trouble}")
    for day in found.held:
        rows = "unreadable" if day.rows is None else f"{counted(day.rows, 'row')}, {day.bytes} bytes"
        mark = "OVERDUE since" if day.day in found.due else "to be destroyed on"
        lines.append(f"  {day.day}  {rows}, {mark} {day.due}")
    if found.keys_due:
        lines.append("DUE and not destroyed: " + ", ".join(found.keys_due))
    if found.keys_overwritten:
        lines.append("Destroyed; what is left of the slot waits for room: " + ", ".join(found.keys_overwritten))
    if found.not_stated:
        lines.append("Destroyed and not stated yet: " + ", ".join(found.not_stated))
    return lines + [_node_line(node) for node in found.nodes] + _ends(found)


def _ends(found: PurgeStatus) -> list[str]:
    lines = []
    for gone in found.destroyed:
        how = f", {_end(gone, found)}" if gone.done != gone.due else ""
        lines.append(f"  {gone.day}  {counted(gone.rows, 'row')}, destroyed on {gone.done}{how}")
    for order in found.early:
        lines.append(
            f"Officers had {order.first} to {order.last} destroyed early, on {order.day}: {shown(order.reason)}"
        )
    return lines
