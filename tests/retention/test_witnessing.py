"""The log shows its heads to witnesses, and keeps what they sign and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from checkin.errors import CheckinError, LogConflict, NoteMalformed, NoteUntrusted, NotFound, ProofInvalid, Unreachable
from checkin.protocol.note import NoteSigner, split_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Cosigner, cosignatures, open_checkpoint
from checkin.tlog.witness import SIZE_TYPE, AddCheckpoint, WatchedLog, Witness, WitnessState
from retention.log import Log
from retention.settings import WitnessSettings
from retention.witnessing import Witnessing

SIGNER = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
FIRST = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
SECOND = Cosigner("press.example/witness", SigningKey(b"\x07" * 32))
Handler = Callable[[httpx.Request], httpx.Response]


def serve(witness: Witness, now: float = 1_795_300_000.0) -> Handler:
    """The witness's side of the wire, without a network."""

    def handle(request: httpx.Request) -> httpx.Response:
        try:
            return httpx.Response(200, text=witness.add_checkpoint(request.content.decode(), now))
        except LogConflict as error:
            headers = {"Content-Type": SIZE_TYPE if error.size is not None else "text/plain"}
            return httpx.Response(409, content=f"{error.size}\n".encode(), headers=headers)
        except CheckinError as error:
            return httpx.Response(error.status, text=error.detail)

    return handle


class Asking:
    """The log's side, and the pinned witnesses."""

    def __init__(self, log: Log, http: httpx.Client, witnesses: list[WitnessSettings]) -> None:
        self.witnessing = Witnessing(log, http)
        self.witnesses = witnesses


