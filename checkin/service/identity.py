"""A service as a party: its clock, its calendar, its key ring, and the key it signs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from checkin.clock import Calendar, Clock, SimulatedClock, SystemClock
from checkin.errors import NoteUntrusted, SimulationRefused
from checkin.files.durable import close_folder, create_file
from checkin.keys.key_ring import KeyRing
from checkin.keys.secret_file import read_secret
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.statement import StatementType
from checkin.service.settings import ServiceSettings

SIMULATED = "simulated"
log = structlog.get_logger()


class ServiceIdentity:
    """Opens a service's folders and keys, once per process."""

    def __init__(self, settings: ServiceSettings, simulated_clock: Path | None = None) -> None:
        """Raises `SettingsInvalid`, `StorageUnfit`, or `SimulationRefused`."""
        self.settings = settings
        self.clock: Clock = SimulatedClock(simulated_clock) if simulated_clock else SystemClock()
        self.calendar = Calendar(settings.zone)
        self.data = settings.data
        if opened := close_folder(self.data):
            log.warning("made_private", files=opened)
        _mark(self.data / "deployment", self.clock.simulated)
        self.ring = KeyRing(settings.keys, read_secret(settings.master_key), allow_unfit=settings.allow_unfit_storage)
        self.signer = NoteSigner(settings.name, SigningKey(read_secret(settings.statement_key)))

    def now(self) -> float:
        """Unix time in seconds."""
        return self.clock.now()

    def today(self) -> int:
        """The service day."""
        return self.calendar.day(self.now())

    def sign(self, kind: StatementType, values: Mapping[str, str | Sequence[str]]) -> str:
        """A signed note; one made under a simulated clock says so (its kind ends with the optional field `clock`)."""
        return sign_note(kind.write({**values, **({"clock": SIMULATED} if self.clock.simulated else {})}), self.signer)

    def open(
        self, note: str, kind: StatementType, verifiers: Sequence[NoteVerifier], threshold: int = 1
    ) -> dict[str, str | list[str]]:
        """The values of another party's note; raises `NoteMalformed`, or `NoteUntrusted` also for simulated time
        on a real deployment."""
        values = kind.read(open_note(note, verifiers, threshold).text)
        if (values.get("clock") == SIMULATED) != self.clock.simulated:
            raise NoteUntrusted("Real and simulated time do not mix: the note was made under the other one.")
        return values


def _mark(path: Path, simulated: bool) -> None:
    """A folder is real or simulated from its first start on."""
    wanted = SIMULATED if simulated else "real"
    if not path.exists():
        create_file(path, f"{wanted}\n".encode())  # whole at once: another worker may start at this moment
    if path.read_text(encoding="ascii").strip() != wanted:
        raise SimulationRefused(
            "This folder was started with a simulated clock: give --simulated-clock again, or use another folder."
            if not simulated
            else "This folder belongs to a real deployment: a simulated clock is refused here."
        )
