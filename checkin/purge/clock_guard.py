"""Whether the clock may be believed, before anything is destroyed because of it (docs/spec/days.md §3).

A wrong clock destroys too early or keeps too long, so the wall clock is held against the boot clock, which no
setting moves, and after a long silence against another party's signed time. In doubt nothing is destroyed.

The state is one small file that all worker processes of a service share: a doubt holds for all at once, and so does
its end. It lies beside the keys, the one volume that destroying needs, and is overwritten in place, which takes no
free space. Where it cannot be written at all, each process goes by what it knows, and doubts the more after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from checkin.clock import Calendar, Clock
from checkin.errors import ClockUntrusted
from checkin.files.durable import locked_if_possible, overwrite_file

TOLERANCE_SECONDS: Final = 3600.0
LONGEST_SILENCE_SECONDS: Final = 86400.0
STEP_SECONDS: Final = 60.0
"""A smaller step is not worth a question to the peers."""
ASK_AGAIN_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""After a start of the machine, until a peer has answered."""
JUMPED: Final = "clock_jumped"
WENT_BACK: Final = "clock_went_back"
LONG_GAP: Final = "long_gap"
GAPS_ADD_UP: Final = "gaps_add_up"
CONTRADICTED: Final = "contradicted"
STATE_LOST: Final = "state_lost"
APART: Final = "apart"
_CONFIRM: Final = "Compare the clock, then run `checkin purge run --confirm-clock`; until then nothing is destroyed."
_SENTENCES: Final = {
    JUMPED: "The wall clock moved by more than an hour against the boot clock.",
    WENT_BACK: "The clock is more than an hour behind a time that it showed since it was last vouched for.",
    LONG_GAP: "The service was down for more than a day, or the clock jumped, and no pinned party confirms the time.",
    GAPS_ADD_UP: "The machine was off for more than a day in all since anybody vouched for its clock.",
    CONTRADICTED: "Since the machine's start all pinned parties that answered show a time more than an hour from ours.",
    STATE_LOST: "The file with the last known time cannot be read.",
    APART: "The database's clock is more than an hour from ours, and nobody has vouched for ours since a start.",
}


log = structlog.get_logger()


@dataclass(frozen=True)
class ClockState:
    """What survives a restart: unix and boot seconds, `boot_id` of the boot they were read in."""

    high_water: float = 0.0
    """The latest time that was trusted; never goes back."""
    tick: float = 0.0
    """When a worker last looked, by a trusted clock."""
    wall: float = 0.0
    """The moment at which the wall clock was last vouched for …"""
    boot: float = 0.0
    """… and what the boot clock showed then."""
    boot_id: str = ""
    behind: float = 0.0
    """How many seconds the boot clock held destroying back at the last look; kept over a restart of the machine."""
    off: float = 0.0
    """For how many seconds in all the machine was off, as the wall clock has it, since the clock was vouched for."""
    shown: float = 0.0
    """The latest time that was trusted since the clock was vouched for; 0 in a file of an earlier version."""
    restarted: bool = False
    """Whether the machine has started since the clock was vouched for: no peer has answered yet."""
    doubt: str = ""
    """Why the clock is not believed, empty if it is."""


