"""The authority's list: for each day the public key that subjects are sealed to. The first key for a day is final.

So not even a thief of the authority's token and two officers' keys can have a day's subjects sealed to another key
once the real one was listed. And a list counts only as far ahead as honest ones reach, so that holding those keys
for a moment does not decide over the years to come. Once the issuer pins a log, a list counts only with the proof that
it is there, under a checkpoint that the witnesses saw: no issuer can be shown one that others are not.
"""

from __future__ import annotations

from typing import Final

from checkin.errors import NoteUntrusted, NotReady, ProofInvalid
from checkin.files.tables import Tables
from checkin.protocol.key_list import HORIZON_DAYS, AuthorityKey, AuthorityList
from checkin.protocol.primitives import SealingKey
from checkin.service.checkpoint_seen import keep_checkpoint
from checkin.service.identity import ServiceIdentity
from checkin.service.settings import AuthoritySettings
from checkin.tlog.proof import PinnedLog
from issuer.signing_keys import KeyTable

WARN_DAYS: Final = 7


class AuthorityKeys(KeyTable[AuthorityKey]):
    """The table `authority_keys`."""

    def __init__(
        self, party: ServiceIdentity, tables: Tables, settings: AuthoritySettings, log: PinnedLog | None
    ) -> None:
        super().__init__(party, tables, "authority_keys", AuthorityKey)
        self._settings = settings
        self._log = log

    def accept(self, note: str, proof: str | None = None) -> list[int]:
        """The days that a list added, on disk when it returns; days beyond the horizon are passed over. `proof`: that
        the note is in the log (tlog-proof), if one is pinned (docs/spec/keys.md §5.2).

        Raises `NoteMalformed`; `NoteUntrusted` without enough officers, for another authority's list, simulated time
        on a real deployment, or a checkpoint without its witnesses; `ProofInvalid` without a proof that fits;
        `ListRefused` when it contradicts what was listed before.
        """
        if self._log is not None:
            if proof is None:
                raise ProofInvalid(
                    "This issuer takes a list only with the proof that it is in the log: publish it with --dir, whose "
                    "parties.toml names the log, or with --log."
                )
            self._log.require(note, proof)
            keep_checkpoint(self._party.data, proof)
        listed = AuthorityList.read(self._settings.open(note).text)
        if listed.owner != self._settings.name or listed.simulated != self._party.clock.simulated:
            raise NoteUntrusted("The list is another authority's, or was made under another clock.")
        oldest = self._party.calendar.oldest(self._party.now())
        latest = self._party.today() + HORIZON_DAYS
        return self.add({day: key for day, key in listed.keys.items() if oldest <= day <= latest})

    def key(self, day: int) -> SealingKey:
        """The key that subjects of the day are sealed to; raises `NotReady` for a day that was not listed."""
        if listed := self.listed_for(day):
            return SealingKey(listed.public)
        raise NotReady("The authority has listed no key for this day yet: nothing can be issued.")
