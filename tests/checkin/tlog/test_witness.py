"""A witness cosigns what continues, and nothing else: the cases of c2sp.org/tlog-witness, one by one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from checkin.errors import CheckinError, LogConflict, NoteMalformed, NoteUntrusted, NotFound, ProofInvalid
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import NoteSigner, sign_note, split_note, unverified_text
from checkin.protocol.primitives import SigningKey, sha256
from checkin.tlog.checkpoint import Checkpoint, Cosigner, cosignatures, open_checkpoint
from checkin.tlog.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root, subtrees
from checkin.tlog.witness import MAX_REQUEST, AddCheckpoint, WatchedLog, Witness, WitnessState, create_app

LOG = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
WATCHED = WatchedLog(LOG.verifier, LOG.name)
COSIGNER = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
LEAVES = [leaf_hash(bytes([number])) for number in range(20)]
FORGED = [leaf_hash(b"forged"), *LEAVES[1:]]
NOW = 1_795_300_000.0


def head(size: int, leaves: list[bytes] = LEAVES) -> str:
    """The signed head of the true log, or of a forged one."""
    return sign_note(Checkpoint(LOG.name, size, root(leaves[:size])).write(), LOG)


def request(old: int, size: int, leaves: list[bytes] = LEAVES) -> str:
    """What the log sends."""
    return AddCheckpoint(old, tuple(consistency_proof(old, size, subtrees(leaves))), head(size, leaves)).write()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """One that watches one log and has seen nothing."""
    state = WitnessState(tmp_path / "witness.sqlite")
    yield Witness(state, COSIGNER, [WATCHED])
    state.close()


def test_a_log_that_grows_is_cosigned_each_time(witness: Witness) -> None:
    """And its readers can ask for that."""
    for old, size in ((0, 1), (1, 7), (7, 8), (8, 20)):
        note = head(size) + witness.add_checkpoint(request(old, size), NOW)
        assert open_checkpoint(note, LOG.verifier, [COSIGNER.verifier]).size == size
        assert cosignatures(note, [COSIGNER.verifier]) == {COSIGNER.name: int(NOW)}
    assert witness.state.head(LOG.name).size == 20
    assert witness.state.evidence() == []


def test_no_fork_leads_across_a_change_of_the_log_s_key(tmp_path: Path) -> None:
    """A witness that has both keys cosigns the same head under the new one, and under neither what does not continue;
    without the former it takes nothing that only that one signed."""
    new = NoteSigner(LOG.name, SigningKey(b"\x15" * 32))
    anew = sign_note(unverified_text(head(7)), new)
    state = WitnessState(tmp_path / "witness.sqlite")
    witness = Witness(state, COSIGNER, [WATCHED, WatchedLog(new.verifier, LOG.name)])
    witness.add_checkpoint(request(0, 7), NOW)
    line = witness.add_checkpoint(AddCheckpoint(7, (), anew).write(), NOW)
    assert open_checkpoint(anew + line, new.verifier, [COSIGNER.verifier]).size == 7
    for signer in (LOG, new):
        forged = sign_note(unverified_text(head(8, FORGED)), signer)
        with pytest.raises(ProofInvalid):
            witness.add_checkpoint(
                AddCheckpoint(7, tuple(consistency_proof(7, 8, subtrees(FORGED))), forged).write(), NOW
            )
    with pytest.raises(NoteUntrusted):
        Witness(state, COSIGNER, [WatchedLog(new.verifier, LOG.name)]).add_checkpoint(request(7, 8), NOW)
    state.close()


def test_the_same_head_is_cosigned_again_with_a_newer_time(witness: Witness) -> None:
    """So a quiet log can show that it is still watched."""
    witness.add_checkpoint(request(0, 5), NOW)
    again = witness.add_checkpoint(request(5, 5), NOW + 60)
    assert cosignatures(head(5) + again, [COSIGNER.verifier]) == {COSIGNER.name: int(NOW) + 60}


def test_an_empty_log_is_cosigned(witness: Witness) -> None:
    """If its root is that of nothing."""
    assert witness.add_checkpoint(request(0, 0), NOW)
    lie = sign_note(Checkpoint(LOG.name, 0, b"\x01" * 32).write(), LOG)
    with pytest.raises(ProofInvalid):
        witness.add_checkpoint(AddCheckpoint(0, (), lie).write(), NOW)


@pytest.mark.parametrize("old", [0, 4, 6, 7])
def test_another_old_size_is_answered_with_the_right_one(witness: Witness, old: int) -> None:
    """409, and the size that was seen here."""
    witness.add_checkpoint(request(0, 5), NOW)
    with pytest.raises(LogConflict) as caught:
        witness.add_checkpoint(request(old, 8), NOW)
    assert caught.value.size == 5


def test_an_older_head_is_not_cosigned(witness: Witness) -> None:
    """A log does not go back: either the old size is wrong, or it is larger than the head."""
    witness.add_checkpoint(request(0, 5), NOW)
    with pytest.raises(LogConflict):
        witness.add_checkpoint(request(3, 4), NOW)
    with pytest.raises(NoteMalformed, match="larger"):
        witness.add_checkpoint(AddCheckpoint(5, (), head(4)).write(), NOW)


def test_a_second_root_for_one_size_is_not_cosigned_and_kept_as_evidence(witness: Witness) -> None:
    """422: both heads are signed by the log, which says it all."""
    witness.add_checkpoint(request(0, 5), NOW)
    with pytest.raises(ProofInvalid):
        witness.add_checkpoint(AddCheckpoint(5, (), head(5, FORGED)).write(), NOW)
    assert witness.state.evidence() == [(LOG.name, head(5), head(5, FORGED))]
    assert witness.state.head(LOG.name).root == root(LEAVES[:5])


def test_a_rewritten_log_is_not_cosigned(witness: Witness) -> None:
    """422: no proof leads from what was seen to what is shown."""
    witness.add_checkpoint(request(0, 5), NOW)
    for body in (
        request(5, 9, FORGED),
        AddCheckpoint(5, (), head(9)).write(),
        AddCheckpoint(5, (LEAVES[0],) * 4, head(9)).write(),
        AddCheckpoint(5, (LEAVES[0],), head(5)).write(),
    ):
        with pytest.raises(ProofInvalid):
            witness.add_checkpoint(body, NOW)
    assert witness.state.head(LOG.name).size == 5
    assert (LOG.name, head(5), head(9, FORGED)) in witness.state.evidence()
    assert witness.add_checkpoint(request(5, 9), NOW)


def test_a_proof_from_nothing_is_refused(witness: Witness) -> None:
    """ "The proof MUST be empty if the old size is zero."."""
    with pytest.raises(ProofInvalid):
        witness.add_checkpoint(AddCheckpoint(0, (LEAVES[0],), head(5)).write(), NOW)


def test_strangers_are_told_apart(witness: Witness) -> None:
    """An unknown log is 404, an unknown key for a known log 403, a bad signature too."""
    other = NoteSigner("other.example/log", SigningKey(b"\x05" * 32))
    unknown = sign_note(Checkpoint(other.name, 0, EMPTY_ROOT).write(), other)
    with pytest.raises(NotFound):
        witness.add_checkpoint(AddCheckpoint(0, (), unknown).write(), NOW)
    imposter = NoteSigner(LOG.name, SigningKey(b"\x09" * 32))
    text = Checkpoint(LOG.name, 5, root(LEAVES[:5])).write()
    with pytest.raises(NoteUntrusted):
        witness.add_checkpoint(AddCheckpoint(0, (), sign_note(text, imposter)).write(), NOW)
    assert witness.add_checkpoint(AddCheckpoint(0, (), sign_note(text, imposter, LOG)).write(), NOW)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n\n",
        "old 0\n",
        head(5),
        request(0, 5).replace("old 0", "old 00"),
        request(0, 5).replace("old 0", "old -1"),
        request(0, 5).replace("old 0", "old"),
        request(0, 5).replace("old 0", "old  0"),
        request(0, 5).replace("old 0", "size 0"),
        request(0, 5).replace("old 0\n", "old 0\nAAAA\n"),
        request(0, 5).replace("old 0\n", "old 0\n" + 64 * ("A" * 43 + "=\n")),
        request(0, 5).replace("\n\n", "\n", 1),
        request(0, 5).replace("\n", "\r\n"),
        request(0, 5)[:-1],
        request(0, 5).replace("\n5\n", "\n05\n"),
    ],
)
def test_what_is_no_request_is_refused(witness: Witness, body: str) -> None:
    """400."""
    with pytest.raises(NoteMalformed):
        witness.add_checkpoint(body, NOW)


def test_requests_are_written_as_the_specification_has_them() -> None:
    """Old size, proof, empty line, checkpoint."""
    body = request(5, 9)
    lines = body.split("\n")
    assert lines[0] == "old 5"
    assert lines[lines.index("") + 1] == LOG.name
    assert AddCheckpoint.read(body).write() == body


def test_a_head_is_remembered_before_it_is_cosigned(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that stops between the two has signed nothing that it forgot."""

    def stops(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Cosigner, "cosign", stops)
        with pytest.raises(KeyboardInterrupt):
            witness.add_checkpoint(request(0, 5), NOW)
    assert witness.state.head(LOG.name).size == 5
    assert witness.add_checkpoint(request(5, 5), NOW)


