"""A witness: another organisation that cosigns a log's checkpoint only if it continues every one it saw before.

Source: c2sp.org/tlog-witness. So a log cannot show one history to some and another to others, as long as readers
require the witness's line. What it saw is on the disk before it signs; a log is known by its pinned key alone. Over
HTTP (`create_app`): POST /add-checkpoint, GET /HASH/checkpoint, and GET /healthz with its name and key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import sqlite_utils
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from checkin.clock import Clock
from checkin.errors import CheckinError, LogConflict, NoteMalformed, NotFound, ProofInvalid, RequestTooLarge
from checkin.files.database import StateFile
from checkin.protocol.encoding import b64_decode, b64_encode, decimal_decode
from checkin.protocol.note import NoteVerifier, decode_note, join_note, open_note, split_note, unverified_text
from checkin.protocol.primitives import sha256
from checkin.tlog.checkpoint import Checkpoint, Cosigner
from checkin.tlog.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency

MAX_REQUEST: Final = 256 * 1024
MAX_PROOF_LINES: Final = 63
# Pairs of checkpoints kept of one log. Any caller can send a true one with a wrong proof; two roots of one size need
# the log's key, so the one never crowds out the other.
_MOST_DOUBTS: Final = 100
_MOST_FORKS: Final = 200
_SHOW: Final = """INSERT INTO cosigned (origin, size, note) VALUES (:origin, :size, :note)
    ON CONFLICT (origin) DO UPDATE SET size = :size, note = :note WHERE cosigned.size <= :size"""
_SWAP: Final = """INSERT INTO heads (origin, size, root, note) VALUES (:origin, :size, :root, :note)
    ON CONFLICT (origin) DO UPDATE SET size = :size, root = :root, note = :note
    WHERE heads.size = :old_size AND heads.root = :old_root"""
_KEEP: Final = """INSERT INTO evidence (origin, seen, shown) SELECT :origin, :seen, :shown
    WHERE (SELECT count(*) FROM evidence WHERE origin = :origin) < :most ON CONFLICT DO NOTHING"""
SIZE_TYPE = "text/x.tlog.size"


class WatchedLog(NamedTuple):
    """A log's key, and the first line of its checkpoints, which need not be the key's name."""

    verifier: NoteVerifier
    origin: str


@dataclass(frozen=True)
class AddCheckpoint:
    """The body of an add-checkpoint: the size that the sender builds on, the proof from there, the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    def write(self) -> str:
        """The body, each line with its newline."""
        lines = [f"old {self.old}", *map(b64_encode, self.proof)]
        return "\n".join(lines) + "\n\n" + self.note

    @classmethod
    def read(cls, body: str) -> AddCheckpoint:
        """Inverse of `write`; raises `NoteMalformed`."""
        head, blank, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        # SPEC tlog-witness: "The client MUST NOT send more than 63 consistency proof lines."
        if not blank or not first.startswith("old ") or len(lines) > MAX_PROOF_LINES:
            raise NoteMalformed("The body is an old size, at most 63 hashes, an empty line, and a checkpoint.")
        try:
            return cls(decimal_decode(first[4:]), tuple(b64_decode(line, HASH_SIZE) for line in lines), note)
        except ValueError:
            raise NoteMalformed("The old size is a decimal number, each hash 32 bytes in base64.") from None


def _migrate(tables: sqlite_utils.Database) -> None:
    columns = {"origin": str, "size": int, "root": bytes, "note": str}
    tables.table("heads").create(columns, pk="origin", not_null=set(columns), strict=True, if_not_exists=True)
    shown = {"origin": str, "size": int, "note": str}
    tables.table("cosigned").create(shown, pk="origin", not_null=set(shown), strict=True, if_not_exists=True)
    found = {"origin": str, "seen": str, "shown": str}
    tables.table("evidence").create(found, pk=("origin", "seen", "shown"), strict=True, if_not_exists=True)


