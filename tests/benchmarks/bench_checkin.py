"""How fast the registry is, beside a bare FastAPI handler that inserts one row durably.

    checkin bench checkin [--rounds 5] [--number 4000] [--connections 32] [--json]

Four things in turn, several times over, each server in processes of its own: single check-ins, the bare handler,
sealed batches, the bare cryptography of as many rows. Rates depend on the machine and on the load generator, which
takes its share of the cores; ratios are what can be compared. Prints medians and spread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from checkin.clock import SystemClock
from checkin.protocol.credential import Draft, Mode, Status, issue, new_opening
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.intake import Scan, seal_entry
from checkin.protocol.note import NoteVerifier
from checkin.protocol.presentation import TOKEN_SIZE, present, to_text
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey, random_bytes, verify
from checkin.service.addresses import free_ports
from tests.benchmarks.load import drive, http, measure
from tests.support import registry_service
from tests.support.service_folder import CALENDAR, bearer
from tests.support.waiting import answers, until

BARE = """
import sqlite3, os
from fastapi import FastAPI
from pydantic import BaseModel

connection = sqlite3.connect(os.environ["BARE_DB"], isolation_level=None, check_same_thread=False)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, token TEXT, scan_id TEXT UNIQUE)")
app = FastAPI()

class Body(BaseModel):
    token: str
    scan_id: str

@app.post("/v1/check-ins", status_code=201)
async def insert(body: Body) -> dict[str, str]:
    connection.execute("INSERT INTO visits (token, scan_id) VALUES (?, ?)", (body.token, body.scan_id))
    return {"result": "accepted"}
"""


def codes(seed: bytes, issuer: int, day: int, number: int) -> list[bytes]:
    """Tokens of as many different visits."""
    key, made, iat = SigningKey(seed), [], int(CALENDAR.start(day))
    for _ in range(number):
        holder = SigningKey(random_bytes(32))
        draft = Draft(day, Mode.PAPER, random_bytes(16), holder.public, random_bytes(72), new_opening(Status.NONE))
        made.append(present(issue(draft, issuer, key), holder, iat))
    return made


def bare_rows(number: int) -> float:
    """Wall-clock seconds of the cryptography that no queued check-in can do without: its entry opened, two signatures
    verified, each of a message as long as it is there."""
    intake, signer, info, message = OpeningKey(random_bytes(32)), SigningKey(random_bytes(32)), bytes(64), bytes(227)
    sealed, signature = SealingKey(intake.public).seal(bytes(TOKEN_SIZE), info), signer.sign(message)
    start = time.perf_counter()
    for _ in range(number):
        intake.open(sealed, info)
        verify(signer.public, message, signature)
        verify(signer.public, message, signature)
    return time.perf_counter() - start


class Table:
    """Figures by name: median and spread, printed as they come, or all at once as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.figures: dict[str, dict[str, float | str]] = {}
        self._as_json = as_json

    def show(self, name: str, rounds: Sequence[float], unit: str) -> None:
        """One more."""
        median, least, most = statistics.median(rounds), min(rounds), max(rounds)
        self.figures[name] = {"median": median, "min": least, "max": most, "unit": unit}
        if not self._as_json:
            print(f"{name:58} {median:9.2f} {unit:8} ({least:.2f} to {most:.2f})", flush=True)


class Bench:
    """A registry under the real clock; the codes are printed ones, which live all day (not across midnight)."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings`: further ones of the registry."""
        self.folder = folder
        self.now = SystemClock().now()
        self.day = CALENDAR.day(self.now)
        self.seed = random_bytes(32)
        self.issuer = registry_service.Issuer(1, simulated=False)
        self.issuer.keys = {self.day: SigningKey(self.seed), self.day + 1: SigningKey(random_bytes(32))}
        self.registry = registry_service.Registry(folder / "registry", [self.issuer], now=None, **settings)
        self.pool = ProcessPoolExecutor()

    def tokens(self, number: int) -> list[bytes]:
        """Made on all cores, before the clock of a round runs."""
        share = -(-number // 4)
        jobs = [self.pool.submit(codes, self.seed, 1, self.day, share) for _ in range(4)]
        return [token for job in jobs for token in job.result()][:number]

    def single(self, at: registry_service.Enrolled, number: int) -> list[bytes]:
        """Requests of single check-ins."""
        bodies = (
            json.dumps({"token": to_text(token), "scan_id": b64url_encode(random_bytes(16))}).encode()
            for token in self.tokens(number)
        )
        return [http("/v1/check-ins", body, at.scanner) for body in bodies]

    def batch(self, at: registry_service.Enrolled, intake: bytes) -> bytes:
        """One request with 1,000 queued check-ins."""
        entries = [
            b64url_encode(seal_entry(Scan(int(self.now), random_bytes(16), token), self.day, at.place, intake))
            for token in self.tokens(1000)
        ]
        return http("/v1/check-ins/batch", json.dumps({"sealed": entries}).encode(), at.scanner)

    def bare(self) -> tuple[subprocess.Popen[bytes], int]:
        """The handler to compare with."""
        (self.folder / "bare.py").write_text(BARE)
        [port] = free_ports(1)
        command = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(port), "--no-access-log"]
        process = subprocess.Popen(
            [*command, "--log-level", "warning", "--app-dir", str(self.folder)],
            env={**os.environ, "BARE_DB": str(self.folder / "bare.db")},
            start_new_session=True,
        )
        until(lambda: answers(f"http://127.0.0.1:{port}/openapi.json"))
        return process, port

    def close(self) -> None:
        """Gives back processes and threads."""
        self.pool.shutdown()
        self.issuer.stop()


