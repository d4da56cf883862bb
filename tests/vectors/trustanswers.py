"""What a registry or an issuer tells a page of keys and of a log, as it should be or as a thief would have it."""

from __future__ import annotations

from typing import Any

from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey
from checkin.protocol.signed_time import TIME_STATEMENT
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import inclusion_proof, leaf_hash, subtrees
from checkin.tlog.proof import LogProof
from tests.vectors.material import CALENDAR, DAY, NOON

NOW = float(NOON)
TODAY = DAY
REGISTRY, ISSUER = NoteSigner("registry.test", SigningKey(b"\x01" * 32)), NoteSigner("a.test", SigningKey(b"\x02" * 32))
THIEF = NoteSigner("registry.test", SigningKey(b"\x03" * 32))
LOG, OTHER_LOG = (NoteSigner("retention.test/log", SigningKey(bytes([seed]) * 32)) for seed in (5, 6))
WITNESS, OTHER = Cosigner("witness.test/w1", SigningKey(b"\x07" * 32)), Cosigner("w2.test", SigningKey(b"\x08" * 32))


def issuer_list(days: dict[int, int], signer: NoteSigner = ISSUER) -> str:
    """A signed list: day → which of several keys."""
    keys = {day: SigningKey(bytes([100 + number]) * 32).public for day, number in days.items()}
    listed = IssuerList(1, {day: ListedKey(issuer_kid(1, key), key) for day, key in keys.items()})
    return sign_note(listed.text(), signer)


def answer(
    days: dict[int, int], registry: NoteSigner = REGISTRY, issuer: NoteSigner = ISSUER, nonce: str = "n" * 16
) -> dict[str, Any]:
    """What GET /v1/trust says."""
    intake = IntakeList("registry.test", {TODAY: IntakeKey(OpeningKey(b"\x04" * 32).public)}).text()
    stamp = CALENDAR.rfc3339(NOW)
    told = TIME_STATEMENT.write({"service": "registry.test", "nonce": nonce, "time": stamp})
    return {
        "registry": {"vkey": registry.verifier.vkey},
        "issuers": [{"issuer": 1, "vkey": issuer.verifier.vkey, "list": issuer_list(days, issuer)}],
        "intake": sign_note(intake, registry),
        "status_rule": [],
        "venue": {"id": "00" * 8, "name": "Café"},
        "zone": "Asia/Seoul",
        "time": stamp,
        "time_note": sign_note(told, registry),
    }


def told(content: dict[str, Any], nonce: str = "n" * 16, late: float = 0) -> dict[str, Any]:
    """An answer, the question it came for, and how far this device's clock is off."""
    return {"answer": content, "nonce": nonce, "late": late}


class InLog:
    """A log that took some lists, its head seen by some witnesses; what a service says about it."""

    def __init__(
        self, *entries: str, log: NoteSigner = LOG, seen: tuple[Cosigner, ...] = (WITNESS,), quorum: int | None = 1
    ) -> None:
        self._leaves = [leaf_hash(entry.encode()) for entry in ("an entry", *entries, "another")]
        self._tree = subtrees(self._leaves)
        text = Checkpoint(log.name, len(self._leaves), self._tree(0, len(self._leaves))).write()
        self._head = sign_note(text, log) + "".join(witness.cosign(text, NOW) for witness in seen)
        self.pins = {"vkey": log.verifier.vkey, "witnesses": [WITNESS.verifier.vkey], "quorum": quorum}

    def proof(self, entry: str) -> str:
        """That this list is in the log; of one that is not, a true proof of something else."""
        leaf = leaf_hash(entry.encode())
        index = self._leaves.index(leaf) if leaf in self._leaves else 0
        hashes = tuple(inclusion_proof(index, len(self._leaves), self._tree))
        return LogProof(index, hashes, self._head).write()


def logged(content: dict[str, Any], book: InLog | None = None, **changes: Any) -> dict[str, Any]:
    """The same answer from a registry that pins a log and shows proofs out of `book` (of one with its very lists)."""
    lists = [content["intake"], *(item["list"] for item in content["issuers"])]
    book = book or InLog(*lists)
    issuers = [item | {"proof": book.proof(item["list"])} for item in content["issuers"]]
    return content | {"issuers": issuers, "intake_proof": book.proof(content["intake"]), "log": book.pins} | changes
