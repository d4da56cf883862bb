"""Several worker processes on one folder: a revocation is heard by all, a crash loses nothing, keys are shared."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import httpx

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.secret_file import read_secret
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from tests.support.registry_service import Enrolled, Issuer, Process, Registry, check_in, enrol, processes, scan_id
from tests.support.service_folder import bearer
from tests.support.serving import caller
from tests.support.waiting import until
from tests.venue.realtime import paper, today


def test_a_scanner_revoked_at_one_process_is_refused_by_the_other_at_its_next_request(
    registry: tuple[Registry, Issuer],
) -> None:
    service, issuer = registry
    with (
        processes(service, 2) as [first, second],
        first.client() as here,
        second.client() as there,
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
        with caller(f"http://127.0.0.1:{port}") as client:
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
            until(process.answers)
        if at is None:
            with running[0].client() as client:
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
    with processes(service, 1) as [server], server.client() as client:
        answers = Counter(check_in(client, at, token, scan).json().get("result") for token, scan in known)
    assert answers == {"repeated": len(known)}


def test_two_processes_that_start_at_once_on_an_empty_folder_share_one_of_everything(
    registry: tuple[Registry, Issuer],
) -> None:
    service, _ = registry
    with (
        processes(service, 2) as [first, second],
        first.client() as here,
        second.client() as there,
    ):
        at = enrol(here)
        trusts = [client.get("/v1/trust", headers=bearer(at.scanner)).json() for client in (here, there)]
    assert trusts[0]["intake"] == trusts[1]["intake"]
    assert trusts[0]["issuers"] == trusts[1]["issuers"]


def test_an_orderly_stop_answers_what_has_arrived(registry: tuple[Registry, Issuer]) -> None:
    service, issuer = registry
    with processes(service, 1) as [server], server.client() as client:
        at, token, scan = enrol(client), paper(issuer), scan_id()
        assert check_in(client, at, token, scan).status_code == 201
        os.kill(server.process.pid, signal.SIGTERM)
        until(lambda: server.process.ended)
        assert server.process.ending in ("status 0", f"signal {signal.SIGTERM:d}")
    assert "Traceback" not in server.log.read_text()


def test_a_key_destroyed_by_one_process_stops_all(registry: tuple[Registry, Issuer]) -> None:
    service, issuer = registry
    with processes(service, 2) as running:
        clients = [process.client() for process in running]
        at = enrol(clients[0])
        assert [check_in(client, at, paper(issuer)).status_code for client in clients] == [201, 201]
        ring = KeyRing(service.folder / "keys", read_secret(service.folder / "master.key"), allow_unfit=True)
        ring.entomb(KeyName(Purpose.DAY, today()), {"why": "test"})
        ring.destroy(KeyName(Purpose.DAY, today()))
        assert [check_in(client, at, paper(issuer)).status_code for client in clients] == [410, 410]
        for client in clients:
            client.close()
