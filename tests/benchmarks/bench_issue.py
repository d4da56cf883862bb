"""Measurements of issuing: `checkin bench issue [--batches N] [--rounds R] [--json]`.

Processor seconds (all threads of the process) a credential, each set against the bare cryptography that none can do
without, one HPKE seal and one signature, run in turn with it: 1 would be an issuer that does nothing else. `made` is
what is done ten times a batch, `issued` the whole batch as a route asks for it: holder keys checked, quota, the ledger
row sealed and on the disk. HTTP is not in it: that are the last figures, of a whole batch as a wallet asks for it, over
16 connections to a process of its own, all of whose processor time is counted. Where its state lies in PostgreSQL, that
server's own processor time is not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[2]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from checkin.deployment.postgres_server import let_through
from checkin.protocol.credential import Draft, Mode, Status, issue, new_opening, seal_subject, visit_context
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey
from checkin.vault.ledger import visit_id
from issuer.contact import Contact
from issuer.credential_batches import BATCH_SIZE
from issuer.service import Issuer
from tests.benchmarks.load import http
from tests.benchmarks.load import measure as drive_and_measure
from tests.support.databases import name_database, running
from tests.support.issuer_service import Site, enrol, holder_keys, publics
from tests.support.service_folder import DAY
from tests.support.serving import Process, ready

Figures = dict[str, list[float]]


def microseconds(work: Callable[[], object], credentials: int) -> float:
    """Processor time of a credential."""
    start = process_time()
    work()
    return (process_time() - start) * 1e6 / credentials


def bare(count: int) -> Callable[[], object]:
    """One HPKE seal of an inner seal and one signature of what a credential signs, by the library itself."""
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    authority, signing = X25519PrivateKey.generate().public_key(), Ed25519PrivateKey.generate()
    inner, info, message = os.urandom(24), os.urandom(35), os.urandom(196)

    def work() -> None:
        for _ in range(count):
            suite.encrypt(inner, authority, info=info)
            signing.sign(message)

    return work


def made(count: int) -> Callable[[], object]:
    """What the issuer does for each credential."""
    authority, signing = SealingKey(OpeningKey(os.urandom(32)).public), SigningKey(os.urandom(32))
    seal_key, sigma, holder = os.urandom(32), os.urandom(32), publics(1)[0]

    def work() -> None:
        for index in range(count):
            visit = visit_id(sigma, index)
            sealed = seal_subject(seal_key, authority, 1, visit_context(1, DAY, visit))
            issue(Draft(DAY, Mode.SCREEN, visit, holder, sealed, new_opening(Status.NONE)), 1, signing)

    return work


def issued(issuer: Issuer, batches: int, first: int) -> Callable[[], object]:
    """Whole batches, each for another person."""
    people = [enrol(issuer, "x", f"+8210{20000000 + first + number}") for number in range(batches)]
    keys = [publics() for _ in people]

    def work() -> None:
        for subject, holders in zip(people, keys, strict=True):
            issuer.batches.issue(subject, DAY, Mode.SCREEN, holders)

    return work


def asked_for(issuer: Issuer, batches: int, first: int) -> list[bytes]:
    """Requests, each of another person."""
    people = [issuer.accounts.register(Contact("x", f"+8210{50000000 + first + at}")).token for at in range(batches)]
    bodies = (json.dumps({"day": DAY, "holder_keys": holder_keys()[1]}).encode() for _ in people)
    return [http("/v1/credentials", body, token) for token, body in zip(people, bodies, strict=True)]


def over_http(issuer: Issuer, server: Process, batches: int, first: int) -> float:
    """Processor time of a batch, in milliseconds."""
    return drive_and_measure([server.process.pid], [server.port], asked_for(issuer, batches, first), 16).cpu


def measure(batches: int, rounds: int) -> Figures:
    """All figures of all rounds; the first round only warms up."""
    figures: Figures = {}
    count = batches * BATCH_SIZE
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp")))
        let_through(folder)
        sites = {engine: Site.make(folder / engine) for engine in ("SQLite", "PostgreSQL")}
        dsn = stack.enter_context(running(folder)).dsn
        name_database(sites["PostgreSQL"].config, dsn)
        issuers = {engine: stack.enter_context(site.open()) for engine, site in sites.items()}
        servers = {engine: site.process() for engine, site in sites.items()}
        stack.enter_context(ready([*servers.values()], "/healthz"))
        for number in range(rounds + 1):
            times = {
                "bare": microseconds(bare(count), count),
                "made": microseconds(made(count), count),
                "issued": microseconds(issued(issuers["SQLite"], batches, number * batches), count),
            }
            for name, value in times.items() if number else ():
                figures.setdefault(f"µs a credential, {name}", []).append(value)
                if name != "bare":
                    figures.setdefault(f"bare ÷ {name}", []).append(times["bare"] / value)
            for engine, server in servers.items():
                whole = over_http(issuers[engine], server, batches, number * batches)
                if number:
                    figures.setdefault(f"ms a batch over HTTP, {engine}", []).append(whole)
                    figures.setdefault(f"over HTTP ÷ bare, {engine}", []).append(
                        whole / times["bare"] / BATCH_SIZE * 1000
                    )
    return figures


def main() -> None:
    """Runs the rounds and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description="Measures issuing.")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.batches, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{'':34}{'median':>10}{'least':>10}{'most':>10}")
    for name, values in figures.items():
        print(f"{name:34}{statistics.median(values):10.2f}{min(values):10.2f}{max(values):10.2f}")


if __name__ == "__main__":
    main()