def ratio(table: Table, bench: Bench, rounds: int, number: int, connections: int) -> None:
    """CPU of a check-in ÷ CPU of the bare handler, one process each, in turn."""
    bare, bare_port = bench.bare()
    try:
        with registry_service.processes(bench.registry, 1) as [server], server.client() as client:
            at = registry_service.enrol(client)
            ours, theirs = [], []
            for _ in range(rounds):
                requests = bench.single(at, number)
                ours.append(measure([server.process.pid], [server.port], requests, connections))
                theirs.append(measure([bare.pid], [bare_port], requests, connections))
    finally:
        bare.terminate()
        bare.wait()
    table.show("check-ins a second, one process", [one.rate for one in ours], "/s")
    table.show("bare handler, one process", [one.rate for one in theirs], "/s")
    table.show("CPU a check-in", [one.cpu for one in ours], "ms")
    table.show("CPU a request of the bare handler", [one.cpu for one in theirs], "ms")
    ratios = [a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)]
    table.show("CPU of a check-in ÷ CPU of the bare handler", ratios, "")
    table.show("median latency of a check-in", [one.latencies[len(one.latencies) // 2] for one in ours], "ms")
    table.show("99 % latency of a check-in", [one.latencies[len(one.latencies) * 99 // 100] for one in ours], "ms")


def two_workers(table: Table, bench: Bench, rounds: int, number: int, connections: int) -> None:
    """Single check-ins and batches, two processes on one folder."""
    with registry_service.processes(bench.registry, 2) as servers, servers[0].client() as client:
        at = registry_service.enrol(client)
        vkey = client.get("/v1/trust", headers=bearer(at.scanner)).json()["registry"]["vkey"]
        intake = registry_service.intake_keys(client, at, NoteVerifier.parse(vkey))[bench.day]
        leaders, ports = [one.process.pid for one in servers], [one.port for one in servers]
        singles = [measure(leaders, ports, bench.single(at, number), connections) for _ in range(rounds)]
        batches, bare = [], []
        for _ in range(rounds):
            uploads = [bench.batch(at, intake) for _ in range(6)]
            batches.append(upload_all(ports, uploads))
            bare.append(sum(3000 / job.result() for job in [bench.pool.submit(bare_rows, 3000) for _ in ports]))
    table.show("check-ins a second, two processes", [one.rate for one in singles], "/s")
    table.show("CPU a check-in, two processes", [one.cpu for one in singles], "ms")
    table.show("rows a second in batches of 1,000, two processes", batches, "/s")
    table.show("bare openings and verifications, two processes", bare, "/s")
    table.show("rows ÷ bare", [one / other for one, other in zip(batches, bare, strict=True)], "")


def upload_all(ports: Sequence[int], uploads: list[bytes]) -> float:
    """Rows a second, half of the batches to each process."""

    def run(port: int, mine: list[bytes]) -> None:
        drive([port], mine, 1)

    threads = [
        threading.Thread(target=run, args=(port, uploads[place :: len(ports)])) for place, port in enumerate(ports)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1000 * len(uploads) / (time.perf_counter() - start)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--number", type=int, default=4000, help="requests a round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = Table(as_json=options.json)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            ratio(table, bench, options.rounds, options.number, options.connections)
            two_workers(table, bench, options.rounds, options.number, options.connections)
        finally:
            bench.close()
    if options.json:
        print(json.dumps({"number": options.number, "rounds": options.rounds, "figures": table.figures}))


if __name__ == "__main__":
    main()
