"""The health authority's folder: officers, ring, and what was listed (docs/spec/keys.md §4).

officers.txt      who signs, and how many of them: pinned by everyone else
authority.txt     name, time zone, public half of the ring key
officers/1, 2, …  one folder an officer, to be carried away
ring/             day keys in slots: never backed up
listed.txt        every key of a day not yet due that was ever put on a list
destroyed.txt     which keys were destroyed since the officers last stated it: for them to sign
logged/           lists and statements that are in the public log, by their number, and the proofs
tick.txt          the latest day on which keys were destroyed or looked through
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from checkin.clock import RETENTION_DAYS, Calendar
from checkin.errors import (
    ClockUntrusted,
    KeyDestroyed,
    KeyMissing,
    ListRefused,
    NoteMalformed,
    SealBroken,
    SettingsInvalid,
    SimulationRefused,
)
from checkin.files.durable import close_folder, private_folder, replace_file
from checkin.files.format import require_format
from checkin.keys.authority_ring import AuthorityRing
from checkin.keys.file_system import check_storage
from checkin.keys.officer_folder import appoint
from checkin.keys.officers import Officers, RingKeys, check_wish, list_signer
from checkin.protocol.encoding import b64_decode, b64_encode
from checkin.protocol.key_list import (
    AUTHORITY_CHECKED,
    AUTHORITY_DESTROYED,
    AUTHORITY_KEYS,
    AuthorityKey,
    AuthorityList,
    CheckedList,
    DestroyedKey,
    DestroyedList,
    merge,
)
from checkin.protocol.note import unverified_text
from checkin.protocol.primitives import OpeningKey, check_sealing_key
from checkin.protocol.statement import CLOCK, Field, StatementType, clock_value, kind_of, one

AHEAD_DAYS: Final = 14
MAX_STATED: Final = 64  # days in one statement: what officers can read, and the log takes
DESTROYED_FILE: Final = "destroyed.txt"
CHECKED_FILE: Final = "checked.txt"
LOGGED_FOLDER: Final = "logged"
AUTHORITY: Final = StatementType(
    "checkin/authority/v1",
    Field("authority"),
    Field("zone"),
    Field("ring"),
    Field("list-key", optional=True),
    CLOCK,
)


@dataclass(frozen=True)
class AuthorityFolder:
    """An opened folder. `simulated` is for good: a folder is either real or not."""

    folder: Path
    officers: Officers
    calendar: Calendar
    ring: AuthorityRing
    simulated: bool
    list_key: str = ""
    """The verifier key of the lists of orders; '' in a folder of an earlier version (see `adopt_list_key`)."""

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
        check_wish(name, officers, threshold)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SettingsInvalid("The authority's folder is not empty: choose a new one.")
        private_folder(folder)
        if not allow_unfit:
            check_storage(folder)
        appointed, ring_key = appoint(folder / "officers", name, officers, threshold)
        ring = AuthorityRing(folder / "ring", ring_key.public, allow_unfit=allow_unfit)
        list_key = list_signer(name, ring_key).verifier.vkey
        self = cls(folder, appointed, calendar, ring, simulated, list_key)
        self._tick(calendar.day(now))
        replace_file(folder / "officers.txt", appointed.text().encode())
        require_format(folder, "authority")
        self._write()  # last: a folder without it was not finished
        return self

    @classmethod
    def open(cls, folder: Path, *, simulated: bool = False, allow_unfit: bool = False) -> Self:
        """The authority in this folder. Raises `SettingsInvalid`, `SimulationRefused`, `StorageUnfit`."""
        try:
            values = AUTHORITY.read((folder / "authority.txt").read_text(encoding="utf-8"))
            officers = Officers.read((folder / "officers.txt").read_text(encoding="utf-8"))
            public = b64_decode(one(values, "ring"), 32)
            check_sealing_key(public)
        except (OSError, ValueError, NoteMalformed):
            raise SettingsInvalid("The authority's folder is not complete: run `checkin authority init`.") from None
        close_folder(folder)
        require_format(folder, "authority")
        if simulated != ("clock" in values):
            raise SimulationRefused
        ring = AuthorityRing(folder / "ring", public, allow_unfit=allow_unfit)
        list_key = one(values, "list-key") if "list-key" in values else ""
        return cls(folder, officers, Calendar(one(values, "zone")), ring, simulated, list_key)

    def adopt_list_key(self, shares: Iterable[str]) -> Self:
        """With the list key that follows from the ring key, written into the folder if it is not there. Raises
        `SharesInvalid`."""
        list_key = list_signer(self.officers.authority, self.ring.unlock(shares)).verifier.vkey
        adopted = replace(self, list_key=list_key)
        if self.list_key != list_key:
            adopted._write()
        return adopted

    def _write(self) -> None:
        values = {
            "authority": self.officers.authority,
            "zone": self.calendar.zone,
            "ring": b64_encode(self.ring.public),
        }
        lists = {"list-key": self.list_key} if self.list_key else {}
        text = AUTHORITY.write(values | lists | clock_value(simulated=self.simulated))
        replace_file(self.folder / "authority.txt", text.encode())

    def make_keys(self, now: float, ahead: int = AHEAD_DAYS) -> list[int]:
        """Make what is missing for today and `ahead` days more; the days made. Needs no officer.

        A day once listed never gets another key: when its slot is lost it stays on the list (see `lost_days`).
        """
        today, taken = self.calendar.day(now), {*self.ring.days(), *self.ring.tombstones(), *self.listed()}
        days = [day for day in range(today, today + ahead + 1) if day not in taken and day >= self._oldest(now)]
        for day in days:
            self.ring.make(day, oldest=self._oldest(now))
        return days

    def lost_days(self) -> list[int]:
        """Days that were listed and have neither slot nor tombstone: what is sealed to them nobody will open."""
        return sorted(self.listed().keys() - {*self.ring.days(), *self.ring.tombstones()})

    def list_keys(self, now: float) -> AuthorityList:
        """Every key not yet due, ready for the officers; remembered, because the first list for a day is final.

        Raises `ListRefused` if the ring contradicts what was listed, `KeyMissing` if there is no key at all.
        """
        oldest = self._oldest(now)
        held = {day: self.ring.key(day) for day in self._live_days() if day >= oldest}
        listed = self.listed()
        keys = {day: key for day, key in (listed | merge(listed, held)).items() if day >= oldest}
        if not keys:
            raise KeyMissing("There are no keys to list: run `checkin authority keys make` first.")
        key_list = AuthorityList(self.officers.authority, keys, self.simulated)
        replace_file(self.folder / "listed.txt", key_list.text().encode())
        return key_list

    def destroy_due(self, now: float, *, confirm_clock: bool = False) -> list[dict[str, str | int]]:
        """Destroy every key whose day + 28 has begun; the tombstones, also of a run that a crash cut short.

        Raises `ClockUntrusted`, before anything is touched, when more than a day has passed since the last run
        and nobody confirmed that the clock is right.
        """
        today, last = self.calendar.day(now), self._last_tick()
        if today > last + 1 and not confirm_clock:
            raise ClockUntrusted(
                "The last run was more than a day ago, so either it was left out or the clock is wrong: "
                "compare the clock, then repeat with --confirm-clock."
            )
        self._tick(max(today, last))
        entombed = set(self.ring.tombstones())
        return [self._destroy(day, now) for day in self.ring.days() if day < self._oldest(now) or day in entombed]

    def state_destroyed(self) -> DestroyedList | None:
        """The keys that are destroyed and of which that is not in the log yet, for the officers to state; at most 64
        days, the oldest first; None when there are none. Raises `SettingsInvalid` for a tombstone of another form.

        Left in `destroyed.txt`; signatures that are there stay as long as the text does.
        """
        stated_before, first = self.stated(), self.logged_from()
        keys = {day: key for day, key in self.destroyed().items() if day not in stated_before and day >= first}
        path = self.folder / DESTROYED_FILE
        if not keys:
            path.unlink(missing_ok=True)
            return None
        stated = DestroyedList(self.officers.authority, dict(list(keys.items())[:MAX_STATED]), self.simulated)
        if not path.exists() or not path.read_text(encoding="utf-8").startswith(stated.text() + "\n"):
            replace_file(path, stated.text().encode())
        return stated

    def destroyed(self) -> dict[int, DestroyedKey]:
        """Every key that is entombed and whose slot is gone, oldest first. Raises `SettingsInvalid` for a tombstone of
        another form."""
        gone = sorted(set(self.ring.tombstones()) - set(self.ring.days()))
        return {day: self._destroyed_key(day) for day in gone}

    def keep_logged(self, index: int, note: str, proof: str) -> None:
        """Keeps a list or statement that is in the log as entry `index`, and the proof of it."""
        folder = self.folder / LOGGED_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(folder / f"{index}.proof", proof.encode())
        replace_file(folder / f"{index}.txt", note.encode())

    def logged(self) -> dict[int, tuple[str, str]]:
        """(note, proof) of what was put into the log, by its number there."""
        folder = self.folder / LOGGED_FOLDER
        paths = [path for path in folder.glob("*.txt") if path.stem.isdecimal()]
        kept = {int(path.stem): (path, path.with_suffix(".proof")) for path in paths}
        return {index: (_text(kept[index][0]), _text(kept[index][1])) for index in sorted(kept)}

    def stated(self) -> dict[int, int]:
        """Destroyed days of which that is in the log, and the number of the statement."""
        found: dict[int, int] = {}
        for index, (note, _) in self.logged().items():
            text = unverified_text(note)
            if kind_of(text) == AUTHORITY_DESTROYED.kind:
                found |= {day: index for day in DestroyedList.read(text).keys if day not in found}
        return found

    def logged_keys(self) -> dict[int, AuthorityKey]:
        """Every key that a list in the log names, by day, also of days long due. Raises `NoteMalformed`."""
        texts = [unverified_text(note) for note, _ in self.logged().values()]
        lists = [AuthorityList.read(text).keys for text in texts if kind_of(text) == AUTHORITY_KEYS.kind]
        found: dict[int, AuthorityKey] = {}
        for keys in lists:
            found = {**keys, **found}  # the first list for a day is final
        return found

    def logged_from(self) -> int:
        """The first day whose key a list in the log names: of earlier ones an end would be stated of a key that nobody
        knows. 0 where no list is in the log."""
        return min(self.logged_keys(), default=0)

    def check_ring(self, keys: Mapping[int, AuthorityKey], shares: Iterable[str]) -> None:
        """Opens the slot of each of these days with the shares and compares: raises `ListRefused` for a key that is not
        the ring's own, or that the ring no longer has, and `SharesInvalid`."""
        ring = self.ring.unlock(shares)
        strange = []
        for day, key in keys.items():
            try:
                own = self.ring.open_day_with(day, ring).public == key.public and self.ring.key(day) == key
            except (KeyMissing, KeyDestroyed, SealBroken):
                own = self.logged_keys().get(day) == key  # lost since officers listed it: nobody opens it
            if not own:
                strange.append(self.calendar.date(day))
        if strange:
            raise ListRefused(f"These keys of the list are not the ring's own, do not sign it: {', '.join(strange)}.")

    def state_checked(self, keys: Mapping[int, AuthorityKey], now: float) -> CheckedList:
        """What officers state after `check_ring` raised nothing, today."""
        today = self.calendar.day(now)
        checked = {day: DestroyedKey(key.commitment, today) for day, key in keys.items()}
        return CheckedList(self.officers.authority, checked, self.simulated)

    def last_checked(self) -> int:
        """The day of the newest check that is in the log, 0 without one. Raises `NoteMalformed`."""
        texts = [unverified_text(note) for note, _ in self.logged().values()]
        checks = [CheckedList.read(text).keys for text in texts if kind_of(text) == AUTHORITY_CHECKED.kind]
        return max((key.done for keys in checks for key in keys.values()), default=0)

    def open_days(self, days: Iterable[int], shares: Iterable[str]) -> dict[int, OpeningKey]:
        """The private keys of these days, for one trace; as `AuthorityRing.open_day`."""
        shares = list(shares)
        return {day: self.ring.open_day(day, shares) for day in days}

    def _destroy(self, day: int, now: float) -> dict[str, str | int]:
        record = self.ring.tombstone(day)
        if record is None:
            key = self.ring.key(day)
            record = {
                "authority": self.officers.authority,
                "day": day,
                "date": self.calendar.date(day),
                "public": b64_encode(key.public),
                "commitment": key.commitment,
                "due": self.calendar.rfc3339(self.calendar.due(day), "minutes"),
                "destroyed": self.calendar.rfc3339(now, "seconds"),
            }
        self.ring.destroy(day, record)
        return record

    def _destroyed_key(self, day: int) -> DestroyedKey:
        record = self.ring.tombstone(day) or {}
        try:
            done = self.calendar.parse_date(str(record["destroyed"])[:10])
            return DestroyedKey(str(record["commitment"]), done)
        except (KeyError, ValueError):
            date = self.calendar.date(day)
            raise SettingsInvalid(f"The tombstone of {date} does not say what was destroyed.") from None

    def _oldest(self, now: float) -> int:
        """The oldest day that may have a key; a clock gone back does not bring it back."""
        return max(self.calendar.oldest(now), self._last_tick() - RETENTION_DAYS + 1)

    def _live_days(self) -> list[int]:
        return sorted(set(self.ring.days()) - set(self.ring.tombstones()))

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


def ring_keys(folder: Path) -> RingKeys:
    """The keys that orders of the authority in this folder name; raises `SettingsInvalid`."""
    try:
        values = AUTHORITY.read((folder / "authority.txt").read_text(encoding="utf-8"))
        return RingKeys(one(values, "authority"), b64_decode(one(values, "ring"), 32), one(values, "list-key"))
    except (OSError, ValueError, NoteMalformed):
        raise SettingsInvalid("The authority's folder is not complete, or of an earlier version.") from None


def _text(path: Path) -> str:
    """A file of the folder; raises `SettingsInvalid`."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(f"The file {path.parent.name}/{path.name} of the authority cannot be read.") from None
