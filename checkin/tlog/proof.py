"""A proof to carry along: that an entry is in the log, under a checkpoint that witnesses saw; verified offline.

Source: c2sp.org/tlog-proof.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from checkin.errors import NoteMalformed
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.note import NoteVerifier, Verifier
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint
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

    def verify(
        self, entry: bytes, log: NoteVerifier, witnesses: Collection[Verifier] = (), quorum: int | None = None
    ) -> Checkpoint:
        """The checkpoint under which `entry` is in the log, signed and cosigned as `open_checkpoint` requires.

        Raises `NoteMalformed`, `NoteUntrusted`, `ProofInvalid`.
        """
        head = open_checkpoint(self.checkpoint, log, witnesses, quorum)
        verify_inclusion(leaf_hash(entry), self.index, head.size, self.hashes, head.root)
        return head
