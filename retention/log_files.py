"""The public files of the log: `checkpoint` and `tile/…`, each either old or new whenever the machine stops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from checkin.errors import NotFound, NotReady
from checkin.files.durable import open_private, private_folder, sync_folder
from checkin.protocol.primitives import random_bytes
from checkin.tlog.tiles import WIDTH, Tile

_DRAFTS = "drafts"


class LogFiles:
    """Files below a folder; a file is written beside its place and then renamed, each step on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def clear_drafts(self) -> None:
        """Removes what a writer that was stopped had begun; only while nobody else writes."""
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
            with os.fdopen(open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise NotReady("The log's folder cannot be written: look at its disk, then try again.") from error

    def drop_partials(self, tile: Tile, needed: Collection[int]) -> None:
        """Removes the partial forms that this one supersedes; of one that is not full yet, none of a width that is
        `needed`: the folder alone is enough to check the checkpoint that everybody sees, now and with the next one."""
        if tile.width == WIDTH:
            shutil.rmtree(self._folder / f"{tile.path()}.p", ignore_errors=True)
            return
        for width in self._widths(tile):
            if width < tile.width and width not in needed:
                (self._folder / tile._replace(width=width).path()).unlink(missing_ok=True)

    def _widths(self, tile: Tile) -> list[int]:
        # Newest first: a wider one may replace a narrower one under our eyes, never the other way round.
        names = [path.name for path in (self._folder / f"{tile.full().path()}.p").glob("*")]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
