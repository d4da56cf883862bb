"""`checkin simulate`: a town lives its days at three real services, and at the end everything adds up or it says so."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from checkin.clock import RETENTION_DAYS, STOPWATCH
from checkin.demo.narrator import Narrator
from checkin.demo.stage import raised
from checkin.errors import SettingsInvalid
from checkin.simulation.days import live, upload
from checkin.simulation.holding import Evening, Holding, ask, look, measure
from checkin.simulation.outbreak import Outbreak, break_out, days_of_outbreaks
from checkin.simulation.plan import Plan, Size
from checkin.simulation.town import UNBOUNDED, Tally, Town, settled

LINES: Final = 10  # of progress, where there is no terminal
_DAWN: Final = 5  # o'clock on the first day
# Seconds on two cores with little else to do; a town of 2,000 comes out as it was measured (docs/benchmarks.md).
_A_START, _A_PERSON, _A_DAY, _A_GATE, _A_BATCH, _A_SCAN = 8.0, 0.01, 1.2, 0.02, 0.0013, 0.0008


@dataclass(frozen=True)
class Ended:
    size: Size
    tally: Tally
    outbreaks: list[Outbreak]
    evenings: list[Evening]
    holding: Holding
    seconds: float

    def faults(self) -> list[str]:
        """In words, what should not be; none if all is well."""
        tally, holding = self.tally, self.holding
        most = max(evening.held for evening in self.evenings)
        ended = tally.accepted + tally.conflicts + sum(tally.refused.values())
        judged = {
            f"{tally.scans} codes were scanned and {ended} have an end": tally.scans != ended,
            f"{holding.overdue_days} days are overdue": holding.overdue_days > 0,
            f"in some evening {most} days were held": most > RETENTION_DAYS,
            f"{holding.reports} purge reports are in the log": holding.reports != 2 * holding.destroyed_days,
            f"{holding.server_errors} lines of the services' logs are errors": holding.server_errors > 0,
            "the trace found people who were not there": any(trace.precision < 1 for trace in self.outbreaks),
            "the trace missed people who were there": any(trace.recall < 1 for trace in self.outbreaks),
        }
        wrong = [sentence for sentence, so in judged.items() if so]
        return wrong + [f"an audit failed ({point})" for point in holding.failed]

    def summary(self) -> dict[str, Any]:
        """For programs: counts, and seconds; without names."""
        tally = self.tally
        return {
            "ok": not self.faults(),
            "faults": self.faults(),
            **asdict(self.size),
            "batches": tally.batches,
            "check_ins": tally.scans,
            "accepted": tally.accepted,
            "refused": dict(sorted(tally.refused.items())),
            "conflicts": tally.conflicts,
            **self.holding.summary(),
            "trace": self.outbreaks[0].summary() | {"told": len(tally.told)},
            "traces": [outbreak.summary() for outbreak in self.outbreaks],
            "evenings": [asdict(evening) for evening in self.evenings],
            "scans_by_hour": {str(hour): count for hour, count in sorted(tally.hours.items())},
            "seconds": round(self.seconds, 1),
            "rates": {
                "batches_a_second": tally.rate(tally.batches, "batches"),
                "check_ins_a_second": tally.rate(tally.scans, "doors"),
                "days_a_minute": round(60 * self.size.days / self.seconds, 1),
            },
        }


def simulate(folder: Path, size: Size, tell: Narrator) -> Ended:
    """All of it, in a new or empty folder, which is left as it is at the end. Raises `SettingsInvalid` for a folder
    that holds something, and what the services refuse with."""
    if any(folder.iterdir()):
        raise SettingsInvalid(f"The folder {folder} is not empty: choose a new one.")
    plan = Plan(size)
    tell.chapter("A town", _announced(plan))
    with raised(folder, tell, _DAWN, UNBOUNDED) as stage, ExitStack() as stack:
        with tell.step("town", "Everybody registers, every venue enrols", "a wallet a person, a scanner a gate"):
            town = stack.enter_context(settled(stage, plan))
        (outbreaks, evenings), public = _lived(town, tell), ask(town)
    ended = Ended(size, town.tally, outbreaks, evenings, look(stage, public), tell.seconds)
    _show(ended, tell)
    return ended


def _announced(plan: Plan) -> str:
    size, gates, visits = plan.size, len(plan.gates()), sum(map(len, plan.days))
    batches = size.people * size.days
    seconds = _A_START + _A_PERSON * size.people + size.days * (_A_DAY + _A_GATE * gates)
    seconds += _A_BATCH * batches + _A_SCAN * visits
    return (
        f"{size.people} people, {_many(size.venues, 'venue')} with {_many(gates, 'gate')}, {_many(size.days, 'day')} "
        f"(seed {size.seed}): {batches:,} batches of codes and {_many(visits, 'visit')}. "
        f"About {_spoken(seconds)} on two cores."
    )


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _spoken(seconds: float) -> str:
    if seconds < 100:
        return f"{round(seconds, -1):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _lived(town: Town, tell: Narrator) -> tuple[list[Outbreak], list[Evening]]:
    """Day after day; in some evenings an order."""
    size, calendar = town.plan.size, town.stage.calendar
    outbreaks: list[Outbreak] = []
    evenings: list[Evening] = []
    total = size.people * size.days + sum(map(len, town.plan.days))
    done = 0
    tell.chapter("Days", "Each morning keys, lists and batches, then the doors; at night the services keep house.")
    with Progress(tell.console, total, "batches and visits") as progress:
        for day in range(size.days):
            live(town, day)
            if day == size.days - 1:
                upload(town)
            evenings.append(measure(town.stage, town.stage.day + day))
            if day in days_of_outbreaks(town.plan):
                date = calendar.date(town.stage.day + day)
                with tell.step("outbreak", f"{date}: somebody is ill; two officers sign an order", "it is in the log"):
                    outbreaks.append(break_out(town, day))
            done += size.people + len(town.plan.days[day])
            progress.reach(done, f"day {day + 1} of {size.days}, {calendar.date(town.stage.day + day)}")
    return outbreaks, evenings


def _show(ended: Ended, tell: Narrator) -> None:
    summary, tally, holding, outbreaks = ended.summary(), ended.tally, ended.holding, ended.outbreaks
    precision, recall = min(trace.precision for trace in outbreaks), min(trace.recall for trace in outbreaks)
    found, there = (sum(map(len, people)) for people in zip(*((t.found, t.true) for t in outbreaks), strict=True))
    slowest = max(trace.seconds for trace in outbreaks)
    refused = ", ".join(f"{code} {count}" for code, count in sorted(tally.refused.items())) or "none"
    rates = summary["rates"]
    audits = ", ".join(f"{count} {result}" for result, count in holding.audits.items()) or "none yet"
    rows = [
        ("batches of codes", f"{tally.batches:,}", f"{rates['batches_a_second']} a second"),
        ("codes scanned", f"{tally.scans:,}", f"{rates['check_ins_a_second']} a second"),
        ("accepted", f"{tally.accepted:,}", ""),
        ("refused", f"{sum(tally.refused.values()):,}", refused),
        ("second uses kept, flagged", f"{tally.conflicts:,}", "queued, without a network"),
        ("days held", f"{holding.held_days}", f"{_many(holding.visits_held, 'visit')} in {holding.bytes_held:,} bytes"),
        ("days destroyed", f"{holding.destroyed_days}", f"{_many(holding.reports, 'signed report')} in the log"),
        ("contacts found", f"{found}", f"{there} were there; an order took at most {slowest:.1f} s"),
        ("told of it", f"{len(tally.told)}", "by later batches, the patient among them"),
        ("precision, recall", f"{precision:.3f}, {recall:.3f}", "against the town's own truth"),
        ("daily audits", f"{sum(holding.audits.values())}", audits),
        ("seconds", f"{ended.seconds:.0f}", f"{rates['days_a_minute']} days a minute"),
    ]
    tell.table("The town in numbers", ["what", "number", "of that"], rows)
    for fault in ended.faults():
        tell.say(f"This should not be: {fault}.")


class Progress(Bars):
    """How far long work has come: a bar with the time left in a terminal, a line now and then without one; `reach`
    says how many of `total` are done."""

    def __init__(self, console: Console, total: int, unit: str) -> None:
        """`unit`: what is counted, in the plural."""
        columns = (TextColumn("    {task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._total = max(total, 1)
        self._unit = unit
        self._begun = STOPWATCH.boot()
        self._line = 0
        self._bar = self.add_task("", total=self._total, pace="")

    def reach(self, done: int, where: str) -> None:
        """`done` units, and where that is in words."""
        self.update(self._bar, completed=done, description=where, pace=self.pace(done))
        if self.disable and done * LINES >= (self._line + 1) * self._total:
            self._line = done * LINES // self._total
            self.console.print(f"    {where}: {self.pace(done)}", soft_wrap=True)

    def pace(self, done: int) -> str:
        """`512 of 1,640 batches and scans, 41 a second, 0:28 left`."""
        spent = max(STOPWATCH.boot() - self._begun, 0.001)
        left = int(spent / max(done, 1) * (self._total - done))
        counted = f"{done:,} of {self._total:,} {self._unit}, {done / spent:.0f} a second"
        return f"{counted}, {left // 60}:{left % 60:02} left"
