"""A witness of a retention service's log, as a process of its own, and what a test does around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from checkin.deployment.child import Child, end
from checkin.service.addresses import free_ports
from checkin.tlog.checkpoint import CosignatureVerifier
from checkin.tlog.witness_folder import add_log, make_folder
from tests.support.retention_service import TOKEN, Retention
from tests.support.service_folder import bearer
from tests.support.waiting import answers, until

BEARER = bearer(TOKEN)


class Witness:
    """Its folder, its address, and the process while it runs."""

    def __init__(self, folder: Path, clock: Path, log: str) -> None:
        self.verifier = make_folder(folder, "witness.example/w1", simulated=True)
        add_log(folder, log)
        self._folder, self._clock = folder, clock
        [self._port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the end of the block; it answers from the beginning."""
        options = ["--port", str(self._port), "--simulated-clock", str(self._clock)]
        process = Child(["witness", "serve", "--dir", str(self._folder), *options], self._folder / "log")
        try:
            until(lambda: answers(f"{self.url}/healthz"))
            yield
        finally:
            end([process])


def watch(retention: Retention, folder: Path, quorum: int = 1) -> Witness:
    """A witness that the retention service pins and that does not run yet."""
    parts = retention.parts()
    witness = Witness(folder, retention.clock, parts.log_verifier.vkey)
    parts.close()
    pin(retention, witness.url, witness.verifier, quorum=quorum)
    return witness


def pin(retention: Retention, url: str, *verifiers: CosignatureVerifier, quorum: int = 1) -> None:
    """From now on the settings name these witnesses, all at one address."""
    rows = ", ".join(f'{{ url = "{url}", vkey = "{verifier.vkey}" }}' for verifier in verifiers)
    with retention.config.open("a") as file:
        file.write(f"witnesses = [{rows}]\nquorum = {quorum}\n")


def bring(client: httpx.Client, note: str) -> int:
    """The place of a statement in the log."""
    answer = client.post("/v1/entries", json={"note": note}, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["index"])


def published(client: httpx.Client) -> str | None:
    """The newest head that everybody is given."""
    answer = client.get("/checkpoint")
    return answer.text if answer.status_code == 200 else None
