"""Kills the primary of a PostgreSQL cluster under load and promotes a standby: what was acknowledged must be there.

    python tests/checkin/vault/engines/promotion.py 20                 # rounds, with two standbys of which any confirms
    python tests/checkin/vault/engines/promotion.py 20 --asynchronous  # the control: nobody confirms, and rows are lost

In each round a standby is stopped for a while, all are just before the kill, and the one that has received most takes
over. Writers go on through all of it, as app nodes do: whoever hears nothing asks again with the very same rows, until
each is said to be in. At the end every row that was ever acknowledged is looked for. Prints a line for each round and
one count of all; ends with status 1 where a row is lost or a writer's own row is refused.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))

from checkin.deployment.postgres_server import PostgresServer, let_through
from checkin.errors import NotReady
from checkin.files.postgres_connection import Postgres
from checkin.vault.engines import Row
from checkin.vault.engines.postgres import PostgresStore
from tests.checkin.vault.engines.workers import DAY, a_row
from tests.support.databases import ask
from tests.support.waiting import PATIENCE, until

WAITING: Final = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
RECEIVED: Final = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')"
RECEIVING: Final = "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
KEPT: Final = {"wal_keep_size": "2GB"}
"""So that a standby that was behind finds what it lacks at whoever took over."""
CHUNK: Final = 1000
UNSEEN: Final = 4000
"""Rows whose write-ahead log no longer fits into the buffer of a socket whose reader is stopped."""


def become_standby(copy: PostgresServer, of: PostgresServer, dsn: str) -> None:
    """Starts `copy` on a copy of another server's cluster; it follows whichever server of the DSN takes writes."""
    data, owner = copy.folder / "run" / "data", (of.folder / "run" / "data").stat()
    shutil.rmtree(data, ignore_errors=True)
    for folder in (copy.folder, data.parent):
        folder.mkdir(exist_ok=True)
        os.chown(folder, owner.st_uid, owner.st_gid)
    shutil.copy2(of.folder / "password", copy.folder / "password")
    of.run(["pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-d", dsn])
    copy.start(KEPT)


