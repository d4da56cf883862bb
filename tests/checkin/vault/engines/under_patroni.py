"""Kills the leader of a PostgreSQL cluster that Patroni runs, under load: what was acknowledged must be there.

    pip install 'patroni[etcd3]'; apt install etcd-server
    python tests/checkin/vault/engines/under_patroni.py 10       # not as root: PostgreSQL refuses that

Three members and one etcd on this machine, `synchronous_mode: quorum`, strict, as docs/scaling.md recommends. In each
round one standby is stopped for a while, then the leader's PostgreSQL and its Patroni are killed in one moment. Patroni
alone decides who takes over; the killed member comes back by itself, with its data. Writers go on through all of it, as
app nodes do. At the end every row that was ever acknowledged is looked for. Prints a line for each round and one count
of all; ends with status 1 where a row is lost or a writer's own row is refused.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))

from checkin.deployment.postgres_server import PostgresServer
from checkin.service.addresses import free_ports
from tests.checkin.vault.engines.promotion import Writers
from tests.support.databases import ask
from tests.support.waiting import answers, until

TTL: Final = 20
"""Seconds after which a leader that says nothing is none; Patroni's smallest."""
DCS: Final = {
    "ttl": TTL,
    "loop_wait": 5,
    "retry_timeout": 5,
    "synchronous_mode": "quorum",
    "synchronous_mode_strict": True,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": False,  # a slot without a reader keeps the write-ahead log, and the order of rows with it
        "parameters": {"wal_log_hints": True, "wal_keep_size": "2GB", "shared_buffers": "64MB", "max_connections": 50},
    },
}


@dataclass(frozen=True)
class Etcd:
    """One node, that keeps in a folder who leads."""

    folder: Path
    port: int
    peer_port: int

    def start(self) -> subprocess.Popen[bytes]:
        """Once it answers."""
        url, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer_port}"
        options = {
            "data-dir": self.folder,
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        with (self.folder.parent / "etcd.log").open("ab") as log:
            process = subprocess.Popen(
                ["etcd", *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log
            )
        until(lambda: answers(f"{url}/health"))
        return process


class Member:
    """A Patroni with its PostgreSQL."""

    def __init__(self, folder: Path, number: int, etcd: Etcd, passwords: dict[str, str]) -> None:
        self.name, self.folder = f"member-{number}", folder / f"{number}"
        self.folder.mkdir()
        self.port, self.api = free_ports(2)
        self._config, self._data = self.folder / "patroni.yaml", self.folder / "data"
        settings: dict[str, Any] = {
            "scope": "town",
            "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}"},
            "etcd3": {"host": f"127.0.0.1:{etcd.port}"},
            "bootstrap": {"dcs": DCS, "initdb": [{"encoding": "UTF8"}, "no-locale", {"auth": "scram-sha-256"}]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self._data),
                "bin_dir": str(PostgresServer(self.folder).programs),
                "pgpass": str(self.folder / "pgpass"),
                "parameters": {"unix_socket_directories": str(self.folder)},
                "pg_hba": [f"host {who} all 127.0.0.1/32 scram-sha-256" for who in ("all", "replication")],
                "authentication": {who: {"username": who, "password": password} for who, password in passwords.items()},
            },
        }
        self._config.touch(mode=0o600)
        self._config.write_text(yaml.safe_dump(settings))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Patroni, which starts PostgreSQL."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "patroni", str(self._config)], stdout=log, stderr=log, start_new_session=True
            )

    def signal_server(self, number: int) -> None:
        """To all processes of its PostgreSQL."""
        pid = (self._data / "postmaster.pid").read_text().split()[0]
        for process in (pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            with suppress(ProcessLookupError):
                os.kill(int(process), number)

    def kill(self) -> None:
        """Patroni and PostgreSQL, with nothing in between that either could do."""
        if self._process is not None:
            self._process.kill()
            with suppress(FileNotFoundError):
                self.signal_server(signal.SIGKILL)
            self._process.wait()

    def is_leader(self) -> bool:
        """As Patroni tells a load balancer."""
        return answers(f"http://127.0.0.1:{self.api}/primary")


class PatroniCluster:
    """Three members, one of which leads."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        passwords = {name: secrets.token_hex(16) for name in ("superuser", "replication", "rewind")}
        etcd = Etcd(folder / "etcd", *free_ports(2))
        stack.callback(etcd.start().kill)
        self.members = [Member(folder, number, etcd, passwords) for number in range(3)]
        ports = ",".join(str(member.port) for member in self.members)
        login = f"user=superuser password={passwords['superuser']} dbname=postgres"
        one = "target_session_attrs=read-write connect_timeout=3"
        self.dsn = f"host={','.join(['127.0.0.1'] * len(self.members))} port={ports} {login} {one}"
        for member in self.members:
            stack.callback(member.kill)
            member.start()
        self.await_all()

    @property
    def leader(self) -> Member:
        """Whoever takes writes now."""
        return until(lambda: next((member for member in self.members if member.is_leader()), None))

    def await_all(self) -> None:
        """All others follow the leader, and either of them may confirm."""

        def follow() -> bool:
            with suppress(httpx.TransportError, ValueError):
                members = httpx.get(f"http://127.0.0.1:{self.leader.api}/cluster", trust_env=False).json()["members"]
                states = sorted((member["role"], member["state"]) for member in members)
                return states == [("leader", "running"), *[("quorum_standby", "streaming")] * 2]
            return False

        until(follow)

    def fail_over(self) -> float:
        """Kills the leader. The seconds until another one takes writes."""
        killed, began = self.leader, time.monotonic()
        killed.kill()
        until(lambda: next((member for member in self.members if member is not killed and member.is_leader()), None))
        until(lambda: _takes_writes(self.dsn))
        away = time.monotonic() - began
        killed.start()
        return away


def _takes_writes(dsn: str) -> bool:
    import psycopg  # noqa: PLC0415 - optional

    with suppress(psycopg.Error):
        return ask(dsn, "SELECT pg_is_in_recovery()") == [(False,)]
    return False


def main() -> None:
    """The rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int)
    parser.add_argument("--rows", type=int, default=50_000, help="acknowledged in each round, at least")
    wanted = parser.parse_args()
    if os.geteuid() == 0:
        parser.error("PostgreSQL never runs as root: start this as another user.")
    chance, longest = random.Random(1), 0.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp")))
        cluster = PatroniCluster(folder, stack)
        writers = Writers(cluster.dsn, 4, 200)
        stack.callback(writers.end)
        for number in range(1, 1 + wanted.rounds):
            writers.more(wanted.rows // 2)
            behind = chance.choice([member for member in cluster.members if member is not cluster.leader])
            behind.signal_server(signal.SIGSTOP)
            writers.more(wanted.rows // 2)
            behind.signal_server(signal.SIGCONT)
            away = cluster.fail_over()
            longest = max(longest, away)
            writers.more(1)
            with writers.resting():
                cluster.await_all()
            print(
                f"round {number}: {len(writers.acknowledged)} acknowledged, {away:.1f} s without a leader", flush=True
            )
        with writers.resting():
            lost, refused = writers.lost(), writers.refused
    print(
        f"{wanted.rounds} leaders killed, the longest {longest:.1f} s: {len(writers.acknowledged)} acknowledged, "
        f"{lost} of them lost, {refused} own rows refused"
    )
    raise SystemExit(lost + refused > 0)


if __name__ == "__main__":
    main()