class ClockGuard:
    """One per process; `tick` at start and about every 20 seconds."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        ask_peers: Callable[[], Iterable[float]],
        *,
        former: Path | None = None,
        began: Callable[[], bool] = lambda: False,
    ) -> None:
        """`path`: the shared state; `ask_peers` gives verified times of other parties, unix seconds; `former`: where
        earlier versions kept the state; `began` says whether this is no first start, though there is no state."""
        self._path, self._lock = path, path.with_name(path.name + ".lock")
        self._former = former
        self._began = began
        self._unsaved: ClockState | None = None
        self._clock = clock
        self._ask_peers = ask_peers
        self._state = ClockState()
        self._state = self._read() or self._state
        self._running = False
        self._oldest = 0
        self._apart = False
        self._asked: float | None = None  # boot seconds at which the peers were queried without a doubt

    def tick(self) -> None:
        """Reads the clock and records it durably. In doubt, queries the peers, and drops the doubt if one agrees."""
        with locked_if_possible(self._lock):
            state = self._judged(self._read())
            self._write(state)
        if state.doubt or self._wants_a_witness(state):
            self._ask()

    def confirm(self) -> None:
        """A person compared the clock: every process of the service believes it again."""
        self._trust(self._clock.now())

    @property
    def doubt(self) -> str | None:
        """A sentence for /readyz that says what to do, or None."""
        state = self._read()
        if state and state.doubt == STATE_LOST:  # perhaps it was read while another process wrote it
            with locked_if_possible(self._lock):
                state = self._read()
        return f"{_SENTENCES.get(state.doubt, state.doubt)} {_CONFIRM}" if state and state.doubt else None

    def require_trusted(self) -> None:
        """Raises `ClockUntrusted` while there is a doubt."""
        if not self._running:
            self.tick()
        if doubt := self.doubt:
            raise ClockUntrusted(doubt)

    def now(self) -> float:
        """Unix seconds that never go back: a clock set back revives nothing."""
        return max(self._clock.now(), self._state.high_water)

    def today(self, calendar: Calendar) -> int:
        """The service day by `now`."""
        return calendar.day(self.now())

    def floor(self, calendar: Calendar) -> int:
        """The oldest day that may be read or made, also in doubt."""
        return max(calendar.oldest(self.now()), self._oldest)

    def raise_floor(self, day: int) -> None:
        """Another machine has destroyed what is older than this day: no clock of ours revives it."""
        self._oldest = max(self._oldest, day)

    def hold_against(self, time: float) -> None:
        """Compares our clock with `time`, the database's, which is not pinned: it vouches for nothing, but where it is
        more than an hour from ours this raises `ClockUntrusted`, and ours is in doubt if no peer has vouched for it
        since the machine's start, or since the first one over days that other machines have destroyed."""
        self._apart = not self._clock.simulated and abs(time - self._clock.now()) > TOLERANCE_SECONDS
        if self._apart:
            if not self._running:
                self.tick()
            self._contradict(APART)
            raise ClockUntrusted("The database's clock is more than an hour from this machine's: compare both.")

    def settled(self) -> float:
        """The time to destroy by: the wall clock, but no further than the boot clock says that time has passed.

        So a step forward within the tolerance destroys nothing early.
        """
        state = self._state
        return min(self._clock.now(), state.wall + (self._clock.boot() - state.boot))

    def _judged(self, known: ClockState | None) -> ClockState:
        """The state after this look. `known` is None at the very first start of a service."""
        now, boot, boot_id = self._clock.now(), self._clock.boot(), self._clock.boot_id()
        if known is None:
            if self._oldest and self._apart:  # no such time is remembered as one that was reached
                return ClockState(doubt=APART)
            return ClockState(now, now, now, boot, boot_id, shown=now, restarted=self._oldest > 0)
        # The only detection of a start of the machine: some machines, and simulated ones, show it by `boot` alone.
        restarted = known.boot_id != boot_id or boot < known.boot
        off = known.off + (max(0.0, now - known.tick - boot) if restarted else 0.0)
        doubt = known.doubt or self._new_doubt(known, now, off, drift=None if restarted else _drift(known, now, boot))
        if doubt:
            return replace(known, doubt=doubt)
        state = replace(known, high_water=max(known.high_water, now), shown=max(known.shown, now), tick=now)
        if restarted:
            return replace(state, wall=now - known.behind, boot=boot, boot_id=boot_id, off=off, restarted=True)
        return replace(state, behind=max(0.0, _drift(known, now, boot)))

    def _new_doubt(self, known: ClockState, now: float, off: float, *, drift: float | None) -> str:
        """`drift`: by how much wall clock and boot clock moved apart, None after a start of the machine."""
        # SPEC days.md §3: "a jump of more than an hour"
        if drift is not None and abs(drift) > TOLERANCE_SECONDS:
            return JUMPED
        if now < (known.shown or known.high_water) - TOLERANCE_SECONDS:
            return WENT_BACK
        # SPEC days.md §3: "a gap of more than a day"
        if not self._running and now - known.tick > LONGEST_SILENCE_SECONDS:
            return LONG_GAP
        # SPEC days.md §3: "off for more than a day in all"
        return GAPS_ADD_UP if off > LONGEST_SILENCE_SECONDS else ""

    def _wants_a_witness(self, state: ClockState) -> bool:
        """Whether to query the peers: about a step of the clock (hourly), or about the clock of a machine that has
        started (each minute until one answers)."""
        if not state.restarted and state.behind < STEP_SECONDS:
            return False
        boot, pause = self._clock.boot(), RETRY_SECONDS if state.restarted else ASK_AGAIN_SECONDS
        if self._asked is not None and 0 <= boot - self._asked < pause:
            return False
        self._asked = boot
        return True

    def _ask(self) -> None:
        """Believe the first peer that agrees with us within the tolerance. If all that answer contradict the clock of
        a machine that has started, it is in doubt."""
        answered = False
        for time in self._ask_peers():
            if abs(time - self._clock.now()) <= TOLERANCE_SECONDS:
                self._trust(time)
                return
            answered = True
        if answered:
            self._contradict(CONTRADICTED)

    def _contradict(self, doubt: str) -> None:
        with locked_if_possible(self._lock):
            known = self._read()
            # SPEC days.md §3: "Since a start of the machine every pinned party that answered"
            if known and known.restarted and not known.doubt:
                self._write(replace(known, doubt=doubt))

    def _trust(self, vouched: float) -> None:
        """Ends the doubt. Of two times that agree, destruction goes by the earlier one."""
        with locked_if_possible(self._lock):
            now, known = self._clock.now(), self._read() or ClockState()
            wall, high_water = min(now, vouched), max(known.high_water, now)
            boot, boot_id = self._clock.boot(), self._clock.boot_id()
            self._write(ClockState(high_water, now, wall, boot, boot_id, behind=now - wall, shown=now))

    def _read(self) -> ClockState | None:
        known = self._load()
        if self._unsaved is None:
            return known
        return replace(self._unsaved, doubt=(known.doubt if known else "") or self._unsaved.doubt)

    def _load(self) -> ClockState | None:
        """What the file says; None at the very first start of a service."""
        try:
            for path in (self._path, self._former):
                with suppress(FileNotFoundError, NotADirectoryError):
                    if path is not None:
                        return ClockState(**json.loads(path.read_text(encoding="ascii")))
            if not self._began():
                return None
        except (OSError, ValueError, TypeError):
            pass
        return ClockState(self._state.high_water, doubt=STATE_LOST)

    def _write(self, state: ClockState) -> None:
        try:
            overwrite_file(self._path, json.dumps(asdict(state)).encode())
        except OSError as error:
            if self._unsaved is None:
                log.error("clock_state_not_written", file=str(self._path), why=error.strerror)
            self._unsaved = state
        else:
            self._unsaved = None
            if self._former is not None:
                with suppress(OSError):
                    self._former.unlink(missing_ok=True)
        self._state = state
        self._running = True


def _drift(known: ClockState, now: float, boot: float) -> float:
    """By how many seconds the wall clock is ahead of the boot clock, both counted since the clock was vouched for."""
    return (now - known.wall) - (boot - known.boot)
