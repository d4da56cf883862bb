"""An order waits in the log until a witness has seen it, also when the log has published nothing at all before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkin.errors import NotReady
from checkin.http.client import Client
from checkin.protocol.note import NoteSigner, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Cosigner
from checkin.tlog.merkle import leaf_hash
from checkin.tlog.proof import PinnedLog
from checkin.tlog.submission import submit_and_wait
from checkin.tracing.trace import silent
from retention.log import Log

SIGNER = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
WITNESS = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
ENTRY = "an entry\n"


PINNED = PinnedLog(SIGNER.verifier, (WITNESS.verifier,), 1)


class Service(Client):
    """The retention service's log, asked without a network."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def post(self, path: str, body: Any = None) -> Any:  # noqa: ARG002 - as the client
        return {"index": self._log.append([body["note"].encode()])[0]}

    def get_bytes(self, path: str) -> bytes:
        return self._log.file(path.removeprefix("/"))


def test_an_order_in_a_log_that_waits_for_its_first_witness_is_published_once_that_has_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The officer waits some seconds, and is not told that there is no log."""
    log = Log(tmp_path, SIGNER, quorum=1)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            log.add_cosignatures(1, [WITNESS.cosign(unverified_text(log.checkpoint()), 1_795_300_000.0)])

    monkeypatch.setattr("checkin.tlog.submission.time.sleep", sleep)
    proof = submit_and_wait(Service(log), ENTRY, PINNED, silent)
    assert (proof.index, len(waited)) == (0, 2)
    assert leaf_hash(ENTRY.encode()) in log.file("tile/0/000.p/1")


def test_an_order_whose_witness_never_signs_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute the officer is told to trace again later."""
    log = Log(tmp_path, SIGNER, quorum=1)
    monkeypatch.setattr("checkin.tlog.submission.time.sleep", lambda _: None)
    with pytest.raises(NotReady, match="witnesses"):
        submit_and_wait(Service(log), ENTRY, PINNED, silent)
