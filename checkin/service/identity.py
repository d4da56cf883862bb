"""A service as a party: its clock, its calendar, its key ring, and the key it signs with."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from checkin.clock import Calendar, clock_of
from checkin.errors import CheckinError, NoteUntrusted, NotReady, SettingsInvalid, SimulationRefused
from checkin.files.durable import close_folder, create_file, hold_shared
from checkin.files.format import require_format
from checkin.keys.key_ring import KeyRing, ServiceKeys, next_master
from checkin.keys.secret_file import read_secret
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.protocol.statement import SIMULATED, StatementType, clock_value
from checkin.service.leased_ring import LeasedRing
from checkin.service.settings import ServiceSettings

MARK: Final = "deployment"
IN_USE: Final = "in-use.lock"
"""A lock beside the keys: shared by all processes that have the service's folders open, exclusive while `data` is
replaced."""
RESTORING: Final = ".restoring"
"""In `data`: what is being put back, before it takes the place of what was there."""
log = structlog.get_logger()


class KeyVolume:
    """What of a service lies on its key volume: enough to destroy keys, and to query others' time."""

    def __init__(self, settings: ServiceSettings, simulated_clock: Path | None = None, *, strict: bool = False) -> None:
        """`strict`: raises `StorageUnfit`, and makes the ring's folder. Otherwise destroying goes on where keys may not
        be made, and without the master key. Raises `NotReady` without a ring, `SettingsInvalid`, `SimulationRefused`.
        """
        self.settings = settings
        self.clock = clock_of(simulated_clock)
        self.calendar = Calendar(settings.zone)
        if not strict and not settings.keys.is_dir():
            raise NotReady(f"The key ring {settings.keys} is not there: mount its volume, or start the service once.")
        known = _check_mark(settings.keys / MARK, self.clock.simulated)
        if not (known or strict) and self.clock.simulated:
            raise SimulationRefused("Nothing here tells that this ring is a simulated one: start the service once.")
        self.ring = _open_ring(self, strict=strict)

    def now(self) -> float:
        """Unix time in seconds."""
        return self.clock.now()

    def today(self) -> int:
        """The service day."""
        return self.calendar.day(self.now())

    def date(self) -> str:
        """The same as an ISO date."""
        return self.calendar.date(self.today())

    def open(self, note: str, kind: StatementType, verifiers: Sequence[NoteVerifier]) -> dict[str, str | list[str]]:
        """The values of another party's note; raises `NoteMalformed`, or `NoteUntrusted` also for simulated time
        on a real deployment."""
        return self.read(open_note(note, verifiers).text, kind)

    def read(self, text: str, kind: StatementType) -> dict[str, str | list[str]]:
        """As `open`, of a note that was verified."""
        values = kind.read(text)
        if ("clock" in values) != self.clock.simulated:
            raise NoteUntrusted("Real and simulated time do not mix: the note was made under the other one.")
        return values


class ServiceIdentity(KeyVolume):
    """Opens a service's folders and keys, once per process."""

    def __init__(self, settings: ServiceSettings, simulated_clock: Path | None = None) -> None:
        """Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`, or `NotReady` when the data is missing."""
        self.data = settings.data
        _require_data(settings)
        if opened := close_folder(self.data):
            log.warning("made_private", files=opened)
        require_format(self.data, "data folder")
        _mark(self.data / MARK, simulated_clock is not None)
        held = self._hold(settings.keys)
        super().__init__(settings, simulated_clock, strict=True)
        if not held:
            self._hold(settings.keys)  # at the first start, which has just made the folder
        require_format(settings.keys, "key ring")
        # Beside the keys, too: without the data a simulated clock must not destroy what is real.
        with suppress(OSError):  # of an earlier version, on a full disk: then it comes later
            _mark(settings.keys / MARK, simulated_clock is not None)
        self.signer = NoteSigner(settings.name, SigningKey(read_secret(settings.statement_key)))

    def _hold(self, keys: Path) -> bool:
        """Shares the lock before the master key is read: its exchange must find that no process has it in memory. False
        on a full disk; raises `SettingsInvalid` where the lock is another user's."""
        try:
            weakref.finalize(self, os.close, hold_shared(keys / IN_USE))
        except PermissionError:
            raise SettingsInvalid(f"{keys / IN_USE} is another user's: chown it to the one of this service.") from None
        except OSError:
            return False
        return True

    def sign(self, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        """A signed note; one made under a simulated clock says so (the optional last field of its kind, `clock`)."""
        return sign_note(kind.write({**values, **clock_value(simulated=self.clock.simulated)}), self.signer)

    def signed_time(self, nonce: str) -> tuple[str, str]:
        """The time to the second (RFC 3339), and a note that states it together with the caller's nonce."""
        stamp = self.calendar.rfc3339(self.now())
        return stamp, self.sign(TIME_STATEMENT, {"service": self.settings.name, "nonce": nonce, "time": stamp})


def _open_ring(volume: KeyVolume, *, strict: bool) -> ServiceKeys:
    settings = volume.settings
    if settings.ring is not None:
        return LeasedRing(settings, settings.ring, volume.clock, volume.calendar)
    unfit = settings.allow_unfit_storage or not strict
    return KeyRing(settings.keys, _master(settings.master_key, strict=strict), allow_unfit=unfit)


def _master(path: Path | None, *, strict: bool) -> bytes | None:
    try:
        if strict and path is not None and next_master(path).exists():
            raise SettingsInvalid(f"The change of {path.name} was stopped on the way: run checkin change-master again.")
        return None if path is None else read_secret(path)
    except CheckinError:
        if strict:
            raise
        return None


def _require_data(settings: ServiceSettings) -> None:
    """Raises `NotReady` where a service with keys has no data: an empty folder is a volume that was not mounted."""
    if not (settings.data / MARK).exists() and (settings.data / RESTORING).exists():
        raise NotReady(f"Putting a backup back into {settings.data} was stopped on the way: run checkin restore again.")
    if not (settings.data / MARK).exists() and any(settings.keys.glob("*.slot")):
        raise NotReady(
            f"There are keys in {settings.keys} and no data in {settings.data}: mount its volume. If the data is lost "
            f"for good, make the file {settings.data / MARK} with the word real in it, and start again."
        )


def _check_mark(path: Path, simulated: bool) -> bool:
    """Whether the folder says which clock it was started with; raises `SimulationRefused` for the other one."""
    wanted = SIMULATED if simulated else "real"
    try:
        known = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return False
    if known != wanted:
        raise SimulationRefused(
            "This folder was started with a simulated clock: give --simulated-clock again, or use another folder."
            if not simulated
            else "This folder belongs to a real deployment: a simulated clock is refused here."
        )
    return True


def _mark(path: Path, simulated: bool) -> None:
    """A folder is real or simulated from its first start on."""
    if not _check_mark(path, simulated):
        # Whole at once: another worker may start at this moment.
        create_file(path, f"{SIMULATED if simulated else 'real'}\n".encode())
        _check_mark(path, simulated)
