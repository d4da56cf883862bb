"""What the health authority finds in its own folder: the points of the day-28 audit that fit one that runs no service.

Each looks at what is on the disk (docs/spec/audit.md §8). Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from checkin.audit.authority_days import GRACE_DAYS
from checkin.audit.data_map import DataMap
from checkin.audit.point import Point, not_run, plain, seen
from checkin.audit.self_audit import DATA_MAP, KEYS, OLDEST
from checkin.clock import DATES
from checkin.errors import CheckinError
from checkin.parties.authority_folder import AuthorityFolder
from checkin.protocol.key_list import AUTHORITY_DESTROYED, AuthorityKey, DestroyedList
from checkin.protocol.note import unverified_text
from checkin.protocol.statement import kind_of
from checkin.tlog.proof import PinnedLog

STATED: Final = "statements-logged"
_MAP: Final = Path(__file__).parent.parent / "parties" / "authority_data_map.toml"


class AuthorityAudit:
    """One look at one folder, as of `now` (unix seconds). `log`: the log as `parties.toml` pins it, if it does."""

    def __init__(self, authority: AuthorityFolder, now: float, log: PinnedLog | None) -> None:
        self._authority = authority
        self._ring = authority.ring
        self._now = now
        self._log = log
        self._name = authority.officers.authority

    def points(self) -> list[Point]:
        """All lines."""
        return [self._files(), self._oldest(), self._keys(), self._stated()]

    def _files(self) -> Point:
        gaps = DataMap.load(_MAP).gaps(self._authority.folder)
        ours = [gap for gap in gaps if gap.path.startswith("ring/") or gap.path.endswith(".slot")]
        good = "Every file of the ring is a slot, a tombstone or a mark, and no slot lies elsewhere in the folder."
        return seen(DATA_MAP, self._name, [plain(str(gap)) for gap in ours], good)

    def _oldest(self) -> Point:
        floor = self._authority.calendar.oldest(self._now)
        faults = [f"the key of {DATES.date(day)} is there" for day in self._ring.days() if day < floor]
        held = self._ring.days()
        good = f"The oldest key is of {DATES.date(held[0])}" if held else "No key is held"
        return seen(OLDEST, self._name, faults, f"{good}; {DATES.date(floor)} is the oldest day that may be held.")

    def _keys(self) -> Point:
        gone, there = self._ring.tombstones(), self._ring.days()
        good = (
            f"{len(gone)} destroyed keys are absent and were overwritten; {len(there)} live ones are in their slots, "
            "those that were listed as they were listed."
        )
        return seen(KEYS, self._name, self._key_faults(set(there)), good)

    def _key_faults(self, there: set[int]) -> Iterator[str]:
        for day in self._ring.tombstones():
            if day in there:
                yield f"the key of {DATES.date(day)} has a tombstone and is still there"
            elif not self._ring.overwritten(day):
                yield f"the key of {DATES.date(day)} was unlinked and not overwritten: its bytes may be on the disk"
        gone = set(self._ring.tombstones())
        # `listed()` forgets what is due: a key that was carried off instead of destroyed is missed by the log's lists.
        for day, key in sorted((self._authority.listed() | self._authority.logged().keys_by_day()).items()):
            if day not in gone:
                yield from self._live_faults(day, key, there=day in there)

    def _live_faults(self, day: int, listed: AuthorityKey, *, there: bool) -> Iterator[str]:
        if not there:
            yield f"the key of {DATES.date(day)} was listed and is gone without a tombstone"
            return
        try:
            standing = self._ring.key(day)
        except CheckinError as error:
            yield f"the slot of {DATES.date(day)} cannot be read ({error.code})"
            return
        if standing != listed:
            yield f"the slot of {DATES.date(day)} holds another key than the one that was listed"

    def _stated(self) -> Point:
        if self._log is None:
            return not_run(STATED, self._name, "No parties.toml names the log: nobody can be shown what was destroyed.")
        proved: set[int] = set()
        faults = list(self._proof_faults(self._log, proved))
        due = self._authority.calendar.day(self._now) - GRACE_DAYS
        first = self._authority.logged().first_day()
        unproved = {day: key for day, key in self._authority.destroyed().items() if day >= first and day not in proved}
        late = [day for day, key in unproved.items() if key.done < due]
        faults += [f"the end of the key of {DATES.date(day)} is not stated in the log" for day in late]
        good = f"The end of {len(proved)} keys is in the log, signed by {self._authority.officers.threshold} officers"
        return seen(STATED, self._name, faults, f"{good}; {len(unproved)} wait for the officers, none for over a week.")

    def _proof_faults(self, log: PinnedLog, proved: set[int]) -> Iterator[str]:
        """Statements that do not stand as they should; the days of those that do are added to `proved`."""
        destroyed = self._authority.destroyed()
        for index, (note, proof) in self._authority.logged().items():
            if kind_of(note) != AUTHORITY_DESTROYED.kind:
                continue
            try:
                self._authority.open_note(note)
                log.require(note, proof)
            except CheckinError as error:
                yield f"the statement {index} does not verify ({error.code})"
                continue
            for day, key in DestroyedList.read(unverified_text(note)).keys.items():
                if destroyed.get(day) == key:
                    proved.add(day)
                else:
                    yield f"the statement {index} about {DATES.date(day)} is not what the ring says"
