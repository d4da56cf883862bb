"""The health authority's folder: officers, ring, and what was listed (docs/spec/keys.md §4).

officers.txt      the officers, and how many of them sign: pinned by all other parties
authority.txt     name, time zone, public half of the ring key
officers/1, 2, …  one folder an officer, to be carried away
ring/             day keys in slots: never backed up
listed.txt        every key of a day not yet due that was ever put on a list
destroyed.txt     which keys were destroyed since the officers last stated it: for them to sign
checked.txt       that listed keys are the ring's own, as officers stated it last: for the log
logged/           lists and statements that are in the public log, by their number, and the proofs
tick.txt          the latest day on which keys were destroyed or looked through
former/           officers.txt of former officers
renewal/          what takes the place of officers and ring, while that is under way (renewal.py)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from checkin.clock import Calendar
from checkin.errors import (
    KeyDestroyed,
    KeyMissing,
    NoteMalformed,
    NoteUntrusted,
    SealBroken,
    SettingsInvalid,
    SimulationRefused,
)
from checkin.files.durable import close_folder, locked, private_folder, replace_file
from checkin.files.format import require_format
from checkin.keys.authority_ring import AuthorityRing
from checkin.keys.file_system import check_storage
from checkin.keys.officer_folder import appoint
from checkin.keys.officers import Officers, RingKeys, check_appointment
from checkin.parties.authority import AHEAD_DAYS, Authority, Logged
from checkin.protocol.key_list import AuthorityKey, AuthorityList, DestroyedKey, DestroyedList
from checkin.protocol.note import Opened

DESTROYED_FILE: Final = "destroyed.txt"
CHECKED_FILE: Final = "checked.txt"
LOGGED_FOLDER: Final = "logged"
RENEWAL: Final = "renewal"
FORMER: Final = "former"


@dataclass(frozen=True)
class AuthorityFolder(Authority):
    """An opened folder, and the authority to which it belongs."""

    folder: Path
    ring: AuthorityRing

    @classmethod
    def init(  # noqa: PLR0913 - one argument for each thing that is decided once and for all
        cls,
        folder: Path,
        name: str,
        *,
        officers: int,
        threshold: int,
        now: float,
        zone: str = "Asia/Seoul",
        simulated: bool = False,
        allow_unfit: bool = False,
    ) -> Self:
        """A new authority in a new or empty folder. Its ring key is shared out here and then forgotten.

        Raises `SettingsInvalid` for a name, numbers or a zone that cannot be and a folder that holds something, and
        `StorageUnfit`; then nothing was made.
        """
        calendar = Calendar(zone)
        check_appointment(name, officers, threshold)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SettingsInvalid("The authority's folder is not empty: choose a new one.")
        private_folder(folder)
        if not allow_unfit:
            check_storage(folder)
        appointed, ring_key = appoint(folder / "officers", name, officers, threshold)
        ring = AuthorityRing(folder / "ring", ring_key.public, allow_unfit=allow_unfit)
        self = cls(appointed, calendar, RingKeys.of(name, ring_key), simulated, folder, ring)
        self._tick(calendar.day(now))
        replace_file(folder / "officers.txt", appointed.text().encode())
        require_format(folder, "authority")
        replace_file(folder / "authority.txt", self.text().encode())  # last: a folder without it was not finished
        return self

    @classmethod
    def open(
        cls, folder: Path, *, simulated: bool = False, allow_unfit: bool = False, taking_over: bool = False
    ) -> Self:
        """The authority in this folder, `taking_over`: also while other officers are taking over, as for destroying.
        Raises `SettingsInvalid`, `SimulationRefused`, `StorageUnfit`."""
        known = read_authority(folder)
        if (folder / RENEWAL).exists() and not taking_over:
            raise SettingsInvalid("Other officers are taking over: repeat `checkin authority renew`, which goes on.")
        close_folder(folder)
        require_format(folder, "authority")
        if simulated != known.simulated:
            raise SimulationRefused
        ring = AuthorityRing(folder / "ring", known.ring_keys.public, allow_unfit=allow_unfit)
        return cls(**vars(known), folder=folder, ring=ring)

    def adopt_list_key(self, shares: Iterable[str]) -> Self:
        """With the list key that follows from the ring key, written into the folder if it is not there. Raises
        `SharesInvalid`."""
        adopted = replace(self, ring_keys=RingKeys.of(self.ring_keys.authority, self.ring.unlock(shares)))
        if self.ring_keys != adopted.ring_keys:
            with self.alone():
                replace_file(self.folder / "authority.txt", adopted.text().encode())
        return adopted

    def make_keys(self, now: float, ahead: int = AHEAD_DAYS) -> list[int]:
        """Make what is missing for today and `ahead` days more; the days made. Needs no officer.

        A day once listed never gets another key: when its slot is lost it stays on the list (see `lost_days`). Raises
        `SettingsInvalid` where the ring was exchanged since the folder was opened.
        """
        with self.alone():
            taken, last = {*self.ring.days(), *self.ring.tombstones(), *self.listed()}, self._last_tick()
            days = self.missing(now, last, taken, ahead)
            for day in days:
                self.ring.make(day, oldest=self.oldest(now, last))
        return days

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from making keys, or exchanging the ring, meanwhile. Raises `SettingsInvalid` where it
        was exchanged since the folder was opened."""
        with locked(self.folder / "ring.lock"):
            if read_authority(self.folder).ring_keys != self.ring_keys:
                raise SettingsInvalid("Other officers have taken over meanwhile: repeat the command.")
            yield

    def open_note(self, note: str) -> Opened:
        """What enough officers signed, those of now or, together, those of one time before; raises `NoteMalformed`,
        `NoteUntrusted`. For what stands already."""
        for path in sorted((self.folder / FORMER).glob("*.txt")):
            with suppress(NoteUntrusted, NoteMalformed):  # a damaged file of former officers spoils nobody's note
                return Officers.read(_text(path)).open(note)
        return self.officers.open(note)

    def lost_days(self) -> list[int]:
        """Days that were listed and have neither slot nor tombstone: what is sealed to them stays sealed."""
        return sorted(self.listed().keys() - {*self.ring.days(), *self.ring.tombstones()})

    def list_keys(self, now: float) -> AuthorityList:
        """Every key not yet due, ready for the officers; remembered, because the first list for a day is final.
        Raises as `key_list`."""
        first = self.oldest(now, self._last_tick())
        live = sorted(set(self.ring.days()) - set(self.ring.tombstones()))
        key_list = self.key_list(self.listed(), {day: self.ring.key(day) for day in live if day >= first}, first)
        replace_file(self.folder / "listed.txt", key_list.text().encode())
        return key_list

    def destroy_due(self, now: float, *, confirm_clock: bool = False) -> list[dict[str, str | int]]:
        """Destroy every key once its day + 28 has begun; the tombstones, also of a run that a crash cut short.

        Raises `ClockUntrusted`, before anything is touched, as `look`.
        """
        last = self.look(now, self._last_tick(), confirmed=confirm_clock)
        self._tick(last)
        entombed, first = set(self.ring.tombstones()), self.oldest(now, last)
        return [self._destroy(day, now) for day in self.ring.days() if day < first or day in entombed]

    def state_destroyed(self) -> DestroyedList | None:
        """What officers are to state, as `destroyed_list`. Raises `SettingsInvalid` for a tombstone of another form.

        Left in `destroyed.txt`; signatures that are there stay as long as the text does.
        """
        stated = self.destroyed_list(self.destroyed(), self.logged())
        path = self.folder / DESTROYED_FILE
        if stated is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or not path.read_text(encoding="utf-8").startswith(stated.text() + "\n"):
            replace_file(path, stated.text().encode())
        return stated

    def destroyed(self) -> dict[int, DestroyedKey]:
        """Every key with a tombstone and no slot, oldest first; `SettingsInvalid` for a tombstone of another form."""
        gone = sorted(set(self.ring.tombstones()) - set(self.ring.days()))
        return {day: self.ended(day, self.ring.tombstone(day) or {}) for day in gone}

    def keep_logged(self, index: int, note: str, proof: str) -> None:
        """Keeps a list or statement that is in the log as entry `index`, and the proof of it."""
        folder = self.folder / LOGGED_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / f"{index}.proof", proof.encode())
        replace_file(folder / f"{index}.txt", note.encode())

    def logged(self) -> Logged:
        """What was put into the log, and kept here."""
        paths = {int(path.stem): path for path in (self.folder / LOGGED_FOLDER).glob("*.txt") if path.stem.isdecimal()}
        return Logged(
            {index: (_text(paths[index]), _text(paths[index].with_suffix(".proof"))) for index in sorted(paths)}
        )

    def check_ring(self, keys: Mapping[int, AuthorityKey], shares: Iterable[str]) -> None:
        """Opens the slot of each of these days with the shares and compares: raises `ListRefused` for a key that is not
        the ring's own, or that the ring no longer has, and `SharesInvalid`."""
        ring, own = self.ring.unlock(shares), dict[int, AuthorityKey]()
        for day in keys:
            try:
                own[day] = replace(self.ring.key(day), public=self.ring.open_day(day, ring).public)
            except (KeyMissing, KeyDestroyed, SealBroken):
                if logged := self.logged().keys_by_day().get(day):  # lost since officers listed it: nothing opens it
                    own[day] = logged
        self.require_own(keys, own)

    def _destroy(self, day: int, now: float) -> dict[str, str | int]:
        record = self.ring.tombstone(day)
        if record is None:
            record = self.tombstone(day, self.ring.key(day), now)
        self.ring.destroy(day, record)
        return record

    def listed(self) -> dict[int, AuthorityKey]:
        """Every key of a day not yet due that was ever put on a list; raises `NoteMalformed` for another form."""
        try:
            text = (self.folder / "listed.txt").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return dict(AuthorityList.read(text).keys)

    def _last_tick(self) -> int:
        try:
            return self.calendar.parse_date((self.folder / "tick.txt").read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            raise SettingsInvalid("The authority's tick.txt does not hold a date.") from None

    def _tick(self, day: int) -> None:
        replace_file(self.folder / "tick.txt", (self.calendar.date(day) + "\n").encode())


def read_authority(folder: Path) -> Authority:
    """The authority of a folder that is not opened; raises `SettingsInvalid`."""
    try:
        officers = Officers.read((folder / "officers.txt").read_text(encoding="utf-8"))
        return Authority.read((folder / "authority.txt").read_text(encoding="utf-8"), officers)
    except (OSError, ValueError, NoteMalformed):
        raise SettingsInvalid("The authority's folder is not complete: run `checkin authority init`.") from None


def _text(path: Path) -> str:
    """A file of the folder; raises `SettingsInvalid`."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"The file {path.parent.name}/{path.name} of the authority cannot be read.") from None
