"""A pinned log: its key, its witnesses, and how many of them (`quorum`) must have cosigned a checkpoint."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

from checkin.errors import NoteMalformed, ProofInvalid
from checkin.protocol.note import NoteVerifier
from checkin.tlog.checkpoint import Checkpoint, CosignatureVerifier, open_checkpoint
from checkin.tlog.proof import LogProof


@dataclass(frozen=True)
class PinnedLog:
    """`quorum`: one when there are witnesses and nothing is said, none when there are none."""

    verifier: NoteVerifier
    witnesses: tuple[CosignatureVerifier, ...] = ()
    quorum: int | None = None

    @classmethod
    def of(cls, vkey: str, witnesses: Collection[str] = (), quorum: int | None = None) -> Self:
        """From verifier keys as text; raises `NoteMalformed`."""
        return cls(NoteVerifier.parse(vkey), tuple(map(CosignatureVerifier.parse, witnesses)), quorum)

    @classmethod
    def read(cls, data: Any) -> Self:
        """Inverse of `plain`, also for foreign input; raises `NoteMalformed`."""
        try:
            vkey, witnesses, quorum = str(data["vkey"]), list(map(str, data["witnesses"])), data["quorum"]
        except (KeyError, TypeError):
            raise NoteMalformed("A log is told by its vkey, its witnesses and their quorum.") from None
        if type(quorum) is not int or not 0 <= quorum <= len(witnesses):
            raise NoteMalformed("A quorum is a number of the witnesses.")
        return cls.of(vkey, witnesses, quorum)

    def plain(self) -> dict[str, Any]:
        """As JSON holds it; the quorum is a number."""
        quorum = min(1, len(self.witnesses)) if self.quorum is None else self.quorum
        return {"vkey": self.verifier.vkey, "witnesses": [one.vkey for one in self.witnesses], "quorum": quorum}

    def head(self, note: str) -> Checkpoint:
        """The verified checkpoint in `note`; raises `NoteMalformed`, `NoteUntrusted` without the cosignatures."""
        return open_checkpoint(note, self.verifier, self.witnesses, self.quorum)

    def require(self, entry: str, proof: str | None) -> Checkpoint:
        """The checkpoint under which this very text is in the log; raises as `head`, and `ProofInvalid`, also without
        a proof."""
        if not isinstance(proof, str):  # it may come from foreign JSON
            raise ProofInvalid("There is no proof that this is in the log.")
        return LogProof.read(proof).verify(entry.encode(), self.verifier, self.witnesses, self.quorum)
