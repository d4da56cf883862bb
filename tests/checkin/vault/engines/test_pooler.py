"""Behind a pooler that gives each transaction whichever connection is free: a real pgbouncer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from checkin.files import postgres_connection
from checkin.files.postgres_connection import Postgres
from tests.conftest import Needs
from tests.support.databases import ask
from tests.support.waiting import until

PGBOUNCER = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
SETTINGS = """[databases]
postgres = host={host} port=5432
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = 6432
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 2
"""


def answers(dsn: str) -> bool:
    """Whether it lets somebody in."""
    try:
        return ask(dsn, "SELECT 1") == [(1,)]
    except Error:
        return False


@pytest.fixture
def pooled(needs: Needs, request: pytest.FixtureRequest) -> Iterator[str]:
    """A DSN of a pooler with two connections to the server of this session."""
    needs("pgbouncer", PGBOUNCER, "apt-get install pgbouncer")
    direct = conninfo_to_dict(request.getfixturevalue("postgres_server").dsn)
    user = 65534 if os.geteuid() == 0 else None  # it refuses to be root
    with TemporaryDirectory(prefix="checkin-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"checkin" "{direct["password"]}"\n')
        (folder / "settings").write_text(SETTINGS.format(host=direct["host"], folder=folder))
        if user:
            for path in (folder, *folder.iterdir()):  # whatever the umask that another test left
                shutil.chown(path, user, user)
        command = [str(PGBOUNCER), str(folder / "settings")]
        dsn = make_conninfo("", **{**direct, "host": name, "port": "6432"})
        with subprocess.Popen(command, user=user, group=user) as process:
            until(lambda: process.poll() is not None or answers(dsn))
            assert process.poll() is None
            yield dsn
            process.kill()


def told(dsn: str) -> int:
    """What somebody is told who asks for seven, after another one has asked for minus seven on the connection that is
    free now. Of each question the driver would prepare the sixth and later ones."""

    def ask_often(database: Postgres, question: str) -> int:
        replies = [database.run(lambda one: one.execute(question, [7]).fetchall()) for _ in range(8)]
        return int(replies[-1][0][0])

    with ExitStack() as stack:
        one, other, third = (Postgres(dsn) for _ in range(3))
        for database in (one, other, third):
            stack.callback(database.close)
        ask_often(one, "SELECT $1::int")
        with third.borrowed() as busy, busy.transaction():
            busy.execute("SELECT 1")  # on the connection that was used last
            ask_often(other, "SELECT -$1::int")
        with third.borrowed() as busy, busy.transaction():
            busy.execute("SELECT 1")
            return ask_often(one, "SELECT $1::int")


def test_each_is_told_what_he_asked_for(pooled: str) -> None:
    assert told(pooled) == 7


def test_control_what_is_prepared_is_somebody_elses_behind_a_pooler(
    pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an error: names of prepared statements are the driver's, the same on each connection."""
    monkeypatch.setattr(postgres_connection, "_is_pooled", lambda _: False)
    assert told(pooled) == -7


def test_without_a_pooler_statements_are_prepared(dsn: str) -> None:
    database = Postgres(dsn)
    for _ in range(8):
        database.run(lambda one: one.execute("SELECT $1::int", [7]).fetchall())
    [(number,)] = database.run(lambda one: one.execute("SELECT count(*) FROM pg_prepared_statements").fetchall())
    assert number == 1
    database.close()