def witnessing(log: Log, handlers: dict[str, Handler]) -> Asking:
    """The log's side, with two pinned witnesses."""

    def route(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/add-checkpoint"
        return handlers[request.url.host](request)

    pinned = [
        WitnessSettings(url="https://first/", vkey=FIRST.verifier.vkey),
        WitnessSettings(url="https://second", vkey=SECOND.verifier.vkey),
    ]
    return Asking(log, httpx.Client(transport=httpx.MockTransport(route)), pinned[: len(handlers)])


def make_witness(path: Path, cosigner: Cosigner = FIRST) -> Witness:
    """One that watches our log."""
    return Witness(WitnessState(path), cosigner, [WatchedLog(SIGNER.verifier, SIGNER.name)])


def errors(asking: Asking) -> list[type[CheckinError] | None]:
    """What came of asking each, without the sentences."""
    found: list[type[CheckinError] | None] = []
    for witness in asking.witnesses:
        try:
            asking.witnessing.show(witness)
            found.append(None)
        except CheckinError as error:
            found.append(type(error))
    return found


def test_two_witnesses_sign_each_head(tmp_path: Path) -> None:
    """And readers who want two get two."""
    log = Log(tmp_path, SIGNER, quorum=2)
    witnesses = {"first": make_witness(tmp_path / "1"), "second": make_witness(tmp_path / "2", SECOND)}
    asking = witnessing(log, {host: serve(witness) for host, witness in witnesses.items()})
    for number in range(3):
        log.append([b"%d" % number])
        assert errors(asking) == [None, None]
        both = [FIRST.verifier, SECOND.verifier]
        assert open_checkpoint(log.published(), SIGNER.verifier, both, quorum=2).size == number + 1


def test_a_witness_that_comes_beside_another_leaves_its_readers_what_they_pinned(tmp_path: Path) -> None:
    """Its folder is new, under another name; whoever pinned either one opens each head."""
    log, first = Log(tmp_path, SIGNER), serve(make_witness(tmp_path / "1"))
    log.append([b"a"])
    assert errors(witnessing(log, {"first": first})) == [None]
    both = witnessing(log, {"first": first, "second": serve(make_witness(tmp_path / "2", SECOND))})
    log.append([b"b"])
    assert errors(both) == [None, None]
    for pinned in ([FIRST.verifier], [SECOND.verifier]):
        assert open_checkpoint(log.published(), SIGNER.verifier, pinned).size == 2


def test_a_witness_that_saw_more_than_we_remember_tells_us_its_size(tmp_path: Path) -> None:
    """After a restart we ask from nothing, and go on from its answer."""
    log = Log(tmp_path, SIGNER)
    handler = serve(make_witness(tmp_path / "1"))
    log.append([b"a"])
    assert errors(witnessing(log, {"first": handler})) == [None]
    log.append([b"b", b"c"])
    assert errors(witnessing(log, {"first": handler})) == [None]
    assert errors(witnessing(log, {"first": handler})) == [None]
    assert open_checkpoint(log.published(), SIGNER.verifier, [FIRST.verifier]).size == 3


def test_asking_again_renews_the_time(tmp_path: Path) -> None:
    """One line a witness."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    witness = make_witness(tmp_path / "1")
    for now in (100.0, 200.0):
        assert errors(witnessing(log, {"first": serve(witness, now)})) == [None]
    assert cosignatures(log.checkpoint(), [FIRST.verifier]) == {FIRST.name: 200}
    assert len(split_note(log.checkpoint())[1]) == 2


def test_a_log_that_was_put_back_is_noticed(tmp_path: Path) -> None:
    """The witness remembers more than the log does."""
    witness = make_witness(tmp_path / "1")
    newer = Log(tmp_path / "newer", SIGNER)
    newer.append([b"a", b"b"])
    assert errors(witnessing(newer, {"first": serve(witness)})) == [None]
    older = Log(tmp_path / "older", SIGNER)
    older.append([b"a"])
    assert errors(witnessing(older, {"first": serve(witness)})) == [LogConflict]
    forked = Log(tmp_path / "forked", SIGNER)
    forked.append([b"x", b"y"])
    assert errors(witnessing(forked, {"first": serve(witness)})) == [ProofInvalid]
    forked.append([b"z"])
    assert errors(witnessing(forked, {"first": serve(witness)})) == [ProofInvalid]
    assert cosignatures(forked.checkpoint(), [FIRST.verifier]) == {}


def answering(status: int, text: str, kind: str = "text/plain") -> Handler:
    """A witness that always says the same."""
    return lambda _: httpx.Response(status, content=text.encode(), headers={"Content-Type": kind})


def unplugged(request: httpx.Request) -> httpx.Response:
    """Nobody there."""
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (unplugged, Unreachable),
        (answering(500, "oops"), Unreachable),
        (answering(302, ""), Unreachable),
        (answering(400, ""), NoteMalformed),
        (answering(403, ""), NoteUntrusted),
        (answering(404, ""), NotFound),
        (answering(409, "fork"), LogConflict),
        (answering(409, "many\n", SIZE_TYPE), NoteMalformed),
        (answering(409, "0\n", SIZE_TYPE), LogConflict),
        (answering(422, ""), ProofInvalid),
        (answering(200, ""), NoteMalformed),
        (answering(200, "thanks\n"), NoteMalformed),
        (answering(200, "x" * 70_000), Unreachable),
        (answering(200, SECOND.cosign("another text\n", 1)), NoteUntrusted),
        (answering(200, FIRST.cosign("another text\n", 1)), NoteUntrusted),
    ],
)
def test_a_witness_that_fails_leaves_the_checkpoint_as_it_was(
    tmp_path: Path, handler: Handler, error: type[CheckinError]
) -> None:
    """And does not stop the next one."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])
    before = log.checkpoint()
    assert errors(witnessing(log, {"first": handler})) == [error]
    assert log.checkpoint() == before
    second = serve(make_witness(tmp_path / "2", SECOND))
    assert errors(witnessing(log, {"first": handler, "second": second})) == [error, None]


def test_lines_of_other_keys_are_left_behind(tmp_path: Path) -> None:
    """A witness may send more than we asked for."""
    log = Log(tmp_path, SIGNER)
    log.append([b"a"])

    def generous(request: httpx.Request) -> httpx.Response:
        text = unverified_text(AddCheckpoint.read(request.content.decode()).note)
        return httpx.Response(200, text=SECOND.cosign(text, 1) + FIRST.cosign(text, 1))

    assert errors(witnessing(log, {"first": generous})) == [None]
    assert [item.name for item in split_note(log.checkpoint())[1]] == [SIGNER.name, FIRST.name]
