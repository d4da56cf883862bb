"""Checkpoints: the signed tree head of a log, that is how many entries it has and the root over them.

Source: c2sp.org/tlog-checkpoint. A reader pins the log's key, and the keys of witnesses that look for forks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from checkin.errors import NoteMalformed, NoteUntrusted
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.note import NoteVerifier, Verifier, check_text, open_note, unverified_text
from checkin.tlog.merkle import HASH_SIZE


@dataclass(frozen=True)
class Checkpoint:
    """The tree head of the log named `origin`: `size` entries, `root` of 32 bytes, and lines that we never write."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def write(self) -> str:
        """The note text; raises `NoteMalformed` for what `read` would not take."""
        text = "\n".join([self.origin, str(self.size), b64_encode(self.root), *self.extensions]) + "\n"
        if Checkpoint.read(text) != self:
            raise NoteMalformed("A line of a checkpoint is empty or holds a newline.")
        return text

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """Inverse of `write`; raises `NoteMalformed`."""
        check_text(text)
        origin, *lines = text[:-1].split("\n")
        if not origin or len(lines) < 2 or not all(lines):
            raise NoteMalformed("A checkpoint has at least three lines, none of them empty.")
        try:
            # SPEC tlog-checkpoint: "the ASCII decimal representation of the number of leaves in the tree, with no
            # leading zeroes"
            return cls(origin, decimal_decode(lines[0]), b64_decode(lines[1], HASH_SIZE), tuple(lines[2:]))
        except ValueError:
            raise NoteMalformed("A checkpoint's size is a decimal number, its root 32 bytes in base64.") from None


def stated_size(note: str) -> int:
    """The size that a checkpoint in a note states, which is ours or was verified; raises `NoteMalformed`."""
    return Checkpoint.read(unverified_text(note)).size


def open_checkpoint(
    note: str,
    log: NoteVerifier,
    witnesses: Collection[Verifier] = (),
    quorum: int | None = None,
    former: Collection[NoteVerifier] = (),
) -> Checkpoint:
    """The checkpoint that `log`, or a `former` key of it, signed and at least `quorum` different witnesses cosigned.

    `quorum` is 1 when there are witnesses and none was named, 0 when there are none. Raises `NoteMalformed`,
    `NoteUntrusted`.
    """
    checkpoint = Checkpoint.read(open_note(note, [log, *former]).text)
    # A pinned log key signs for its own log only, or one log could pass for another.
    if checkpoint.origin != log.name:
        raise NoteUntrusted("The checkpoint is another log's.")
    needed = (1 if witnesses else 0) if quorum is None else quorum
    if needed > 0:
        open_note(note, witnesses, needed)
    return checkpoint