class WitnessState(StateFile):
    """witness.sqlite: the newest tree head of each log that was cosigned, and checkpoints that did not continue it
    (docs/spec/log.md §8)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _migrate)

    def head(self, origin: str) -> Checkpoint:
        """The newest tree head that was cosigned; that of an empty log before there is any."""
        found = self.rows("SELECT size, root FROM heads WHERE origin = ?", origin)
        return Checkpoint(origin, *(found[0] if found else (0, EMPTY_ROOT)))

    def show(self, checkpoint: Checkpoint, note: str) -> None:
        """Keeps what monitors are shown, the checkpoint with the log's and this witness's lines; the largest stays."""
        values = {"origin": checkpoint.origin, "size": checkpoint.size, "note": note}
        with self.writing() as tables:
            tables.execute(_SHOW, values)

    def shown(self, origin: str) -> str | None:
        """What `show` kept of a log; None before there is any."""
        found = self.rows("SELECT note FROM cosigned WHERE origin = ?", origin)
        return str(found[0][0]) if found else None

    def swap(self, old: Checkpoint, new: Checkpoint, note: str) -> None:
        """Compare and swap, on the disk when it returns; raises `LogConflict` when `old` is not the newest."""
        values = {"origin": new.origin, "size": new.size, "root": new.root, "note": note}
        with self.writing() as tables:
            if tables.execute(_SWAP, {**values, "old_size": old.size, "old_root": old.root}).rowcount == 1:
                return
        raise LogConflict("Another head of this log came in between.", self.head(new.origin).size)

    def keep_evidence(self, origin: str, note: str, most: int) -> None:
        """Keeps the checkpoint seen here beside another that the log signed, for people to inspect; `most` of a log."""
        with self.writing() as tables:
            row = tables.execute("SELECT note FROM heads WHERE origin = ?", [origin]).fetchone()
            values = {"origin": origin, "seen": row[0] if row else "", "shown": note, "most": most}
            tables.execute(_KEEP, values)

    def evidence(self) -> list[tuple[str, str, str]]:
        """(origin, the checkpoint that was cosigned, the one that did not continue it), for each that was found."""
        return self.rows("SELECT origin, seen, shown FROM evidence")


class Witness:
    """The rules of tlog-witness, for the logs that it was given."""

    def __init__(self, state: WitnessState, cosigner: Cosigner, logs: Iterable[WatchedLog]) -> None:
        self.state = state
        self.cosigner = cosigner
        self.logs: dict[str, list[NoteVerifier]] = {}
        for log in logs:
            self.logs.setdefault(log.origin, []).append(log.verifier)

    def add_checkpoint(self, body: str, now: float) -> str:
        """The cosignature line over the submitted checkpoint.

        Raises `NoteMalformed` (400), `NoteUntrusted` (403), `NotFound` for an unknown log (404), `LogConflict` (409,
        with `size` when another old size is needed), `ProofInvalid` (422).
        """
        request = AddCheckpoint.read(body)
        checkpoint = self._signed(request.note)
        # SPEC tlog-witness: "The old size MUST be equal to or lower than the checkpoint size."
        if request.old > checkpoint.size:
            raise NoteMalformed("The old size is larger than the checkpoint's.")
        seen = self.state.head(checkpoint.origin)
        if request.old != seen.size:
            raise LogConflict("The old size is not that of the newest head seen here.", seen.size)
        self._reject_fork(seen, checkpoint, request)
        # SPEC tlog-witness: "The witness MUST persist the new checkpoint before responding."
        self.state.swap(seen, checkpoint, request.note)
        cosignature = self.cosigner.cosign(checkpoint.write(), now)
        self.state.show(checkpoint, join_note(checkpoint.write(), [*self._verified(request.note), cosignature]))
        return cosignature

    def monitored(self, origin_hash: str) -> str:
        """The newest checkpoint of the log with this SHA-256 of its origin, in hexadecimal: with the lines that the log
        signed and this witness verified, and its own. Raises `NotFound`."""
        for origin in self.logs:
            if sha256(origin.encode()).hex() == origin_hash and (note := self.state.shown(origin)):
                return note
        raise NotFound("This witness has cosigned no checkpoint of that log.")

    def _verified(self, note: str) -> list[str]:
        text, lines = split_note(note)
        verifiers = self.logs[Checkpoint.read(text).origin]
        known = {(verifier.name, verifier.key_id) for verifier in verifiers}
        return [line.line() for line in lines if (line.name, line.key_id) in known]

    def _signed(self, note: str) -> Checkpoint:
        checkpoint = Checkpoint.read(unverified_text(note))
        if checkpoint.origin not in self.logs:
            raise NotFound("This witness does not know that log.")
        open_note(note, self.logs[checkpoint.origin])
        return checkpoint

    def _reject_fork(self, seen: Checkpoint, checkpoint: Checkpoint, request: AddCheckpoint) -> None:
        """Raises `ProofInvalid` for two roots of one size, and for a checkpoint that does not continue `seen`."""
        # SPEC tlog-witness: "the witness MUST check that the root hashes are also identical"; the empty log's is known.
        if seen.size == checkpoint.size and seen.root != checkpoint.root:
            self._keep_evidence(checkpoint, request.note, _MOST_FORKS)
            raise ProofInvalid("The log signed another root for the size that was seen here.")
        try:
            verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, request.proof)
        except ProofInvalid:
            if seen.root != checkpoint.root:  # one tree head with a proof that it needs not is evidence of nothing
                self._keep_evidence(checkpoint, request.note, _MOST_DOUBTS)
            raise

    def _keep_evidence(self, checkpoint: Checkpoint, note: str, most: int) -> None:
        """Keeps each of the log's own lines once: any caller can add others, and each would make a row of its own."""
        lines = sorted(set(self._verified(note)))
        self.state.keep_evidence(checkpoint.origin, join_note(checkpoint.write(), lines), most)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST:
            raise RequestTooLarge("A request to a witness has at most 256 KiB.")
    return bytes(body)


def create_app(witness: Witness, clock: Clock) -> Starlette:
    """The ASGI application; needs no settings but the witness itself."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = decode_note(await _read_body(request))
            return PlainTextResponse(await run_in_threadpool(witness.add_checkpoint, body, clock.now()))
        except LogConflict as error:
            if error.size is None:
                return PlainTextResponse(f"{error.detail}\n", error.status)
            # SPEC tlog-witness: "The response MUST have a `Content-Type` of `text/x.tlog.size`."
            return Response(f"{error.size}\n", error.status, media_type=SIZE_TYPE, headers={"Content-Type": SIZE_TYPE})
        except CheckinError as error:
            return PlainTextResponse(f"{error.detail}\n", error.status)

    async def monitored(request: Request) -> Response:
        try:
            return PlainTextResponse(await run_in_threadpool(witness.monitored, request.path_params["origin_hash"]))
        except CheckinError as error:
            return PlainTextResponse(f"{error.detail}\n", error.status)

    async def healthz(_request: Request) -> Response:
        verifier = witness.cosigner.verifier
        simulated = "simulated" if clock.simulated else "real"
        return JSONResponse({"status": "ok", "witness": verifier.name, "vkey": verifier.vkey, "clock": simulated})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", monitored, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
        ]
    )
