"""Rules of a conformance page, one function each: a rule passes when it returns, and is broken by what it raises."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from checkin.conformance.counterpart import NOON
from checkin.conformance.peer import Broken, Program, Reply, Time
from checkin.errors import CheckinError

KEPT: Final = "kept"
BROKEN: Final = "broken"


class RuleStage:
    """What a rule finds: a program that was just started in an empty folder, and its other side; `ahead`: by how many
    seconds the program's clock is."""

    def __init__(self, peer: Program) -> None:
        self.peer = peer
        self.ahead = 0.0

    @property
    def now(self) -> float:
        """By the other side's clock."""
        return self.peer.time.now - self.ahead

    def set_ahead(self, seconds: float) -> None:
        """The program's clock is set by so much."""
        self.ahead += seconds
        self.peer.time.now += seconds

    def state(self, member: str) -> int:
        return int(reading("the state", lambda: self.peer.tell("state").told[member]))


S = TypeVar("S", bound=RuleStage)
T = TypeVar("T")


@dataclass(frozen=True)
class RuleVerdict:
    """What came of a rule: its `section` of the page, what it `says`; `why` is empty for one that was kept."""

    section: str
    says: str
    result: str
    why: str


class Rules(Generic[S]):
    """A page's rules in their order; calling it with section and sentence adds the function below."""

    def __init__(self, page: str, make_stage: Callable[[Program], S]) -> None:
        self.page = page
        self._make_stage = make_stage
        self.rules: list[tuple[str, str, Callable[[S], None]]] = []

    def __call__(self, section: str, says: str) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
        def add(judge: Callable[[S], None]) -> Callable[[S], None]:
            self.rules.append((f"{self.page} §{section}", says, judge))
            return judge

        return add

    def judged(self, command: str, only: Collection[str] = ()) -> Iterator[RuleVerdict]:
        """Every rule's verdict, each on a program that was just started; `only` those of the named sections."""
        for section, says, judge in self.rules:
            if only and section not in only:
                continue
            result, why = KEPT, ""
            with tempfile.TemporaryDirectory(prefix="checkin-conformance-", ignore_cleanup_errors=True) as folder:
                peer = Program(command, Path(folder), Time(NOON))
                try:
                    judge(self._make_stage(peer))
                except Broken as broken:
                    result, why = BROKEN, str(broken)
                finally:
                    peer.restart()
            yield RuleVerdict(section, says, result, why)


def done(outcome: Reply, what: str) -> dict[str, Any]:
    """What the program answered; `Broken` if it refused."""
    if outcome.refused is not None:
        raise Broken(f"{what}: refused with {outcome.refused!r}")
    return outcome.told


def refused(outcome: Reply, what: str, *codes: str) -> None:
    """`Broken` unless it was refused with one of these codes."""
    if outcome.refused is None:
        raise Broken(f"{what}: was not refused")
    if outcome.refused not in codes:
        raise Broken(f"{what}: refused with {outcome.refused!r} in place of {' or '.join(codes)}")


def require(holds: object, why: str) -> None:
    if not holds:
        raise Broken(why)


def reading(what: str, read: Callable[..., T], *of: Any) -> T:
    """What is read of what the program said; `Broken` where it is not what it should be."""
    try:
        return read(*of)
    except (CheckinError, ValueError, KeyError, TypeError, IndexError):
        raise Broken(f"{what} is not what the page says") from None
