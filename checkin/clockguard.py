"""Whether the clock may be believed, before anything is destroyed because of it (docs/spec/days.md §3).

A wrong clock destroys too early or keeps too long, so the wall clock is held against the boot clock, which no
setting moves, and after a long silence against another party's signed time. In doubt nothing is destroyed.

The state is one small file that all worker processes of a service share: a doubt is everybody's at once, and so
is its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from checkin.clock import Calendar, Clock
from checkin.durable import locked, replace_file
from checkin.errors import ClockUntrusted

TOLERANCE_SECONDS: Final = 3600.0
LONGEST_SILENCE_SECONDS: Final = 86400.0
STEP_SECONDS: Final = 60.0
"""A smaller step is not worth a question to the peers."""
ASK_AGAIN_SECONDS: Final = 3600.0
JUMPED: Final = "clock_jumped"
WENT_BACK: Final = "clock_went_back"
LONG_GAP: Final = "long_gap"
STATE_LOST: Final = "state_lost"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CONFIRM: Final = "Compare the clock, then run `checkin purge run --confirm-clock`; until then nothing is destroyed."
_SENTENCES: Final = {
    JUMPED: "The wall clock moved by more than an hour against the boot clock.",
    WENT_BACK: "The clock is more than an hour behind a time that it showed before.",
    LONG_GAP: "The service was down for more than a day, or the clock jumped, and no pinned party confirms the time.",
    STATE_LOST: "The file with the last known time cannot be read.",
}


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
    doubt: str = ""
    """Why the clock is not believed, empty if it is."""


class ClockGuard:
    """One per process; `tick` at start and about every 20 seconds."""

    def __init__(self, path: Path, clock: Clock, ask_peers: Callable[[], Iterable[float]]) -> None:
        """`path`: the shared state; `ask_peers` gives verified times of other parties, unix seconds."""
        self._path = path
        self._clock = clock
        self._ask_peers = ask_peers
        self._state = ClockState()
        self._state = self._read() or self._state
        self._running = False
        self._asked: float | None = None  # boot seconds at which the peers were asked without a doubt

    def tick(self) -> None:
        """Looks at the clock and records it durably. In doubt, asks the peers, and drops the doubt if one agrees."""
        with self._locked():
            known = self._read()
            state = self._judged(known)
            self._write(state)
        new_boot = known is not None and known.boot_id != state.boot_id
        if state.doubt or self._wants_a_witness(state, new_boot=new_boot):
            vouched = self._vouched()
            if vouched is not None:
                self._trust(vouched)

    def confirm(self) -> None:
        """A person compared the clock: every process of the service believes it again."""
        self._trust(self._clock.now())

    @property
    def doubt(self) -> str | None:
        """A sentence for /readyz that tells what to do, or None."""
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

    def floor(self, calendar: Calendar) -> int:
        """The oldest day that may be read or made, also in doubt."""
        return calendar.oldest(self.now())

    def settled(self) -> float:
        """The time to destroy by: the wall clock, but no further than the boot clock says that time has passed.

        So a step forward within the tolerance destroys nothing early.
        """
        state = self._state
        return min(self._clock.now(), state.wall + (self._clock.boot() - state.boot))

    def _judged(self, known: ClockState | None) -> ClockState:
        """The state after this look. `known` is None at the very first start of a service."""
        now, boot, boot_id = self._clock.now(), self._clock.boot(), self._boot_id()
        if known is None:
            return ClockState(now, now, now, boot, boot_id)
        same_boot = known.boot_id == boot_id and boot >= known.boot
        doubt = known.doubt or self._new_doubt(known, now, boot, same_boot=same_boot)
        if doubt:
            return replace(known, doubt=doubt)
        state = replace(known, high_water=max(known.high_water, now), tick=now)
        if not same_boot:
            return replace(state, wall=now - known.behind, boot=boot, boot_id=boot_id)
        return replace(state, behind=max(0.0, (now - known.wall) - (boot - known.boot)))

    def _new_doubt(self, known: ClockState, now: float, boot: float, *, same_boot: bool) -> str:
        # SPEC days.md §3: "a jump of more than an hour"
        if same_boot and abs((now - known.wall) - (boot - known.boot)) > TOLERANCE_SECONDS:
            return JUMPED
        if now < known.high_water - TOLERANCE_SECONDS:
            return WENT_BACK
        # SPEC days.md §3: "a gap of more than a day"
        if not self._running and now - known.tick > LONGEST_SILENCE_SECONDS:
            return LONG_GAP
        return ""

    def _wants_a_witness(self, state: ClockState, *, new_boot: bool) -> bool:
        """Whether a peer could say that a step of the clock was right, or that a new start's clock is; hourly."""
        boot = self._clock.boot()
        if not new_boot and state.behind < STEP_SECONDS:
            return False
        if not new_boot and self._asked is not None and 0 <= boot - self._asked < ASK_AGAIN_SECONDS:
            return False
        self._asked = boot
        return True

    def _vouched(self) -> float | None:
        """The time of the first peer that agrees with us within the tolerance."""
        agreed = (time for time in self._ask_peers() if abs(time - self._clock.now()) <= TOLERANCE_SECONDS)
        return next(agreed, None)

    def _trust(self, vouched: float) -> None:
        """Of two times that agree the earlier one is destroyed by."""
        with self._locked():
            now, known = self._clock.now(), self._read() or ClockState()
            wall = min(now, vouched)
            self._write(
                ClockState(max(known.high_water, now), now, wall, self._clock.boot(), self._boot_id(), now - wall)
            )

    def _boot_id(self) -> str:
        """Tells one start of the machine from another; a simulated machine shows it by its boot clock alone."""
        try:
            return "simulated" if self._clock.simulated else _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return "unknown"

    def _read(self) -> ClockState | None:
        try:
            return ClockState(**json.loads(self._path.read_text(encoding="ascii")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return ClockState(self._state.high_water, doubt=STATE_LOST)

    def _write(self, state: ClockState) -> None:
        replace_file(self._path, json.dumps(asdict(state)).encode())
        self._state = state
        self._running = True

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._path.with_name(self._path.name + ".lock"))
