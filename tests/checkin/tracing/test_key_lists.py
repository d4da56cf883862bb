"""The authority's day keys in public: its officers' lists and statements go through the log, and reach the issuers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from checkin.errors import NoteMalformed, NoteUntrusted, ProofInvalid, RequestInvalid
from checkin.protocol.key_list import (
    AUTHORITY_CHECKED,
    AUTHORITY_DESTROYED,
    AUTHORITY_KEYS,
    CheckedList,
    DestroyedKey,
    DestroyedList,
)
from checkin.protocol.note import NoteSigner, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.protocol.statement import kind_of
from checkin.tlog.proof import LogProof
from checkin.tracing.publish import publish_keys
from tests.support.deployment_in_threads import SECOND, Country, country
from tests.support.service_folder import DAY, NOON

GONE = DestroyedKey("0" * 64, DAY + 28)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Two issuers, a registry, a log, and an authority whose list was published as it started."""
    with country(tmp_path_factory.mktemp("lists") / "c") as made:
        yield made


def issuers(made: Country) -> dict[str, str]:
    """Address and token of each."""
    return {issuer.url: issuer.token for issuer in made.parties.issuers}


def kinds(made: Country) -> list[str]:
    """Of all that the authority has in the log and kept."""
    return [kind_of(note) for note, _ in made.authority.logged().values()]


def test_a_list_reaches_every_issuer_with_its_proof_and_is_kept(made: Country) -> None:
    """The proof in the authority's folder verifies offline, under the log that everybody pins; and that the listed keys
    are the ring's own is stated beside it."""
    (index, (note, proof)), (_, (checked, _)) = made.authority.logged().items()
    assert CheckedList.read(made.authority.officers.open(checked).text).keys.keys() == set(range(DAY, DAY + 15))
    assert kind_of(note) == AUTHORITY_KEYS.kind
    assert made.parties.log.pinned.require(note, proof).size > index
    for service in ("issuer", SECOND):
        assert made.apps[service].state.issuer.authority.days_ahead() == 15


def test_a_list_that_was_not_logged_is_refused_by_the_issuers(made: Country) -> None:
    note = sign_note(made.authority.list_keys(made.clock.now()).text(), *made.officers[:2])
    with pytest.raises(ProofInvalid, match="--dir"):
        publish_keys(note, None, issuers(made))


def test_the_same_list_signed_by_other_officers_goes_out_as_the_log_has_it(made: Country) -> None:
    """The log keeps a text once; its proof is about the signatures that came first."""
    (index, (first, _)), _ = made.authority.logged().items()
    again = sign_note(unverified_text(first), *made.officers[1:])
    place, answers = publish_keys(again, made.parties.log, issuers(made), made.authority)
    assert place == index
    assert [answer["added"] for answer in answers.values()] == [[], []]
    assert made.authority.logged()[index][0] == first


def test_what_is_kept_is_proved_anew_once_the_log_has_another_key(made: Country) -> None:
    """At the next time that anything is published; what the log does not have stays without a proof."""
    pinned, (index, (note, proof)), (other, (checked, _)) = made.parties.log.pinned, *made.authority.logged().items()
    former = NoteSigner(pinned.verifier.name, SigningKey(b"\x07" * 32))
    before = LogProof.read(proof)
    before = replace(before, checkpoint=sign_note(unverified_text(before.checkpoint), former))
    made.authority.keep_logged(index, note, before.write())
    publish_keys(checked, made.parties.log, {}, made.authority)
    assert pinned.require(*made.authority.logged()[index]).size > index
    made.authority.keep_logged(other, note, before.write())
    publish_keys(note, made.parties.log, {}, made.authority)
    with pytest.raises(ProofInvalid):
        pinned.require(*made.authority.logged()[other])
    publish_keys(checked, made.parties.log, {}, made.authority)


def test_nothing_is_sent_that_too_few_officers_signed_or_that_is_something_else(made: Country) -> None:
    """Found out at the authority's own desk, before anything is public."""
    text = made.authority.list_keys(made.clock.now()).text()
    with pytest.raises(NoteUntrusted, match="needs 2"):
        publish_keys(sign_note(text, made.officers[0]), made.parties.log, issuers(made), made.authority)
    with pytest.raises(NoteMalformed, match="keys list"):
        publish_keys(sign_note("checkin/order/v1\n", *made.officers), made.parties.log, {}, made.authority)
    with pytest.raises(RequestInvalid, match="goes into the log"):
        publish_keys(sign_note(DestroyedList("x.example", {DAY: GONE}).text(), *made.officers), None, {})


def test_28_days_later_the_end_of_the_key_is_stated_in_the_log(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By two officers, with the commitment that was listed; and stated once."""
    with country(tmp_path_factory.mktemp("later") / "c") as made:
        commitment = made.authority.ring.key(DAY).commitment
        made.set(NOON + 28 * 86400)
        made.tend()
        week = [AUTHORITY_KEYS.kind, AUTHORITY_CHECKED.kind]
        assert kinds(made) == [*week, *week, AUTHORITY_DESTROYED.kind]
        [index] = made.authority.logged().stated().values()
        note, proof = made.authority.logged()[index]
        made.parties.log.pinned.require(note, proof)
        gone = DestroyedList.read(made.authority.officers.open(note).text)
        assert list(gone.keys) == [DAY] and gone.keys[DAY].commitment == commitment
        assert gone.keys[DAY].done == DAY + 28
        made.tend()
        assert len(kinds(made)) == 5 and made.authority.state_destroyed() is None
        assert not (made.authority.folder / "destroyed.txt").exists()