class Writers:
    """Threads that insert batches of rows and go on through all that happens, each until its rows are in."""

    def __init__(self, dsn: str, count: int, batch: int) -> None:
        self.acknowledged: list[Row] = []
        self._taken: list[bool] = []
        self._dsn, self._batch = dsn, batch
        self._ended, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._database = Postgres(dsn, size=count, patience=2.0)
        self._threads = [threading.Thread(target=self._write) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        store = PostgresStore(self._database, "visits")
        while self._going.wait() and not self._ended.is_set():
            rows = [a_row() for _ in range(self._batch)]
            while True:
                try:
                    self._taken += store.insert(DAY, rows)
                    break
                except NotReady:
                    if self._ended.is_set():
                        return
            self.acknowledged += rows

    @property
    def refused(self) -> int:
        """How many of their own rows were taken for another's."""
        return self._taken.count(False)

    def more(self, rows: int) -> None:
        """Until so many more were acknowledged."""
        enough = len(self.acknowledged) + rows
        until(lambda: len(self.acknowledged) >= enough)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """They finish their batches and begin no other."""
        self._going.clear()
        yield
        self._going.set()

    def end(self) -> None:
        """After the batches that are under way, or the first of their tries that fails."""
        self._ended.set()
        self._going.set()
        for thread in self._threads:
            thread.join()
        self._database.close()

    def lost(self, since: int = 0) -> int:
        """How many acknowledged rows, from that one on, the database that takes writes does not have. Asked with the
        patience that writers, who try again, do without."""
        store, rows, lost = (
            PostgresStore(Postgres(self._dsn, patience=PATIENCE), "visits"),
            self.acknowledged[since:],
            0,
        )
        for at in range(0, len(rows), CHUNK):
            some = rows[at : at + CHUNK]
            found = store.get(DAY, [row.key for row in some])
            lost += sum(found.get(row.key) != row for row in some)
        store.close()
        return lost


class Cluster:
    """A primary and its standbys in a folder, which may lose one server at a time."""

    def __init__(self, folder: Path, standbys: int, *, synchronous: bool) -> None:
        servers = [PostgresServer(folder / f"{number}") for number in range(1 + standbys)]
        self.primary, *self.standbys = servers
        self.synchronous = synchronous
        try:
            self._begin(servers)
        except BaseException:
            self.close()
            raise

    def _begin(self, servers: list[PostgresServer]) -> None:
        self.primary.start(KEPT)
        hosts = ",".join(str(server.folder / "run") for server in servers)
        password = (self.primary.folder / "password").read_text(encoding="ascii").strip()
        # As `read_dsn` completes what an operator writes: without a bound on connecting, a stopped host holds up all.
        one = "target_session_attrs=read-write connect_timeout=3"
        self.dsn = f"host='{hosts}' user=checkin dbname=postgres password={password} {one}"
        if self.synchronous:  # before it is copied: whoever takes over must wait for standbys, too
            ask(self.primary.dsn, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
            ask(self.primary.dsn, "SELECT pg_reload_conf()")
        for standby in self.standbys:
            become_standby(standby, self.primary, self.dsn)
        self.await_standbys()

    def await_standbys(self) -> None:
        """All follow."""
        state = "state = 'streaming'" + (" AND sync_state = 'quorum'" if self.synchronous else "")
        count = f"SELECT count(*) FROM pg_stat_replication WHERE {state}"  # noqa: S608 - words of ours
        until(lambda: ask(self.primary.dsn, count) == [(len(self.standbys),)])

    def fail_over(self, writers: Writers | None = None) -> float:
        """Kills the primary while its standbys are behind; the one that has received most takes over. The seconds."""
        for standby in self.standbys:
            send(standby, signal.SIGSTOP)
        if self.synchronous:
            until(lambda: ask(self.primary.dsn, WAITING))
        elif writers:
            writers.more(UNSEEN)
        self.primary.kill()
        began = time.monotonic()
        for standby in self.standbys:
            send(standby, signal.SIGCONT)
        until(lambda: not any(ask(standby.dsn, RECEIVING) for standby in self.standbys))  # what they have they have
        killed, self.primary = self.primary, max(self.standbys, key=lambda standby: ask(standby.dsn, RECEIVED)[0][0])
        self.standbys = [*(standby for standby in self.standbys if standby is not self.primary), killed]
        ask(self.primary.dsn, "SELECT pg_promote()")
        return time.monotonic() - began

    def add_killed(self) -> None:
        """The server that was killed, as a standby of the new primary."""
        become_standby(self.standbys[-1], self.primary, self.dsn)
        self.await_standbys()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for server in (self.primary, *self.standbys):
            server.kill()


def send(server: PostgresServer, number: int) -> None:
    """A signal to all processes of a server."""
    pid = (server.folder / "run" / "data" / "postmaster.pid").read_text().split()[0]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in (pid, *children):
        with suppress(ProcessLookupError):
            os.kill(int(process), number)


@contextmanager
def under_load(
    standbys: int, *, synchronous: bool, writers: int = 3, batch: int = 200
) -> Iterator[tuple[Cluster, Writers]]:
    """A cluster whose day has its first rows."""
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        let_through(Path(name))
        with Cluster(Path(name), standbys, synchronous=synchronous) as cluster:
            load = Writers(cluster.dsn, writers, batch)
            try:
                load.more(batch)
                yield cluster, load
            finally:
                load.end()


def main() -> None:
    """The rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int)
    parser.add_argument("--rows", type=int, default=50_000, help="acknowledged in each round, at least")
    parser.add_argument("--asynchronous", action="store_true", help="nobody confirms: rows are lost")
    wanted = parser.parse_args()
    chance, longest, lost, since = random.Random(1), 0.0, 0, 0
    with under_load(2, synchronous=not wanted.asynchronous, writers=4) as (cluster, writers):
        for number in range(1, 1 + wanted.rounds):
            writers.more(wanted.rows // 2)
            behind = chance.choice(cluster.standbys)
            send(behind, signal.SIGSTOP)
            writers.more(wanted.rows // 2)
            away = cluster.fail_over(writers)
            writers.more(1)
            with writers.resting():
                cluster.add_killed()
                gone, since = writers.lost(since), len(writers.acknowledged)
            lost, longest = lost + gone, max(longest, away)
            print(f"round {number}: {since} acknowledged, {gone} lost, {away:.1f} s without a primary", flush=True)
        with writers.resting():
            lost, refused = max(lost, writers.lost()), writers.refused
    told = f"{since} acknowledged, {lost} of them lost, {refused} own rows refused"
    print(f"{wanted.rounds} promotions, the longest {longest:.1f} s: {told}")
    raise SystemExit(refused > 0 or (lost > 0) != wanted.asynchronous)


if __name__ == "__main__":
    main()
