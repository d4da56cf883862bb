"""A batch: ten credentials for one person and one day, and the ledger row that only the authority can read.

Everything of a batch is fresh: σ, from which its visit ids follow, the seals, the salts. σ is forgotten when the
answer leaves: the issuer, with all its keys, cannot list the visit ids it has issued. No time is kept: not in the
row, not in a log, not in a metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Final

from checkin.errors import DayNotIssued, HolderKeyInvalid, NotReady, QuotaUsed
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import (
    Draft,
    Mode,
    Status,
    StatusOpening,
    issue,
    new_opening,
    seal_subject,
    visit_context,
)
from checkin.protocol.primitives import Label, SealingKey, SigningKey, check_signing_key, random_bytes
from checkin.service.day_store import DayService
from checkin.vault.group_commit import GroupCommit
from checkin.vault.ledger import SIGMA_SIZE, LedgerBatch, ledger_row, quota_key, visit_id
from issuer.authority_keys import AuthorityKeys
from issuer.identities import Identities, Record
from issuer.signing_keys import SigningKeys

BATCH_SIZE: Final = 10  # for everyone: another number would point at a person
COMMIT_SECONDS: Final = 30.0
TOO_SLOW: Final = "The disk is too slow: try again in a moment."
_REMEMBERED: Final = 50_000  # phones, in some megabytes


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential of 227 bytes, and what opens its status."""

    credential: bytes
    opening: StatusOpening


@dataclass(frozen=True, slots=True)
class Entry:
    """What a batch and its ledger row are made of, but for the row's number."""

    day: int
    subject: int
    phone: str
    batch: LedgerBatch
    authority: SealingKey
    signing: SigningKey


@dataclass(slots=True)
class Begun:
    """A batch that is made, and its ledger row on the way to the disk: `committed` says whether it got its number.

    Nothing of it may leave before `BatchIssuer.finish`.
    """

    _entry: Entry
    _issued: list[Issued]
    committed: Future[bool]


class BatchIssuer:
    """Issues batches; one per process. `begin`, `repeat`, `finish`: for callers that wait for the disk elsewhere."""

    def __init__(
        self, service: DayService, identities: Identities, authority: AuthorityKeys, signing: SigningKeys, a_day: int
    ) -> None:
        self._party, self._guard, self._vault = service.party, service.guard, service.vault
        self._identities = identities
        self._authority = authority
        self._signing = signing
        self._a_day = a_day
        self._commit = GroupCommit(service.vault)
        self._numbered: set[bytes] = set()

    def issue(self, subject: int, day: int, mode: Mode, holder_keys: Sequence[bytes]) -> list[Issued]:
        """One credential for each holder key, in order; the ledger row is on disk when this returns. Raises as `begin`
        and `finish`."""
        begun = self.begin(subject, day, mode, holder_keys)
        try:
            while not begun.committed.result(COMMIT_SECONDS):
                self.repeat(begun)
        except FutureTimeoutError:
            raise NotReady(TOO_SLOW) from None
        return self.finish(begun)

    def begin(
        self, subject: int, day: int, mode: Mode, holder_keys: Sequence[bytes], record: Record | None = None
    ) -> Begun:
        """Makes a batch and hands its row to the disk. `record`: what is held about the account, where that was read
        for this request.

        Raises `HolderKeyInvalid`, `DayNotIssued`, `QuotaUsed`, `Unauthorized` for a deleted account, `NotReady`
        without the keys of the day, `ClockUntrusted`.
        """
        for holder_key in holder_keys:
            check_signing_key(holder_key)
        if len(set(holder_keys)) != len(holder_keys):
            raise HolderKeyInvalid("A holder key is there twice: each credential has its own.")
        self._guard.require_trusted()
        if day - self._party.today() not in (0, 1):
            raise DayNotIssued
        record = record or self._identities.read(subject)
        entry = self.entry(subject, day, record.phone, len(holder_keys))
        committed = self._write(entry)  # the disk works while the processor does
        return Begun(entry, self.credentials(entry, mode, record.status_on(day), holder_keys), committed)

    def repeat(self, begun: Begun) -> None:
        """Writes it with the next number, because the one it was written with was taken. Raises `QuotaUsed`."""
        begun.committed = self._write(begun._entry)

    def finish(self, begun: Begun) -> list[Issued]:
        """The batch, its row on the disk. Raises `Unauthorized` for an account that has ended meanwhile.

        No lock is held: numbers are given out by the ledger, and an account that ends looks for its last day after it
        has ended. So either that finds the row, or the batch finds that the account has ended.
        """
        self._identities.require_live(begun._entry.subject)
        return begun._issued

    def check(self) -> None:
        """A task: checks that the writer of ledger rows is alive. Raises `NotReady`."""
        self._commit.check()

    def close(self) -> None:
        """Commits what waits."""
        self._commit.close()

    def _number(self, day: int, phone: str) -> int:
        """The first number of a batch that the ledger has not given out to this phone, under any account: registering
        again brings no second quota. Most people take one batch a day, so the ledger, which refuses a number that is
        taken, is queried from the second time on."""
        keys = [quota_key(self._vault, day, phone, 0)]
        if keys[0] not in self._numbered:
            if len(self._numbered) >= _REMEMBERED:
                self._numbered.clear()
            self._numbered.add(keys[0])
            return 0
        keys += [quota_key(self._vault, day, phone, number) for number in range(1, self._a_day)]
        taken = self._vault.store.get(day, keys)
        return next((number for number, key in enumerate(keys) if key not in taken), self._a_day)

    def entry(self, subject: int, day: int, phone: str, count: int) -> Entry:
        """A fresh one, for so many credentials. Raises `NotReady` without the keys of the day."""
        batch = LedgerBatch(random_bytes(SIGMA_SIZE), count)
        return Entry(day, subject, phone, batch, self._authority.key(day), self._signing.key(day))

    def credentials(self, entry: Entry, mode: Mode, status: Status, holder_keys: Sequence[bytes]) -> list[Issued]:
        """One for each holder key, in order."""
        issuer, day = self._signing.issuer, entry.day
        seal_key = self._party.ring.subkey(KeyName(Purpose.DAY, day), Label.SUB_SEAL)
        issued = []
        for index, holder_key in enumerate(holder_keys):
            visit = visit_id(entry.batch.sigma, index)
            sealed = seal_subject(seal_key, entry.authority, entry.subject, visit_context(issuer, day, visit))
            opening = new_opening(status)
            draft = Draft(day, mode, visit, holder_key, sealed, opening)
            issued.append(Issued(issue(draft, issuer, entry.signing), opening))
        return issued

    def _write(self, entry: Entry) -> Future[bool]:
        """Hands the row to the disk under the next number; its result says whether that was free."""
        day = entry.day
        if (number := self._number(day, entry.phone)) >= self._a_day:
            raise QuotaUsed
        row = ledger_row(
            self._vault,
            day,
            entry.subject,
            entry.batch,
            issuer=self._signing.issuer,
            authority=entry.authority,
            key=quota_key(self._vault, day, entry.phone, number),
        )
        return self._commit.submit(day, row)
