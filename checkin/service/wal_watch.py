"""Write-ahead logs of a service's databases: cut when no reader needs them any more, and shown while they are long.

A long read of one state of a database (a backup, an operator's look into a file, a closing) keeps SQLite from using
its log anew, so the log grows with every commit, and its file stays as long as it once was. Nothing here waits
for a reader for more than a moment, and no writer for this. Source: https://sqlite.org/wal.html §2.1 and §2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from checkin.files.database import LOG_BYTES, cut_log_of

WARN_BYTES: Final = 64 << 20
_DAY: Final = re.compile(r"day-[0-9]+")
_LOG: Final = "-wal"


class WalWatch(Collector):
    """Of a data folder and the folders in it. As a collector of Prometheus it gives the bytes of each kind's logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self) -> None:
        """A task: moves what it can of each long log into its file, and cuts the log where nothing reads it."""
        for log, size in self._logs():
            if size > LOG_BYTES:
                cut_log_of(log.with_name(log.name.removesuffix(_LOG)))

    def long(self) -> list[str]:
        """Of which kinds of database a log is long now."""
        return sorted({_kind(log) for log, size in self._logs() if size > WARN_BYTES})

    def collect(self) -> Iterator[Metric]:
        """Prometheus'. In whole steps of what is left alone: a log that no reader keeps long stays at 0, so no commit
        can be seen in it."""
        sizes: dict[str, int] = {}
        for log, size in self._logs():
            sizes[_kind(log)] = sizes.get(_kind(log), 0) + size // LOG_BYTES * LOG_BYTES
        gauge = GaugeMetricFamily("checkin_wal_bytes", "Of write-ahead logs, in steps of 16 MiB.", labels=["database"])
        for kind, size in sorted(sizes.items()):
            gauge.add_metric([kind], size)
        yield gauge

    def _logs(self) -> Iterator[tuple[Path, int]]:
        # Looked at, never opened: closing a descriptor of our own would drop SQLite's locks on the file (POSIX).
        for pattern in (f"*{_LOG}", f"*/*{_LOG}"):
            for path in self._folder.glob(pattern):
                with suppress(OSError):
                    yield path, path.stat().st_size


def _kind(log: Path) -> str:
    """`visits` or `ledger` for a day's file, without its day, which is not shown; else the file's own name."""
    stem = Path(log.name.removesuffix(_LOG)).stem
    return log.parent.name if _DAY.match(stem) else stem
