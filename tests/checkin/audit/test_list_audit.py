"""Lists of keys in an audit: two keys of one owner for one day are found, whoever let the second one into the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.audit.list_audit import GivenList, given_lists, quarrels
from checkin.audit.point import PointResult
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.proof import LogProof, PinnedLog

DAY = 20777
ISSUER = NoteSigner("issuer.example", SigningKey(b"\x01" * 32))
OTHER = NoteSigner("other.example", SigningKey(b"\x02" * 32))
REGISTRY = NoteSigner("registry.example", SigningKey(b"\x03" * 32))
LOG = NoteSigner("log.example", SigningKey(b"\x04" * 32))
PUBLICS = {day: SigningKey(random_bytes(32)).public for day in range(DAY, DAY + 20)}


def listed(first: int, signer: NoteSigner = ISSUER, **other: bytes) -> str:
    """Three days of the issuer's; `other` keys by place."""
    publics = [other.get(f"at{place}", PUBLICS[first + place]) for place in range(3)]
    keys = {first + place: ListedKey(issuer_kid(1, public), public) for place, public in enumerate(publics)}
    return sign_note(IssuerList(1, keys).text(), signer)


def intake(seed: bytes) -> str:
    return sign_note(IntakeList("registry.example", {DAY: IntakeKey(OpeningKey(seed).public)}).text(), REGISTRY)


def proof(note: str) -> str:
    """Of a log with this one entry."""
    head = Checkpoint(LOG.name, 1, root([leaf_hash(note.encode())]))
    return LogProof(0, (), sign_note(head.write(), LOG)).write()


def test_lists_that_follow_one_another_agree() -> None:
    notes = [listed(DAY), "nothing", listed(DAY + 1), intake(b"\x05" * 32), intake(b"\x05" * 32), listed(DAY + 9)]
    assert quarrels(notes) == (5, [])


def test_a_second_key_for_a_day_is_found_also_weeks_later() -> None:
    """A list between them that leaves the day out hides nothing."""
    notes = [listed(DAY), listed(DAY + 9), listed(DAY, at1=SigningKey(b"\x06" * 32).public)]
    count, found = quarrels(notes)
    assert (count, found) == (3, [(2, "it has another key of issuer 1 for 2026-11-21 than entry 0")])


def test_a_second_intake_key_is_found() -> None:
    assert [place for place, _ in quarrels([intake(b"\x05" * 32), intake(b"\x07" * 32)])[1]] == [1]


def test_keys_under_a_number_of_somebody_else_are_found() -> None:
    [(place, reason)] = quarrels([listed(DAY), listed(DAY + 9, OTHER), listed(DAY + 1)])[1]
    assert (place, OTHER.name in reason) == (1, True)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """Of a service that was never started."""
    return KeyRing(tmp_path, b"\x08" * 32, allow_unfit=True)


def test_what_a_service_gives_out_is_held_against_its_proofs(ring: KeyRing) -> None:
    pinned, note = PinnedLog(LOG.verifier), listed(DAY)
    good, bad = GivenList("its own", note, proof(note)), GivenList("issuer 2", listed(DAY + 1), proof(note))
    assert [point.result for point in given_lists("x.example", pinned, [good], ring, DAY)] == [PointResult.PASS]
    [point] = given_lists("x.example", pinned, [good, bad], ring, DAY)
    assert (point.result, point.evidence) == (PointResult.FAIL, "issuer 2: proof_invalid")


def test_a_list_that_waits_for_its_first_proof_is_not_run_and_without_a_log_there_is_no_line(ring: KeyRing) -> None:
    waiting = GivenList("its own", listed(DAY), None)
    [point] = given_lists("x.example", PinnedLog(LOG.verifier), [waiting], ring, DAY)
    assert point.result is PointResult.NOT_RUN
    assert list(given_lists("x.example", None, [waiting], ring, DAY)) == []


def test_a_list_that_waits_hides_no_false_proof_of_another(ring: KeyRing) -> None:
    """One issuer without a proof, for years, would keep the auditor from the others' lists."""
    note = listed(DAY)
    waiting, bad = GivenList("issuer 1", note, None), GivenList("issuer 2", listed(DAY + 1), proof(note))
    [point] = given_lists("x.example", PinnedLog(LOG.verifier), [waiting, bad], ring, DAY)
    assert (point.result, point.evidence) == (PointResult.FAIL, "issuer 2: proof_invalid")


def test_a_list_that_has_no_proof_when_the_service_is_no_more_new_is_a_fault(ring: KeyRing) -> None:
    waiting, pinned = GivenList("its own", listed(DAY), None), PinnedLog(LOG.verifier)
    for day in (DAY, DAY + 1):
        ring.make(KeyName(Purpose.DAY, day), oldest=DAY)
    for day in (DAY, DAY + 1):
        assert [point.result for point in given_lists("x.example", pinned, [waiting], ring, day)] == [
            PointResult.NOT_RUN
        ]
    [point] = given_lists("x.example", pinned, [waiting], ring, DAY + 2)
    assert (point.result, point.evidence) == (PointResult.FAIL, "its own: proof_invalid")
