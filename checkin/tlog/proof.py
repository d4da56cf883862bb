"""A proof to carry along: that an entry is in the log, under a checkpoint that witnesses saw; verified offline, with
the log as its reader pinned it.

Source: c2sp.org/tlog-proof.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

from checkin.errors import NoteMalformed, ProofInvalid
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.note import NoteVerifier
from checkin.tlog.checkpoint import Checkpoint, CosignatureVerifier, open_checkpoint
from checkin.tlog.merkle import HASH_SIZE, MAX_PROOF, leaf_hash, verify_inclusion

MAX_PROOF_BYTES: Final = 256 * 1024  # of UTF-8; 64 hashes, 16 lines of post-quantum signatures and an extra line fit
_FIRST: Final = "c2sp.org/tlog-proof@v1"
_EXTRA, _INDEX = "extra ", "index "


@dataclass(frozen=True)
class LogProof:
    """Where the entry is, the hashes from it to the root, and the signed checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None
    """Of the application; it is not signed, and nothing here looks at it."""

    def write(self) -> str:
        """The proof as text, a line each, then the checkpoint as it is."""
        extra = [] if self.extra is None else [_EXTRA + b64_encode(self.extra)]
        lines = [_FIRST, *extra, f"{_INDEX}{self.index}", *map(b64_encode, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def read(cls, text: str) -> LogProof:
        """Inverse of `write`; raises `NoteMalformed`. Nothing is verified yet."""
        # Bytes, which are the same in every language; what cannot be encoded is refused with the checkpoint it is in.
        if len(text.encode(errors="surrogatepass")) > MAX_PROOF_BYTES:
            raise NoteMalformed("A proof has at most 256 KiB.")
        head, blank, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        more = lines.pop(0) if lines and lines[0].startswith(_EXTRA) else None
        place, *lines = lines or [""]
        if first != _FIRST or not blank or not place.startswith(_INDEX) or len(lines) > MAX_PROOF:
            raise NoteMalformed("The text is not a proof out of a log.")
        try:
            hashes = tuple(b64_decode(line, HASH_SIZE) for line in lines)
            extra = None if more is None else b64_decode(more.removeprefix(_EXTRA))
            return cls(decimal_decode(place.removeprefix(_INDEX)), hashes, checkpoint, extra)
        except ValueError:
            raise NoteMalformed("A line of the proof is not a number or a hash.") from None

    def verify(self, entry: bytes, log: PinnedLog) -> Checkpoint:
        """The checkpoint under which `entry` is in the log; raises as `PinnedLog.head`, and `ProofInvalid`."""
        head = log.head(self.checkpoint)
        verify_inclusion(leaf_hash(entry), self.index, head.size, self.hashes, head.root)
        return head


@dataclass(frozen=True)
class PinnedLog:
    """A log's key, its witnesses, and how many of them cosign a checkpoint (None: one, if there are witnesses)."""

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
        """The checkpoint under which this very text is in the log; raises as `head`, and `ProofInvalid`."""
        if not isinstance(proof, str):  # it may come from foreign JSON
            raise ProofInvalid("There is no proof that this is in the log.")
        return LogProof.read(proof).verify(entry.encode(), self)
