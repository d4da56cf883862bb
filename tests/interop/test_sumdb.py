"""Notes, proofs and tiles held against golang.org/x/mod's sumdb/note and sumdb/tlog, which verify Go's own modules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import CheckinError
from checkin.protocol.encoding import b64_encode
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint, Cosigner, open_checkpoint
from checkin.tlog.merkle import consistency_proof, inclusion_proof, leaf_hash, subtrees
from retention.log import Log

SOURCE = Path(__file__).parent / "go" / "oracle.go"
GOPATH = Path("/usr/share/gocode")
SUMDB = GOPATH / "src/golang.org/x/mod/sumdb/tlog"
ISSUER = NoteSigner("issuer.example/checkin", SigningKey(b"\x01" * 32))
OFFICER = NoteSigner("authority.example/officers/1", SigningKey(b"\x02" * 32))
WITNESS = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
LEAVES = [leaf_hash(bytes([number])) for number in range(32)]
SUBTREE = subtrees(LEAVES)

Needs = Callable[[str, object, str], None]
Ask = Callable[[Iterable[dict[str, object]]], list[dict[str, Any]]]


@pytest.fixture
def ask(needs: Needs, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks the Go program many things at once; it is built once a run."""
    go = shutil.which("go")
    needs("golang", go and SUMDB.is_dir(), "install Debian's golang-go and golang-golang-x-mod-dev")
    program = tmp_path_factory.getbasetemp() / "sumdb-oracle"
    if not program.exists():
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(program.with_suffix(".cache")),
            "GOFLAGS": "",
        }
        subprocess.run([str(go), "build", "-o", str(program), str(SOURCE)], env=environment, check=True)

    def run(requests: Iterable[dict[str, object]]) -> list[dict[str, Any]]:
        lines = "".join(json.dumps(request, default=b64_encode) + "\n" for request in requests)
        done = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]]

    return run


def record(index: int, size: int, proof: list[bytes], leaf: bytes | None = None) -> dict[str, object]:
    """A question about an inclusion proof."""
    root = SUBTREE(0, size)
    leaf = leaf or LEAVES[index]
    return {"op": "record", "proof": proof, "size": size, "root": root, "index": index, "leaf": leaf}


def tree(old: int, size: int, proof: list[bytes], oldroot: bytes | None = None) -> dict[str, object]:
    """A question about a consistency proof."""
    oldroot = oldroot or SUBTREE(0, old)
    return {"op": "tree", "proof": proof, "size": size, "root": SUBTREE(0, size), "old": old, "oldroot": oldroot}


def altered(proof: list[bytes]) -> Iterable[list[bytes]]:
    """The proof with a bit changed in each hash, and too long, and too short."""
    for at, value in enumerate(proof):
        yield [*proof[:at], bytes([value[0] ^ 1]) + value[1:], *proof[at + 1 :]]
    yield [*proof, LEAVES[0]]
    yield proof[:-1] if proof else [LEAVES[1]]


def test_every_inclusion_proof_is_accepted_by_checkrecord(ask: Ask) -> None:
    """All pairs to 32, and nothing altered."""
    good, bad = [], []
    for size in range(1, 33):
        for index in range(size):
            proof = inclusion_proof(index, size, SUBTREE)
            good.append(record(index, size, proof))
            bad += [record(index, size, wrong) for wrong in altered(proof)]
            bad.append(record(index, size, proof, leaf=leaf_hash(b"forged")))
    assert [answer["error"] for answer in ask(good)] == [""] * len(good)
    assert all(answer["error"] for answer in ask(bad))


def test_every_consistency_proof_is_accepted_by_checktree(ask: Ask) -> None:
    """All pairs to 32, and nothing altered."""
    good, bad = [], []
    for size in range(1, 33):
        for old in range(1, size + 1):
            proof = consistency_proof(old, size, SUBTREE)
            good.append(tree(old, size, proof))
            bad += [tree(old, size, wrong) for wrong in altered(proof)]
            bad.append(tree(old, size, proof, oldroot=leaf_hash(b"forged")))
    assert [answer["error"] for answer in ask(good)] == [""] * len(good)
    assert all(answer["error"] for answer in ask(bad))


def test_our_notes_are_opened_and_altered_ones_are_not(ask: Ask) -> None:
    """By the keys as we write them; Go's verdict on any changed byte is ours as well, or milder."""
    text = "ck1/purge-report\nservice 발급\n\nday 2026-11-22\n"
    note = sign_note(text, ISSUER, OFFICER)
    vkeys = [ISSUER.verifier.vkey, OFFICER.verifier.vkey]
    both, one, none = ask({"op": "open", "note": note, "vkeys": keys} for keys in (vkeys, vkeys[:1], []))
    assert (both["error"], both["text"], both["names"]) == ("", text, [ISSUER.name, OFFICER.name])
    assert (one["error"], one["names"]) == ("", [ISSUER.name])
    assert none["error"]
    changed = [note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :] for at in range(len(note))]
    for wrong, answer in zip(changed, ask({"op": "open", "note": n, "vkeys": vkeys} for n in changed), strict=True):
        try:
            opened = open_note(wrong, [ISSUER.verifier, OFFICER.verifier])
        except CheckinError:
            continue
        assert answer["error"] == ""
        assert answer["text"] == opened.text == text


def test_notes_that_go_signs_open_here(ask: Ask) -> None:
    """With the verifier key as Go writes it."""
    (answer,) = ask([{"op": "sign", "name": "go.example/checkin", "text": "by Go\n"}])
    assert open_note(answer["note"], [NoteVerifier.parse(answer["vkey"])]).text == "by Go\n"


def test_a_cosigned_checkpoint_is_opened_with_both_keys(ask: Ask) -> None:
    """The witness's line verified by code that knows only the specification's two header lines."""
    text = Checkpoint(ISSUER.name, 32, SUBTREE(0, 32)).write()
    note = sign_note(text, ISSUER) + WITNESS.cosign(text, 1_795_300_000)
    vkeys = [ISSUER.verifier.vkey, WITNESS.verifier.vkey]
    good, bad = ask({"op": "open", "note": n, "vkeys": vkeys} for n in (note, note.replace("\n32\n", "\n31\n")))
    assert good["names"] == [ISSUER.name, WITNESS.name]
    assert bad["error"]


def test_proofs_come_out_of_our_tiles_in_go(ask: Ask, tmp_path: Path) -> None:
    """TileHashReader authenticates each tile against the root that we signed."""
    entries = [b"entry %d" % number for number in range(700)]
    log = Log(tmp_path, ISSUER)
    for low, high in ((0, 3), (3, 256), (256, 700)):
        log.append(entries[low:high])
    head = open_checkpoint(log.published(), ISSUER.verifier)
    places = (0, 2, 255, 256, 511, 512, 699)
    questions: list[dict[str, object]] = [
        {"op": "prove", "folder": str(tmp_path), "size": 700, "root": head.root, "index": place}
        | {"leaf": leaf_hash(entries[place])}
        for place in places
    ]
    for place, answer in zip(places, ask(questions), strict=True):
        assert answer["error"] == ""
        assert answer["proofs"] == [b64_encode(value) for value in log.inclusion(place, head.size)]
    (tmp_path / "tile/0/001").write_bytes(bytes(8192))
    assert [bool(answer["error"]) for answer in ask(questions)] == [256 <= place < 512 for place in places]
