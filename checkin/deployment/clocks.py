"""Whether this machine's clock may be believed, before `checkin up` and the authority's daily work destroy by it.

The services of a deployment have one clock, so none of them vouches for another's: a person does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from checkin.errors import ClockUntrusted
from checkin.purge.clock_guard import ClockGuard
from checkin.service.identity import KeyVolume
from checkin.service.time_peers import clock_guard
from checkin.service.vault_folder import CommonSettings


class Clocks:
    """What the services of these settings files think of it, in the files that they share with their own processes."""

    def __init__(self, configs: Sequence[Path]) -> None:
        self._configs = configs
        self._guards: dict[Path, ClockGuard] = {}

    def require(self, *, confirmed: bool = False) -> None:
        """Raises `ClockUntrusted` where one of them doubts, unless a person has `confirmed` the clock."""
        for config in self._configs:
            settings = CommonSettings.load(config)
            if not settings.keys.is_dir():  # it was never started
                continue
            volume = KeyVolume(settings)
            guard = self._guards.setdefault(config, clock_guard(volume))
            guard.tick()
            if confirmed:
                guard.confirm()
            elif guard.doubt:
                shown = volume.calendar.rfc3339(volume.now(), "minutes")
                raise ClockUntrusted(
                    "The services were down for more than a day, or this machine's clock jumped; nothing is destroyed "
                    f"by it. It shows {shown}: if that is right, start with `checkin up --confirm-clock`."
                )