def test_what_could_not_be_remembered_is_not_cosigned(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor anything that another request overtook."""
    seen = witness.state.head(LOG.name)
    witness.add_checkpoint(request(0, 8), NOW)
    monkeypatch.setattr(WitnessState, "head", lambda *_: seen)
    with pytest.raises(LogConflict, match="in between"):
        witness.add_checkpoint(request(0, 5), NOW)


def test_of_two_heads_submitted_at_once_the_larger_stands(tmp_path: Path) -> None:
    """The race that the specification describes, many times over, with two processes' worth of connections."""
    states = [WitnessState(tmp_path / "witness.sqlite"), WitnessState(tmp_path / "witness.sqlite")]
    witnesses = [Witness(state, COSIGNER, [WATCHED]) for state in states]
    cosigned: list[int] = []

    def submit(which: int) -> None:
        old = 0
        for size in range(1 + which, 20, 2):
            try:
                witnesses[which].add_checkpoint(request(old, size), NOW)
                cosigned.append(size)
                old = size
            except LogConflict as conflict:
                old = conflict.size if conflict.size is not None and conflict.size < size else old
            except CheckinError:
                continue

    threads = [threading.Thread(target=submit, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states[0].head(LOG.name).size == max(cosigned)
    for state in states:
        state.close()


def test_evidence_is_limited(witness: Witness) -> None:
    """Nobody fills the disk with heads and wrong proofs."""
    witness.add_checkpoint(request(0, 1), NOW)
    for size in range(2, 120):
        lie = sign_note(Checkpoint(LOG.name, size, b"\x01" * 32).write(), LOG)
        with pytest.raises(ProofInvalid):
            witness.add_checkpoint(AddCheckpoint(1, (LEAVES[0],), lie).write(), NOW)
    assert len(witness.state.evidence()) == 100
    with pytest.raises(ProofInvalid):
        witness.add_checkpoint(AddCheckpoint(1, (), head(1, FORGED)).write(), NOW)
    assert len(witness.state.evidence()) == 101


def test_one_head_with_strangers_lines_does_not_crowd_out_the_evidence_of_a_fork(witness: Witness) -> None:
    """A true head, a wrong proof, each time other lines: one row; then forks come, whatever proof is sent along."""
    stranger = NoteSigner("other.example", SigningKey(b"\x07" * 32))
    other = [NoteSigner(f"other.example/{number}", SigningKey(b"\x07" * 32)) for number in range(120)]
    witness.add_checkpoint(request(0, 5), NOW)
    for signer in other:
        note = head(9) + signer.sign(unverified_text(head(9)))
        with pytest.raises(ProofInvalid):
            witness.add_checkpoint(AddCheckpoint(5, (LEAVES[0],), note).write(), NOW)
    assert witness.state.evidence() == [(LOG.name, head(5), head(9))]
    with pytest.raises((ProofInvalid, NoteMalformed)):
        witness.add_checkpoint(AddCheckpoint(5, (LEAVES[0],), head(9) + split_note(head(9))[1][0].line()).write(), NOW)
    assert witness.state.evidence() == [(LOG.name, head(5), head(9))]
    crowded = head(5, FORGED) + stranger.sign(unverified_text(head(5, FORGED)))
    for body in (request(5, 9, FORGED), AddCheckpoint(5, (LEAVES[0],), crowded).write()):
        with pytest.raises(ProofInvalid):
            witness.add_checkpoint(body, NOW)
    kept = {shown for _, _, shown in witness.state.evidence()}
    assert kept == {head(9), head(9, FORGED), head(5, FORGED)}


def test_an_empty_log_has_one_root_also_at_first_sight(witness: Witness) -> None:
    """ "A checkpoint of size zero MUST have the root hash of the empty tree", and nothing of another one is kept."""
    lie = sign_note(Checkpoint(LOG.name, 0, b"\x01" * 32).write(), LOG)
    with pytest.raises(ProofInvalid):
        witness.add_checkpoint(AddCheckpoint(0, (), lie).write(), NOW)
    assert witness.add_checkpoint(request(0, 5), NOW)


def test_a_strangers_line_is_ignored_however_it_is_spelled(witness: Witness) -> None:
    """Bits after the last byte, as some writers leave them; the log's own line has one spelling."""
    note = head(5) + "\u2014 other.example/w9 AAAAAAB=\n"
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).write(), NOW)
    line = split_note(head(5))[1][0].line()
    loose = next(line[:-3] + char + line[-2:] for char in "BCDEFGH" if line[-3] == "A") if line[-3] == "A" else None
    respelled = line[:-4] + chr(ord(line[-4]) + 1) + line[-3:] if loose is None else loose
    with pytest.raises((NoteMalformed, NoteUntrusted)):
        witness.add_checkpoint(AddCheckpoint(5, (), head(5).replace(line, respelled)).write(), NOW)


def test_monitors_are_shown_the_newest_checkpoint_with_both_lines(witness: Witness) -> None:
    """GET /HASH/checkpoint: what the log signed and this witness cosigned, and nobody else's lines; 404 before."""
    address = f"/{sha256(LOG.name.encode()).hex()}/checkpoint"
    stranger = NoteSigner("other.example", SigningKey(b"\x07" * 32))
    crowded = head(5) + stranger.sign(unverified_text(head(5)))
    answers = exchange(
        witness,
        ("GET", address, ""),
        ("POST", "/add-checkpoint", AddCheckpoint(0, (), crowded).write()),
        ("GET", address, ""),
        ("HEAD", address, ""),
        ("POST", "/add-checkpoint", request(5, 9)),
        ("POST", "/add-checkpoint", request(9, 9, FORGED)),
        ("GET", address, ""),
        ("GET", address.upper(), ""),
        ("GET", "/../checkpoint", ""),
    )
    assert [answer.status_code for answer in answers] == [404, 200, 200, 200, 200, 422, 200, 404, 404]
    assert answers[2].text == head(5) + answers[1].text
    assert answers[6].text == head(9) + answers[4].text
    assert open_checkpoint(answers[6].text, LOG.verifier, [COSIGNER.verifier]).size == 9


def test_a_log_whose_origin_is_not_its_keys_name_is_watched(tmp_path: Path) -> None:
    """As the Go checksum database's; under the key's name it is unknown."""
    state = WitnessState(tmp_path / "witness.sqlite")
    witness = Witness(state, COSIGNER, [WatchedLog(LOG.verifier, "a database tree")])
    note = sign_note(Checkpoint("a database tree", 5, root(LEAVES[:5])).write(), LOG)
    line = witness.add_checkpoint(AddCheckpoint(0, (), note).write(), NOW)
    assert cosignatures(note + line, [COSIGNER.verifier]) == {COSIGNER.name: int(NOW)}
    with pytest.raises(NotFound):
        witness.add_checkpoint(request(0, 5), NOW)
    state.close()


@pytest.mark.parametrize("size", [2**63, 2**64, -1])
def test_sizes_that_no_file_can_hold_are_refused(witness: Witness, size: int) -> None:
    """400, in the old size and in the checkpoint; the largest that one can hold is looked at."""
    text = f"{LOG.name}\n{size}\n{b64_encode(root(LEAVES[:5]))}\n"
    bodies = [request(0, 5).replace("old 0", f"old {size}"), f"old 0\n\n{sign_note(text, LOG)}"]
    largest = sign_note(Checkpoint(LOG.name, 2**63 - 1, root(LEAVES[:5])).write(), LOG)
    answers = exchange(
        witness,
        *(("POST", "/add-checkpoint", body) for body in bodies),
        ("POST", "/add-checkpoint", AddCheckpoint(2**63 - 1, (), largest).write()),
        ("POST", "/add-checkpoint", AddCheckpoint(0, (), largest).write()),
    )
    assert [answer.status_code for answer in answers] == [400, 400, 409, 200]


class Stopped:
    """A clock that stands still."""

    simulated = False

    def now(self) -> float:
        """The same moment."""
        return NOW

    def boot(self) -> float:
        """Not asked for."""
        return 0.0

    def boot_id(self) -> str:
        """Not asked for."""
        return ""


def exchange(witness: Witness, *requests: tuple[str, str, str | bytes]) -> list[httpx.Response]:
    """The answers to (method, path, body), in order, without a network."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(witness, Stopped()))
        async with httpx.AsyncClient(transport=transport, base_url="http://witness") as http:
            return [await http.request(method, path, content=body) for method, path, body in requests]

    return asyncio.run(run())


def test_over_http_each_refusal_has_its_status(witness: Witness) -> None:
    """200, 400, 403, 404, 409 with the size, 413, 422."""
    forged_key = request(5, 9).replace("— retention.example/log ", "— retention.example/logs ")
    cases: list[tuple[int, str | bytes]] = [
        (200, request(0, 5)),
        (400, "nonsense"),
        (400, b"\xff"),
        (403, forged_key),
        (404, request(5, 9).replace("retention.example", "other.example")),
        (409, request(0, 9)),
        (422, AddCheckpoint(5, (), head(5, FORGED)).write()),
        (422, request(5, 9, FORGED)),
        (413, b"x" * (MAX_REQUEST + 1)),
    ]
    answers = exchange(witness, *(("POST", "/add-checkpoint", body) for _, body in cases))
    assert [answer.status_code for answer in answers] == [status for status, _ in cases]
    assert open_checkpoint(head(5) + answers[0].text, LOG.verifier, [COSIGNER.verifier]).size == 5
    assert answers[5].text == "5\n"
    assert answers[5].headers["content-type"] == "text/x.tlog.size"
    assert answers[6].headers["content-type"] != "text/x.tlog.size"


def test_a_witness_tells_who_it_is(witness: Witness) -> None:
    """Its key, and under which clock it signs."""
    health, wrong = exchange(witness, ("GET", "/healthz", ""), ("GET", "/add-checkpoint", ""))
    vkey = COSIGNER.verifier.vkey
    assert health.json() == {"status": "ok", "witness": COSIGNER.name, "vkey": vkey, "clock": "real"}
    assert wrong.status_code == 405
