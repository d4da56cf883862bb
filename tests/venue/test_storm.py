"""One code a thousand times at once, at several processes on one folder: it is good once."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from checkin.vault.engines.sqlite import create_day, path_of
from tests.conftest import Needs
from tests.support.registry_service import METRICS, Issuer, Process, Registry, enrol, processes, scan_id
from tests.support.waiting import until
from tests.venue.realtime import PATIENCE, paper, today

SUBMISSIONS = 1000
CONNECTIONS = 50
WORKERS = 2
UVICORN_SECONDS = 5  # after which it kills a worker, unless it is told another number


class Connection:
    """One kept-alive connection, so that it is known which process answers on it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connect()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Asked again, the very same, on another connection where a server has closed this one: it
        does so after five seconds at rest, which on a busy machine come between two requests."""
        while True:
            with suppress(ConnectionResetError, BrokenPipeError):
                self._socket.sendall(request)
                return self._answer()
            self.close()
            self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def _answer(self) -> tuple[int, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        [length] = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < length:
            body += self._more()
        return int(head[9:12]), body

    def _more(self) -> bytes:
        if not (data := self._socket.recv(65536)):
            raise ConnectionResetError
        return data

    def check_in(self, scanner: str, token: str) -> str:
        """The result or the problem's code; asked again as long as the answer is to come back later."""
        while True:
            body = json.dumps({"token": token, "scan_id": scan_id()})
            head = f"POST /v1/check-ins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {scanner}\r\n"
            status, answer = self.ask(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            if status != 503:
                members = json.loads(answer)
                return str(members.get("code", members.get("result")))
            time.sleep(0.05)

    def counted(self) -> int:
        """How many check-ins the service behind this connection has accepted or refused, in all of its workers."""
        _, text = self.ask(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {METRICS}\r\n\r\n".encode())
        every = [line for line in text.decode().splitlines() if line.startswith("checkin_check_ins_total{")]
        lines = [line for line in every if "not_ready" not in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    def close(self) -> None:
        self._socket.close()


def connected(ports: Sequence[int]) -> list[Connection]:
    """To one port after the other, in turns."""
    return [Connection(ports[number % len(ports)]) for number in range(CONNECTIONS)]


def storm(connections: Sequence[Connection], scanner: str, token: str) -> tuple[Counter[str], Counter[int], list[int]]:
    """One code submitted 1,000 times at once: results, answers a port, and what the processes counted."""
    results: Counter[str] = Counter()
    answered: Counter[int] = Counter()
    start, lock = threading.Barrier(len(connections)), threading.Lock()

    def run(connection: Connection) -> None:
        start.wait()
        mine = [connection.check_in(scanner, token) for _ in range(SUBMISSIONS // len(connections))]
        with lock:
            results.update(mine)
            answered[connection.port] += len(mine)

    threads = [threading.Thread(target=run, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = sorted({connection.counted() for connection in connections})
    for connection in connections:
        connection.close()
    return results, answered, counted


def test_one_code_a_thousand_times_at_two_processes_is_accepted_once_also_after_a_restart(
    registry: tuple[Registry, Issuer],
) -> None:
    service, issuer = registry
    token = paper(issuer)
    with processes(service, 2) as running:
        ports = [process.port for process in running]
        with running[0].client() as client:
            at = enrol(client)
        results, answered, _ = storm(connected(ports), at.scanner, token)
        assert results == {"accepted": 1, "already_used": SUBMISSIONS - 1}
        assert set(answered) == set(ports), "only one process answered"
    with processes(service, 2) as running:
        results, answered, _ = storm(connected([process.port for process in running]), at.scanner, token)
        assert results == {"already_used": SUBMISSIONS}
        assert len(answered) == 2


def test_one_code_a_thousand_times_at_one_server_with_two_workers_is_accepted_once(
    registry: tuple[Registry, Issuer], needs: Needs
) -> None:
    needs("processes to be stopped for a moment", Path("/proc/self/stat").exists(), "run on Linux")
    service, issuer = registry
    with processes(service, 1, workers=WORKERS) as [server]:
        with server.client() as client:
            at = enrol(client)
        results, _, counted = storm(dealt(server), at.scanner, paper(issuer))
    assert results == {"accepted": 1, "already_used": SUBMISSIONS - 1}
    assert counted == [SUBMISSIONS], "either of the two shows what both have counted"


def test_a_worker_that_a_busy_machine_keeps_from_answering_is_not_killed(
    registry: tuple[Registry, Issuer], needs: Needs
) -> None:
    needs("processes to be stopped for a moment", Path("/proc/self/stat").exists(), "run on Linux")
    with processes(registry[0], 1, workers=WORKERS) as [server]:
        workers = until(lambda: workers_of(server.process.pid, WORKERS))
        with held(workers[0]):
            time.sleep(UVICORN_SECONDS + 2)
        assert workers_of(server.process.pid, WORKERS) == workers


def dealt(server: Process) -> list[Connection]:
    """Half of the connections to each of two workers: while one is held still, the other takes what comes.

    The kernel alone deals them out as it likes, on an idle machine sometimes all to one.
    """
    connections: list[Connection] = []
    workers = until(lambda: workers_of(server.process.pid, WORKERS))
    with held(server.process.pid):  # or it takes a worker that is held for dead, and starts another in its place
        for worker in workers:
            with held(worker):
                connections += [Connection(server.port) for _ in range(CONNECTIONS // 2)]
                for connection in connections[-CONNECTIONS // 2 :]:
                    connection.counted()  # once it is answered, it is known where it ended
        connections[0].counted()  # by the worker that was held last
    assert len(connections) == CONNECTIONS
    return connections


@contextmanager
def held(process: int) -> Iterator[None]:
    """It does nothing meanwhile."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def workers_of(server: int, count: int) -> list[int] | None:
    """The processes that a server started to do its work, once there are so many; one more only keeps its books."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found if len(found) == count else None


def test_without_the_unique_constraint_the_same_storm_is_accepted_more_than_once(
    registry: tuple[Registry, Issuer],
) -> None:
    """The control: what the two tests above measure is the constraint, and nothing else would save them."""
    service, issuer = registry
    with processes(service, 2) as running:
        with running[0].client() as client:
            at = enrol(client)
        path = path_of(service.folder / "data" / "visits", today())
        create_day(path, ordered=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("DROP INDEX rows_key")
        results, _, _ = storm(connected([process.port for process in running]), at.scanner, paper(issuer))
    assert results["accepted"] > 1
