"""Several worker processes on one folder: a code is good once, a revocation is heard by all, a crash loses nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from checkin.clock import Calendar, SystemClock
from checkin.credential import Mode
from checkin.encoding import b64url_encode
from checkin.keyring import KeyName, KeyRing, Purpose
from checkin.primitives import random_bytes
from checkin.secretfile import read_secret
from checkin.stores import dayfile
from tests.conftest import Needs
from tests.noon import zone_at_noon
from tests.venue.conftest import NewIssuer
from tests.venue.world import (
    METRICS,
    Enrolled,
    Issuer,
    Phone,
    Process,
    Registry,
    bearer,
    check_in,
    enrol,
    processes,
    scan_id,
)

SUBMISSIONS = 1000
CONNECTIONS = 50
PATIENCE = 120.0  # seconds for an answer: on a slow machine, with all of these at once
CALENDAR = Calendar(zone_at_noon())


def paper(issuer: Issuer) -> str:
    """A code that lives all of today, by the real clock."""
    [day] = [day for day in issuer.keys if day == today()]
    return Phone(issuer, day, mode=Mode.PAPER).at(CALENDAR.start(day))


def today() -> int:
    """The service day by the real clock."""
    return CALENDAR.day(SystemClock().now())


@pytest.fixture
def registry(tmp_path: Path, new_issuer: NewIssuer) -> tuple[Registry, Issuer]:
    """A registry under the real clock, as in production."""
    issuer = new_issuer(1, simulated=False, day=today())
    return Registry(tmp_path / "registry", [issuer], now=None, zone=CALENDAR.zone), issuer


class Connection:
    """One kept-alive connection, so that it is known which process answers on it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        [length] = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < length:
            body += self._socket.recv(65536)
        return int(head[9:12]), body

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
        """How many check-ins the process behind this connection has accepted or refused."""
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
        with httpx.Client(base_url=running[0].url, timeout=PATIENCE) as client:
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
    with processes(service, 1, workers=2) as [server]:
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            at = enrol(client)
        results, _, counted = storm(dealt(server), at.scanner, paper(issuer))
    assert results == {"accepted": 1, "already_used": SUBMISSIONS - 1}
    assert counted == [SUBMISSIONS // 2], "each of the two had its half"


def dealt(server: Process) -> list[Connection]:
    """Half of the connections to each of two workers: while one is held still, the other takes what comes.

    The kernel alone deals them out as it likes, on an idle machine sometimes all to one.
    """
    connections: list[Connection] = []
    for worker in workers_of(server.process.pid):
        os.kill(worker, signal.SIGSTOP)
        try:
            connections += [Connection(server.port) for _ in range(CONNECTIONS // 2)]
            for connection in connections[-CONNECTIONS // 2 :]:
                connection.counted()  # once it is answered, it is known where it ended
        finally:
            os.kill(worker, signal.SIGCONT)
    assert len(connections) == CONNECTIONS
    return connections


def workers_of(server: int) -> list[int]:
    """The processes that a server started to do its work; one more only keeps its books."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def test_without_the_unique_constraint_the_same_storm_is_accepted_more_than_once(
    registry: tuple[Registry, Issuer],
) -> None:
    """The control: what the two tests above measure is the constraint, and nothing else would save them."""
    service, issuer = registry
    with processes(service, 2) as running:
        with httpx.Client(base_url=running[0].url, timeout=PATIENCE) as client:
            at = enrol(client)
        path = dayfile.path_of(service.folder / "data" / "visits", today())
        dayfile.create(path, ordered=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("DROP INDEX rows_key")
        results, _, _ = storm(connected([process.port for process in running]), at.scanner, paper(issuer))
    assert results["accepted"] > 1


def test_a_scanner_revoked_at_one_process_is_refused_by_the_other_at_its_next_request(
    registry: tuple[Registry, Issuer],
) -> None:
    service, issuer = registry
    with (
        processes(service, 2) as [first, second],
        httpx.Client(base_url=first.url, timeout=PATIENCE) as here,
        httpx.Client(base_url=second.url, timeout=PATIENCE) as there,
    ):
        at = enrol(here)
        assert check_in(there, at, paper(issuer)).status_code == 201
        revoked = here.delete(f"/v1/venues/{at.venue_id}/scanners/{at.scanner_id}", headers=bearer(at.operator))
        assert revoked.status_code == 204
        assert check_in(there, at, paper(issuer)).status_code == 401
        assert check_in(here, at, paper(issuer)).status_code == 401


def acknowledged(port: int, at: Enrolled, codes: list[tuple[str, str]], known: list[tuple[str, str]]) -> None:
    """Submits until the process dies; what was answered with 201 is kept in `known`."""
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            for token, scan in codes:
                while (status := check_in(client, at, token, scan).status_code) == 503:
                    time.sleep(0.01)
                if status == 201:
                    known.append((token, scan))
    except httpx.TransportError:
        return


def test_killing_the_processes_under_load_loses_nothing_that_was_acknowledged(
    registry: tuple[Registry, Issuer],
) -> None:
    service, issuer = registry
    codes = [(paper(issuer), b64url_encode(random_bytes(16))) for _ in range(1600)]
    known: list[tuple[str, str]] = []
    at: Enrolled | None = None
    for attempt in range(4):
        running = [Process(service), Process(service)]
        for process in running:
            process.ready()
        if at is None:
            with httpx.Client(base_url=running[0].url, timeout=PATIENCE) as client:
                at = enrol(client)
        share = [codes[attempt * 400 + number * 50 :][:50] for number in range(8)]
        threads = [
            threading.Thread(target=acknowledged, args=(running[number % 2].port, at, mine, known))
            for number, mine in enumerate(share)
        ]
        before = len(known)
        for thread in threads:
            thread.start()
        while len(known) < before + 40 * (attempt + 1):
            assert any(thread.is_alive() for thread in threads)
            time.sleep(0.002)
        for process in running:
            process.kill()
        for thread in threads:
            thread.join()
    assert at is not None
    assert 160 <= len(known) < len(codes), "the kill came too early or too late"
    with processes(service, 1) as [server], httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        answers = Counter(check_in(client, at, token, scan).json().get("result") for token, scan in known)
    assert answers == {"repeated": len(known)}


def test_two_processes_that_start_at_once_on_an_empty_folder_share_one_of_everything(
    registry: tuple[Registry, Issuer],
) -> None:
    service, _ = registry
    with (
        processes(service, 2) as [first, second],
        httpx.Client(base_url=first.url, timeout=PATIENCE) as here,
        httpx.Client(base_url=second.url, timeout=PATIENCE) as there,
    ):
        at = enrol(here)
        trusts = [client.get("/v1/trust", headers=bearer(at.scanner)).json() for client in (here, there)]
    assert trusts[0]["intake"] == trusts[1]["intake"]
    assert trusts[0]["issuers"] == trusts[1]["issuers"]


def test_an_orderly_stop_answers_what_has_arrived(registry: tuple[Registry, Issuer]) -> None:
    service, issuer = registry
    with processes(service, 1) as [server], httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        at, token, scan = enrol(client), paper(issuer), scan_id()
        assert check_in(client, at, token, scan).status_code == 201
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    assert "Traceback" not in server.log.read_text()


def test_a_key_destroyed_by_one_process_stops_all(registry: tuple[Registry, Issuer]) -> None:
    service, issuer = registry
    with processes(service, 2) as running:
        clients = [httpx.Client(base_url=process.url, timeout=PATIENCE) for process in running]
        at = enrol(clients[0])
        assert [check_in(client, at, paper(issuer)).status_code for client in clients] == [201, 201]
        ring = KeyRing(service.folder / "keys", read_secret(service.folder / "master.key"), allow_unfit=True)
        ring.entomb(KeyName(Purpose.DAY, today()), {"why": "test"})
        ring.destroy(KeyName(Purpose.DAY, today()))
        assert [check_in(client, at, paper(issuer)).status_code for client in clients] == [410, 410]
        for client in clients:
            client.close()
