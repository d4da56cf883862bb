"""The registry's time at a scanner, kept between answers by the boot clock, which cannot be set. The scanner page has
the same rules in checkin/web/static/js/scanner/time.js.

A verifier suspects its own clock, too: on a machine whose time is ten minutes ahead every code has expired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import ConfigDict

from checkin.clock import Clock

JUMP_SECONDS: Final = 5.0  # two clocks of one machine drift less in the days without a registry
CUT_SECONDS: Final = 1.0  # the registry's time is cut to the second


@dataclass
class ToldTime:
    """`ahead`: seconds by which the machine's clock was ahead of the registry's at its last answer; `gap`: what lay
    between the machine's clock and its boot clock then, in the boot of `boot_id`."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")
    ahead: float = 0.0
    gap: float = 0.0
    boot_id: str = ""

    def tell(self, told: float, asked: float, clock: Clock) -> None:
        """Takes the registry's time `told`, requested at `asked` by the machine's clock. As it is not known when in
        between it looked, a clock that may be right is taken for right."""
        now = clock.now()
        self.ahead = max(0.0, asked - told - CUT_SECONDS) + min(0.0, now - told)
        self.gap, self.boot_id = now - clock.boot(), _boot_id(clock)

    def now(self, clock: Clock) -> float:
        """Unix seconds by the registry's clock, as far as they can be known here."""
        return clock.now() - self.off(clock)

    def off(self, clock: Clock) -> float:
        """By how many seconds the machine's clock is ahead."""
        jumped = clock.now() - clock.boot() - self.gap
        return self.ahead + (jumped if self.proved(clock) and abs(jumped) > JUMP_SECONDS else 0.0)

    def proved(self, clock: Clock) -> bool:
        """Whether the machine runs since the registry was heard: a restart may have set its clock."""
        return self.boot_id == _boot_id(clock)


def _boot_id(clock: Clock) -> str:
    """The id of this start of the machine; where starts cannot be told apart, none is the same as the last."""
    return clock.boot_id() or f"since {clock.now() - clock.boot():.0f}"
