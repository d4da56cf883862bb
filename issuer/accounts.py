"""Beginning and end of accounts: registration, deletion, and expiry of those that are not used.

A phone number is no identity. Registering it without a proof of the earlier wallet makes a new account, and the
earlier one is deleted as by its owner. What belongs to a person (status, access notices, days) hangs on the subject,
so none of it passes on.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from checkin.errors import DayDestroyed, KeyDestroyed, KeyMissing, NotReady, RecoveryWrong, SealBroken, Unauthorized
from checkin.files.tables import Commit
from checkin.keys.journal import Ending
from checkin.keys.key_ring import Purpose
from checkin.protocol.encoding import u32be
from checkin.protocol.primitives import Label, random_below, sha256
from checkin.service.auth import new_token, token_hash
from checkin.service.day_store import DayService
from checkin.vault.ledger import subject_group
from issuer.access_notices import AccessNotices
from issuer.contact import Contact
from issuer.hosted import Hosted
from issuer.identities import Identities

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LETTERS: Final = 25  # of 5 bits
_GROUP: Final = 5
_MISREAD: Final = str.maketrans("OIL", "011", "- \t\r\n")
MAX_TYPED: Final = 100  # characters
_CHUNK: Final = 500
# Kinds of endings, in the journal.
_ACCOUNT: Final = "account"
_STATUS: Final = "status"
_KEYS: Final = "keys"


def new_recovery_code() -> str:
    """A code that shows, when a phone is registered again, that it is still the same person's: telephone companies
    give numbers to other people. Five groups of five letters and digits, all equally likely; it is shown to the holder
    when an account begins, and the issuer keeps its hash, which 125 random bits hide."""
    return _grouped("".join(_ALPHABET[random_below(len(_ALPHABET))] for _ in range(_LETTERS)))


def read_recovery_code(typed: str) -> str:
    """The code as `new_recovery_code` writes it, from what a person typed: any case, with or without hyphens and
    blanks, O for 0, I or L for 1, full-width letters. Raises `RecoveryWrong` for what no code can be."""
    letters = unicodedata.normalize("NFKC", typed).upper().translate(_MISREAD)
    if len(letters) != _LETTERS or not set(letters) <= set(_ALPHABET):
        raise RecoveryWrong
    return _grouped(letters)


def recovery_digest(code: str) -> bytes:
    """What the issuer keeps of a code that `new_recovery_code` or `read_recovery_code` wrote: 32 bytes."""
    return sha256(Label.RECOVERY, code.encode("ascii"))


def _grouped(letters: str) -> str:
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


@dataclass(frozen=True, slots=True)
class WalletKeys:
    """What a wallet shows to be known again: a token with each request, the recovery code to register again."""

    token: str
    recovery_code: str


class Accounts:
    """Begins and ends accounts. One that has ended is looked for in the ledger afterwards, by `_finish`: a batch that
    is being issued then is found there, or finds that the account has ended. Until that is done, its name stays as long
    as it may have to."""

    def __init__(
        self, service: DayService, identities: Identities, issued: IssuedDays, hosted: Hosted, notices: AccessNotices
    ) -> None:
        self._party, self._guard, self._endings = service.party, service.guard, service.endings
        self._tables = identities.tables
        self._identities = identities
        self._issued = issued
        self._hosted = hosted
        self._notices = notices

    def register(
        self,
        contact: Contact,
        first: Callable[[Commit], None] = lambda _: None,
        *,
        token: str | None = None,
        recovery_code: str | None = None,
    ) -> WalletKeys:
        """The keys of a phone's account, under the name given; older ones end. `first` is part of the same commit.

        Without the earlier wallet's `token` or `recovery_code`, as given, it is a new account. Raises `RecoveryWrong`,
        with nothing changed, for a proof that is not of the account of this phone, also when there is none;
        `ClockUntrusted`, because its end counts from today.
        """
        self._guard.require_trusted()
        today = self._guard.today(self._party.calendar)
        proved, code = _read(token, recovery_code)
        keys = WalletKeys(new_token(), code)
        hashes = token_hash(keys.token), recovery_digest(code)
        former: list[int] = []

        def step(commit: Commit, ended: list[Ending]) -> None:
            commit.alone()
            if self._identities.bears(commit, hashes[0]):  # by an earlier try with an unknown outcome
                return
            first(commit)
            former[:] = self._identities.of_phone(commit, contact.phone)
            if proved is None:
                for subject in former:
                    self._leave(commit, subject, today + 1)
                ended += [_account(subject) for subject in former]
                self._identities.add(commit, contact, hashes, today)
                return
            kept = next((one for one in former if self._identities.proves(commit, one, proved)), None)
            if kept is None:
                raise RecoveryWrong
            self._identities.renew(commit, kept, contact, hashes, today)
            former.clear()
            ended.append(Ending(_KEYS, str(kept), b"".join([*hashes, u32be(today)]).hex()))

        self._endings.write(self._tables, step)
        for subject in former:
            with suppress(NotReady):  # the daily task does it
                self._finish(subject)
        return keys

    def end(self, subject: int) -> int | None:
        """Deletes the account: nothing is issued from now on. The day with which name and phone go at the latest, None
        if they went at once because no day is held for which anything was issued. Raises `Unauthorized` for an account
        that was deleted before."""
        self._identities.read(subject)
        today = self._guard.today(self._party.calendar)

        def step(commit: Commit, ended: list[Ending]) -> None:
            commit.alone()
            with suppress(Unauthorized):  # by an earlier try with an unknown outcome
                self._leave(commit, subject, today + 1)
                ended.append(_account(subject))

        self._endings.write(self._tables, step)
        try:
            return self._finish(subject)
        except NotReady:  # it has ended: a repetition would only get 401; the daily task looks for its last day
            return today + 1

    def end_idle(self, today: int, idle_days: int) -> None:
        """Ends all accounts that for so many days were neither registered nor issued anything for. Repeatable."""
        limit, after = today - idle_days, -1
        while subjects := self._identities.to_look_at(limit, today, after, _CHUNK):
            for subject in subjects:
                self._look(subject, limit, today)
            after = subjects[-1]
        for subject in self._identities.ended_from(today):  # also those with a last day that is not known yet
            self._finish(subject)

    def _look(self, subject: int, limit: int, today: int) -> None:
        """Ends the account unless its newest day is after `limit`, which is noted then, so that it is looked at again
        when that day is as old: by this task, in the order of subjects, and not at a request. A day to come, by a clock
        that was wrong, counts as today."""
        try:
            self._identities.read(subject)
        except (Unauthorized, SealBroken):  # ended meanwhile; damaged; or came back after its key was destroyed
            self._identities.drop_unreadable(subject, limit, today)
            return
        newest = self._issued.last(subject) or 0

        def step(commit: Commit, ended: list[Ending]) -> bool:
            commit.alone()
            registered = self._identities.live(commit, subject).registered
            used = min(max(registered, newest), today)
            if used <= limit:  # one used while all days were looked through stays; no older day is new
                last = max(self._issued.last(subject, today - 1) or 0, self._issued.untold())
                used = min(max(used, last), today)
            if used > limit:
                self._identities.mark_used(commit, subject, used)
                return False
            self._leave(commit, subject, today + 1)
            ended.append(_account(subject))
            return True

        with suppress(Unauthorized):  # ended meanwhile, by its owner
            if self._endings.write(self._tables, step):
                self._finish(subject)

    def forget_status(self, subject: int) -> None:
        """Takes the vaccination status away; credentials issued from now on commit to none. Raises `Unauthorized`."""

        def step(commit: Commit, ended: list[Ending]) -> None:
            commit.alone()
            if self._identities.forget_status(commit, subject):
                ended.append(Ending(_STATUS, str(subject)))

        self._endings.write(self._tables, step)

    def end_again(self, commit: Commit, ending: Ending) -> None:
        """Repeats an ending in a database that was put back; the account may be unknown to it, or ended. Other machines
        may be issuing to it at this moment: its last day is looked for afterwards, by the daily task."""
        subject = int(ending.name)
        try:
            if ending.kind == _ACCOUNT:
                self._leave(commit, subject, self._guard.today(self._party.calendar) + 1)
            elif ending.kind == _STATUS:
                self._identities.forget_status(commit, subject)
            else:
                value = bytes.fromhex(ending.value)
                self._identities.set_keys(commit, subject, (value[:32], value[32:64]))
                if day := value[64:]:  # none in lines of an earlier version
                    self._identities.use_again(commit, subject, int.from_bytes(day))
        except Unauthorized:
            return
        except (KeyDestroyed, SealBroken):  # so old that its identity key is destroyed, and with it the row
            self._identities.remove(commit, subject)

    def _leave(self, commit: Commit, subject: int, last: int) -> None:
        self._identities.leave(commit, subject, last)
        self._hosted.forget(commit, subject)

    def _finish(self, subject: int) -> int | None:
        """Completes an account's end; the newest day for which anything was issued to it, with which its name goes."""
        last = self._issued.last(subject)
        self._identities.finish(subject, last)
        self._notices.forget(subject)
        self._tables.tidy()
        return last


