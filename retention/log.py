"""The transparency log: entries that stay, under checkpoints that only grow, as files that any reader can check.

An entry gets its place in the database first; then the tiles are written; then the tree head is swapped against the
one before it; only then is a checkpoint signed and shown. After a stop at any point, opening the log goes on from
there and comes to the same bytes. docs/spec/log.md; the order is FiloSottile/sunlight's.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from checkin.errors import (
    LogBehind,
    LogConflict,
    NoteMalformed,
    NoteUntrusted,
    NotFound,
    NotReady,
    ProofInvalid,
    RequestTooLarge,
    SettingsInvalid,
)
from checkin.files.durable import new_file, private_folder, sync_folder
from checkin.files.format import require_format
from checkin.protocol.note import NoteSigner, NoteVerifier, decode_note, join_note, signed_by, split_note
from checkin.protocol.primitives import random_bytes
from checkin.tlog.checkpoint import Checkpoint, open_checkpoint, stated_size
from checkin.tlog.merkle import HASH_SIZE, RootBuilder, consistency_proof, inclusion_proof, leaf_hash, root
from checkin.tlog.proof import LogProof
from checkin.tlog.tiles import (
    ENTRIES,
    MAX_ENTRY,
    WIDTH,
    Tile,
    TileHashes,
    fetch_tile,
    new_tiles,
    parse_path,
    split_tile,
    tile_of,
    write_bundle,
)
from checkin.vault.engines.sqlite import Turn
from retention.log_state import Head, LogState

_CHECKPOINT = "checkpoint"
_FORKED = "The log in this folder is older than what it has published: put back its newest database, never a copy."
_BROKEN = "The entries in the database do not lead to the root that was signed: put back an unaltered database."
_OTHER_KEY = (
    "The log in this folder was signed with another key than log.key: put that one back, or name its verifier key in "
    "log_former (docs/operating.md, Changing long-lived keys)."
)
_DRAFTS = "drafts"


@dataclass
class _Asked:
    """Entries that a thread appends, and their places once they have them."""

    entries: Sequence[bytes]
    places: list[int] | None = None


class OutsideRecord(Protocol):
    """What is known of the log outside its folder (`retention.continuity`)."""

    def require(self, head: Head, root_at: Callable[[int], bytes | None], note: str | None) -> None:
        """Raises `LogBehind` unless all that is known to be signed leads to `head`."""

    def sign(self, head: Head) -> None:
        """Keeps a tree head that is about to be signed."""


class Log:
    """One log in one folder: `log.sqlite` for itself, `checkpoint` and `tile/` for all readers.

    Threads and processes may share the folder; those that append at once share one checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        signer: NoteSigner,
        quorum: int = 0,
        outside: OutsideRecord | None = None,
        former: Collection[NoteVerifier] = (),
    ) -> None:
        """Opens or makes the log named `signer.name`, and finishes what was begun. When it is `behind` what is known of
        it outside its folder, it signs nothing.

        With a `quorum`, a checkpoint is shown once that many witnesses have cosigned it, and the one before until
        then. `former`: keys that signed its checkpoints before; where one signed the newest, `signer` signs that same
        tree head anew. Raises `LogConflict` when the database was rolled back or altered, `SettingsInvalid` when it is
        another log's, or another key signs its checkpoints.
        """
        self.origin = signer.name
        self._signer = signer
        self._former = tuple(former)
        self._quorum = quorum
        self._outside = outside  # until it was queried
        self._record: OutsideRecord | None = None  # from then on
        self.behind: LogBehind | None = None
        """Why nothing is signed; None once it was seen that the log is the newest."""
        self._files = LogFiles(folder)
        require_format(folder, "log")
        self._state = LogState(folder / "log.sqlite", self.origin)
        self._turn = Turn(folder)
        self._queue: list[_Asked] = []
        self._queue_lock = threading.Lock()
        with self._turn.taken():
            self._files.clear_drafts()
            self._reject_rollback()
            self._mend_tiles()
            with suppress(LogBehind):
                self._advance()

    def resume(self) -> None:
        """Looks again whether the log is the newest, if that is not known yet, and goes on. Raises `LogBehind`."""
        if self.behind is not None:
            with self._turn.taken():
                self._advance()

    # --- writing ------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[bytes]) -> list[int]:
        """The place of each entry; all are under a signed checkpoint when it returns.

        An entry that is there already keeps its place, so a caller that got no answer sends it again. Raises
        `RequestTooLarge` for an entry of more than 65,535 bytes.
        """
        if any(len(entry) > MAX_ENTRY for entry in entries):
            raise RequestTooLarge("An entry of the log has at most 65,535 bytes.")
        asked = _Asked(entries)
        with self._queue_lock:
            self._queue.append(asked)
        with self._turn.taken():
            if asked.places is None:
                self._serve(asked)
        return asked.places or []

    def _serve(self, own: _Asked) -> None:
        """One commit and one checkpoint for all that wait. If it fails, each of the others tries by itself."""
        with self._queue_lock:
            served, self._queue = self._queue, []
        try:
            self._require_newest()  # before an entry gets a place that another one may have
            places = iter(self._state.sequence([entry for asked in served for entry in asked.entries]))
            self._advance()
        except BaseException:
            with self._queue_lock:
                self._queue = [asked for asked in served if asked is not own] + self._queue
            raise
        for asked in served:
            asked.places = list(islice(places, len(asked.entries)))

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        """Keeps verified cosignatures with the checkpoint of that size; a witness's newer line replaces its older."""
        with self._turn.taken():
            note = self._state.note(size)
            if note is None:
                raise NotFound("The log has no checkpoint of this size.")
            text, signatures = split_note(note)
            kept = {(item.name, item.key_id): item for item in signatures}
            for item in split_note(join_note(text, lines))[1]:
                kept[item.name, item.key_id] = item
            self._state.keep_note(size, join_note(text, [item.line() for item in kept.values()]))
            self._publish()

    def _require_newest(self) -> None:
        """Once a process, before it signs anything. Raises `LogBehind`."""
        if self._outside is not None:
            note = next((note for _, note in self._state.notes()), None)
            try:
                self._outside.require(self._state.head(), self._state.root, note)
            except LogBehind as error:
                self.behind = error
                raise
            self._outside, self._record = None, self._outside
        self.behind = None

    def _advance(self) -> None:
        self._require_newest()
        head = self._state.head()
        size = self._state.count()
        if size > head.size:
            new = Head(size, self._root_after(head, size))
            self._write_tiles(head.size, size)
            # Compare-and-swap before signing: a process that lost the race has signed nothing.
            self._state.swap(head, new)
        needed = self._publish()
        for tile in new_tiles(head.size, size):
            self._files.drop_partials(tile, {tile_of(tile.level, tile.number * WIDTH, kept).width for kept in needed})

    def _root_after(self, head: Head, size: int) -> bytes:
        builder = RootBuilder(self._hashes(head.size).frontier(), head.size)
        if builder.root() != head.root:
            raise LogConflict("The tiles in the log's folder were altered: open the log again to make them anew.")
        for leaf in self._state.leaf_hashes(head.size, size):
            builder.add(leaf)
        return builder.root()

    def _write_tiles(self, old: int, size: int) -> None:
        for tile in new_tiles(old, size):
            self._files.write(tile.path(), self._content(tile, old))

    def _content(self, tile: Tile, old: int) -> bytes:
        first = tile.number * WIDTH
        last = first + tile.width
        if tile.level == ENTRIES:
            return self._bundle(first, last)
        before = b""
        if first < old >> 8 * tile.level:  # some of it is there, and led to the tree head before
            before = self._files.read(tile_of(tile.level, first, old).path())
        first += len(before) // HASH_SIZE
        if tile.level == 0:
            return before + b"".join(self._state.leaf_hashes(first, last))
        below = (self._read(Tile(tile.level - 1, at)) for at in range(first, last))
        return before + b"".join(root(split_tile(data, WIDTH)) for data in below)

    def _bundle(self, first: int, last: int) -> bytes:
        entries = self._state.entries(first, last)
        if [leaf_hash(entry) for entry in entries] != self._state.leaf_hashes(first, last):
            raise LogConflict(_BROKEN)
        return write_bundle(entries)

    def _publish(self) -> list[int]:
        """Signs the newest tree head if this key has not, and shows the newest checkpoint that has its quorum. Returns
        the sizes that need their tiles: the one that is shown, 0 if there is none yet, and the newer ones, of which
        each may have its witnesses next."""
        head = self._state.head()
        note = self._state.note(head.size)
        newest = self._outside is None  # cosignatures come also while that is not known
        if newest and (note is None or not signed_by(note, self._signer.verifier)):
            text = Checkpoint(self.origin, head.size, head.root).write()
            cosignatures = [] if note is None else self._cosignatures(note, text)
            if self._record is not None:
                self._record.sign(head)
            self._state.keep_note(head.size, join_note(text, [self._signer.sign(text), *cosignatures]))
        notes = self._state.notes()
        ready = next((note for _, note in notes if self._cosigners(note) >= self._quorum), None)
        if ready is not None and ready.encode() != self._shown():
            self._files.write(_CHECKPOINT, ready.encode())
        checkpoint = self._shown_checkpoint()  # it may be older than all of these notes
        least = checkpoint.size if checkpoint else 0
        return [least, *(size for size, _ in notes if size > least)]

    def _cosignatures(self, note: str, text: str) -> list[str]:
        """The witnesses' lines of a checkpoint of this text that a former key signed: they stay good when the present
        one signs it anew. Raises `SettingsInvalid` for any other."""
        signed, lines = split_note(note)
        if signed != text or not any(signed_by(note, former) for former in self._former):
            raise SettingsInvalid(_OTHER_KEY)
        return [line.line() for line in lines if line.name != self.origin]

    def _cosigners(self, note: str) -> int:
        return len({item.name for item in split_note(note)[1]} - {self.origin})

    # --- opening ------------------------------------------------------------------------------------------------

    def _shown(self) -> bytes | None:
        try:
            return self._files.read(_CHECKPOINT)
        except NotFound:
            return None

    def _shown_checkpoint(self) -> Checkpoint | None:
        """None also for a file that no key of this log signed: it proves nothing, and is written anew."""
        try:
            return open_checkpoint(decode_note(self._shown() or b""), self._signer.verifier, former=self._former)
        except (NoteMalformed, NoteUntrusted):
            return None

    def _reject_rollback(self) -> None:
        """Raises `LogConflict` when this log once showed a checkpoint that its database does not know.

        To go on would sign a second history. A copy that was moved elsewhere is not noticed here but by witnesses.
        """
        checkpoint = self._shown_checkpoint()
        if checkpoint and self._state.root(checkpoint.size) != checkpoint.root:
            raise LogConflict(_FORKED)

    def _mend_tiles(self) -> None:
        """Makes the tiles anew when they do not lead to the tree head; raises `LogConflict` when the entries do not."""
        head = self._state.head()
        if root(self._state.leaf_hashes(0, head.size)) != head.root:
            raise LogConflict(_BROKEN)
        try:
            mended = head.size == 0 or self._hashes(head.size).subtree(0, head.size) == head.root
        except (NotFound, ProofInvalid):
            mended = False
        if not mended:
            self._write_tiles(0, head.size)

    # --- reading ------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many entries are under the newest checkpoint."""
        return self._state.head().size

    def checkpoint(self) -> str:
        """The newest signed checkpoint, with the cosignatures it has so far."""
        return self._state.notes()[0][1]  # there is one since the log was made

    def published(self) -> str:
        """The newest checkpoint with its quorum of cosignatures, which readers see; raises `NotFound` before."""
        return decode_note(self._files.read(_CHECKPOINT))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that the entry is in the log of `size` entries; raises `NotFound`."""
        newest = self.size()
        if not 0 <= index < size <= newest:
            raise NotFound("The log has no such entry at this size.")
        return inclusion_proof(index, size, self._hashes(newest).subtree)

    def proof(self, index: int) -> str:
        """The proof of an entry to carry along (tlog-proof), under the published checkpoint; raises `NotFound`."""
        note = self.published()
        size = stated_size(note)
        return LogProof(index, tuple(self.inclusion(index, size)), note).write()

    def consistency(self, old: int, size: int) -> list[bytes]:
        """The proof that the log of `size` entries continues that of `old`; raises `NotFound`."""
        newest = self.size()
        if not 0 <= old <= size <= newest:
            raise NotFound("The log has not had these sizes.")
        return consistency_proof(old, size, self._hashes(newest).subtree)

    def file(self, path: str) -> bytes:
        """A public file, `checkpoint` or a tile by its path; raises `NotFound`, `NoteMalformed` for another path."""
        return self._files.read(path) if path == _CHECKPOINT else self._files.tile(parse_path(path))

    def _hashes(self, size: int) -> TileHashes:
        return TileHashes(size, self._read)

    def _read(self, tile: Tile) -> bytes:
        return fetch_tile(self.file, tile)

    def close(self) -> None:
        """Gives back the database."""
        self._turn.close()
        self._state.close()


class LogFiles:
    """The public files of the log: `checkpoint` and `tile/…`, each either old or new whenever the machine stops. One is
    written beside its place and then renamed, each step on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def clear_drafts(self) -> None:
        """Removes what a writer that was stopped had begun; only while there is no other writer."""
        shutil.rmtree(self._folder / _DRAFTS, ignore_errors=True)

    def read(self, path: str) -> bytes:
        """The file's bytes; raises `NotFound`."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound(f"The log has no file {path}.") from None

    def tile(self, tile: Tile) -> bytes:
        """A tile's bytes; of a partial one that was superseded, out of the wider one. Raises `NotFound`."""
        try:
            return self.read(tile.path())
        except NotFound:
            for width in self._widths(tile):
                if tile.width < width < WIDTH:
                    return tile.cut(self.read(tile._replace(width=width).path()))
            raise

    def write(self, path: str, data: bytes) -> None:
        """Makes or replaces the file; on the disk when it returns. Raises `NotReady` when the disk refuses."""
        target = self._folder / path
        draft = self._folder / _DRAFTS / random_bytes(8).hex()
        try:
            _make_folder(draft.parent)
            _make_folder(target.parent)
            with new_file(draft) as file:
                file.write(data)
            draft.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise NotReady("The log's folder cannot be written: look at its disk, then try again.") from error

    def drop_partials(self, tile: Tile, needed: Collection[int]) -> None:
        """Removes the partial forms that this one supersedes; of one that is not full yet, none of a width that is
        `needed`: the folder alone is enough to check the checkpoint that readers see, now and with the next one."""
        if tile.width == WIDTH:
            shutil.rmtree(self._folder / f"{tile.path()}.p", ignore_errors=True)
            return
        for width in self._widths(tile):
            if width < tile.width and width not in needed:
                (self._folder / tile._replace(width=width).path()).unlink(missing_ok=True)

    def _widths(self, tile: Tile) -> list[int]:
        # Newest first: a wider one may replace a narrower one under our eyes, never the other way round.
        names = [path.name for path in (self._folder / f"{tile._replace(width=WIDTH).path()}.p").glob("*")]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
