"""With a log pinned, an issuer takes the authority's list only as everybody else can see it: in the log, witnessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkin.protocol.note import NoteSigner, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Cosigner
from checkin.tlog.proof import LogProof
from retention.log import Log
from tests.support.issuer_service import Running, Site
from tests.support.service_folder import DAY, bearer

SIGNER = NoteSigner("retention.example/log", SigningKey(b"\x05" * 32))
WITNESS = Cosigner("witness.example/w1", SigningKey(b"\x06" * 32))
MOMENT = 1_795_300_000.0


@dataclass
class Pinned:
    """An issuer that pins a log and its witness, and that log."""

    site: Site
    log: Log
    running: Running

    def logged(self, note: str, *, witnessed: bool = True) -> str:
        """The proof that a note is in the log."""
        (place,) = self.log.append([note.encode()])
        if witnessed:
            size = place + 1
            self.log.add_cosignatures(size, [WITNESS.cosign(unverified_text(self.log.checkpoint()), MOMENT)])
        return self.log.proof(place)

    def put(self, **body: str) -> tuple[int, Any]:
        answer = self.running.http.put("/v1/authority-keys", json=body, headers=bearer("authority"))
        return answer.status_code, answer.json().get("code") or answer.json().get("added")


@pytest.fixture
def pinned(tmp_path: Path) -> Iterator[Pinned]:
    log = f'{{ vkey = "{SIGNER.verifier.vkey}", witnesses = ["{WITNESS.verifier.vkey}"] }}'
    site = Site.make(tmp_path / "issuer", log=log)
    with site.serve() as running:
        yield Pinned(site, Log(tmp_path / "log", SIGNER, quorum=1), running)


def test_a_list_with_its_proof_is_taken(pinned: Pinned) -> None:
    note = pinned.site.signed_list(DAY, DAY + 1)
    assert pinned.put(list=note, proof=pinned.logged(note)) == (200, ["2026-11-20", "2026-11-21"])


def test_a_list_that_is_not_shown_to_be_in_the_log_is_refused(pinned: Pinned) -> None:
    """So nobody who has the token and two officers' keys gives one issuer a list that others never see."""
    note, other = pinned.site.signed_list(DAY, DAY + 1), pinned.site.signed_list(DAY, DAY)
    proof = pinned.logged(other)
    assert pinned.put(list=note) == (422, "proof_invalid")
    assert pinned.put(list=note, proof=proof) == (422, "proof_invalid")
    assert pinned.put(list=note, proof="no proof") == (400, "note_malformed")
    again = sign_note(unverified_text(other), *pinned.site.officers[1:])
    assert pinned.put(list=again, proof=proof) == (422, "proof_invalid"), "the log holds it with other signatures"
    assert pinned.put(list=other, proof=proof)[0] == 200
    answer = pinned.running.http.put("/v1/authority-keys", json={"list": note}, headers=bearer("authority"))
    assert "proof that it is in the log" in answer.json()["detail"] and "--dir" in answer.json()["detail"]


def test_a_head_that_no_witness_saw_counts_for_nothing(pinned: Pinned) -> None:
    """The log alone could show each issuer another history."""
    note = pinned.site.signed_list(DAY, DAY + 1)
    proof = LogProof.read(pinned.logged(note))
    text = unverified_text(proof.checkpoint)
    alone = LogProof(proof.index, proof.hashes, sign_note(text, SIGNER))
    stranger = NoteSigner("retention.example/log", SigningKey(b"\x07" * 32))
    forged = LogProof(proof.index, proof.hashes, sign_note(text, stranger))
    for bad in (alone, forged):
        assert pinned.put(list=note, proof=bad.write()) == (403, "note_untrusted")


def test_without_a_pinned_log_a_list_counts_by_its_signatures(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer")
    with site.serve() as running:
        assert site.list_keys(running.http, DAY, DAY).status_code == 200