def _account(subject: int) -> Ending:
    return Ending(_ACCOUNT, str(subject))


def _read(token: str | None, recovery_code: str | None) -> tuple[bytes | None, str]:
    """The hash to be found at the account, and the recovery code from now on. One that was used stays: the answer may
    be lost on its way, and a code that its holder never saw would end the account."""
    if recovery_code is not None:
        code = read_recovery_code(recovery_code)
        return recovery_digest(code), code
    return (token_hash(token) if token is not None else None), new_recovery_code()


class IssuedDays:
    """For which days batches were issued to an account, by the ledger of the days that are held: the one place where
    it is written down. `identities` has no column that moves with each batch: in most engines the order of such updates
    shows for good in which order people came."""

    def __init__(self, service: DayService) -> None:
        self._party, self._guard, self._vault = service.party, service.guard, service.vault

    def count(self, day: int, subject: int) -> int:
        """How many batches of a day."""
        return sum(self._vault.store.counts(day, subject_group(self._vault, day, subject)).values())

    def of(self, subject: int) -> dict[int, int]:
        """Day → how many batches, newest day first."""
        return {day: count for day in self._days() if (count := self._held(day, subject))}

    def last(self, subject: int, first: int = 0) -> int | None:
        """The newest day, None if none is held, or none from the day `first` on."""
        return next((day for day in self._days() if day >= first and self._held(day, subject)), None)

    def untold(self) -> int:
        """The newest day with a ledger that was destroyed early: the holders of its batches are unknown. 0 for none."""
        floor = self._guard.floor(self._party.calendar)
        gone = self._party.ring.tombstones(Purpose.DAY)
        return max((name.day for name in gone if name.day >= floor), default=0)

    def _days(self) -> list[int]:
        floor = self._guard.floor(self._party.calendar)
        return [day for day in reversed(self._vault.store.days()) if day >= floor]

    def _held(self, day: int, subject: int) -> int:
        try:
            return self.count(day, subject)
        except (DayDestroyed, KeyMissing):  # no seal of that day opens any more
            return 0
