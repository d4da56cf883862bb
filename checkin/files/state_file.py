"""A small SQLite file for state that must not be forgotten: one commit or nothing, on the disk before it returns.

For the heads of logs (a log's own, and those that a witness has seen), which are written a few times a day.
Opens in Datasette and `sqlite-utils` as it is. Source: https://sqlite.org/fileformat2.html §1.6.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlite_utils

from checkin.errors import NotReady
from checkin.files.database import committing, connect, cut_log, opening
from checkin.files.durable import private_folder

NOTES_PAGE: Final = 16384
"""For files of signed notes. SQLite cuts a row that does not fit into a page, perhaps within a hash, whose rest could
read as a phone number to an audit; a list of 64 days of keys has 8 KiB and its signatures."""


class StateFile:
    """One connection, used by one thread at a time; other processes may have the file open too."""

    def __init__(
        self, path: Path, migrate: Callable[[sqlite_utils.Database], None], timeout: float = 10.0, page: int = 4096
    ) -> None:
        """Makes the file if need be, with pages of so many bytes; `migrate` makes what is missing in it. `timeout`
        seconds for another's lock. Raises `DatabaseUnusable`."""
        self._lock = threading.RLock()
        with opening(path):
            private_folder(path.parent)
            self._connection = connect(path, timeout, page)
            self._tables = sqlite_utils.Database(self._connection)
            try:
                with committing(self._connection):
                    migrate(self._tables)
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite_utils.Database]:
        """The tables, for this thread alone. Errors of the disk, or waiting too long, are `NotReady`."""
        with self._lock:
            try:
                yield self._tables
            except sqlite3.OperationalError as error:
                raise NotReady("The database did not carry this out: look at its disk, then try again.") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite_utils.Database]:
        """As `reading`, as one commit or nothing; durable when the block ends without an error."""
        with self.reading() as tables, committing(self._connection):
            yield tables

    def settle(self, day: int) -> None:
        """Writes the file anew, in the order of its keys, at the first call of a day (in any process): rows lie in a
        page in the order in which they came, and older versions of it in the write-ahead log."""
        with self.reading() as tables:
            if write_anew(tables, day) and not cut_log(self._connection):  # once more in the next round
                tables.execute("PRAGMA application_id = 0")

    def cut_log(self) -> None:
        """What was overwritten or deleted is gone from the write-ahead log, too, unless somebody reads it now."""
        with self.reading():
            cut_log(self._connection)

    def close(self) -> None:
        """Gives back the file."""
        with self._lock:
            self._connection.close()


def write_anew(tables: sqlite_utils.Database, day: int) -> bool:
    """The file in the order of its keys, unless it was written anew on this day already; whether it was done now.

    SQLite's `application_id` is the day on which it was done last. What is in the write-ahead log stays there.
    """
    if tables.execute("PRAGMA application_id").fetchone() == (day,):
        return False
    tables.execute("VACUUM")
    tables.execute(f"PRAGMA application_id = {day}")
    return True
