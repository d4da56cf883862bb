"""Attacker: an issuer, or a registry, that wants to recognise one person or one door by a key that only they get.

Tries: to answer one wallet with credentials under another key than everybody's; a second list, signed for one pair of
eyes; that list with everybody's proof, under a log of its own, or brought into the log; to list keys under another
issuer's number; and a registry's own key for one scanner's queue. Controls: a wallet, a registry and a scanner that pin
no log take the list that was made for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkin.clock import Calendar
from checkin.errors import CheckinError, ListRefused, NoteUntrusted, ProofInvalid, UnknownIssuerKey
from checkin.files.tables import SqliteTables
from checkin.http.asking import Ask, Keep
from checkin.http.client import drive_at
from checkin.parties.scanner import Scanner
from checkin.protocol.credential import IssuerKey as CredentialKey
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, NoteVerifier, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.service.identity import ServiceIdentity
from checkin.service.key_list_publisher import PublishedList
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.proof import LogProof, PinnedLog
from tests.support.deployment_in_threads import SECOND, Country, Person, country
from tests.support.service_folder import DAY
from venue.database import REGISTRY
from venue.issuer_trust import IssuerTrust
from venue.settings import VenueSettings

CALENDAR = Calendar("Asia/Seoul")
MARK = SigningKey(bytes(range(32)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Its parties pin the log; the lists of keys are in it."""
    with country(tmp_path_factory.mktemp("marked") / "c") as made:
        yield made


def everybodys(made: Country) -> PublishedList[IssuerList]:
    """The list that is in the log."""
    published: PublishedList[IssuerList] = made.apps["issuer"].state.issuer.lists.published()
    assert published.proof
    return published


def marked(made: Country, signer: NoteSigner | None = None) -> PublishedList[IssuerList]:
    """A list with another key for today, and no proof."""
    keys = {**everybodys(made).list.keys, DAY: ListedKey(issuer_kid(1, MARK.public), MARK.public)}
    listed = IssuerList(1, keys, simulated=True)
    note = sign_note(listed.text(), signer or made.apps["issuer"].state.issuer.party.signer)
    return PublishedList(note, None, listed)


def own_log(note: str) -> tuple[PinnedLog, str]:
    """A log of the attacker's with this one entry, and its proof."""
    signer = NoteSigner("retention.localhost/log", SigningKey(random_bytes(32)))
    head = Checkpoint("retention.localhost/log", 1, root([leaf_hash(note.encode())]))
    return PinnedLog(signer.verifier), LogProof(0, (), sign_note(head.write(), signer)).write()


def answer_with(made: Country, monkeypatch: pytest.MonkeyPatch, shown: PublishedList[IssuerList]) -> None:
    """From now on the issuer shows this list, and signs credentials with the marking key."""
    issuer = made.apps["issuer"].state.issuer
    monkeypatch.setattr(issuer.signing, "key", lambda _: MARK)
    monkeypatch.setattr(issuer.lists, "published", lambda: shown)


def fetch(person: Person, pinned: NoteVerifier | None = None) -> None:
    """A batch for today."""
    drive_at(person.wallet.issuer_url, person.wallet.fetch(DAY, CALENDAR, pinned=pinned))


def registry(made: Country, folder: Path, *, pins: bool) -> tuple[IssuerTrust, SqliteTables, VenueSettings]:
    """A registry that has not seen any list yet."""
    settings = VenueSettings.load(made.deployment.config("venue"))
    assert settings.log
    database = SqliteTables(folder, REGISTRY)
    party = ServiceIdentity(settings, made.clock.path)
    trust = IssuerTrust(party, database, settings.issuers, pinned=settings.log.pinned if pins else None)
    return trust, database, settings


def test_credentials_under_an_unlisted_key_are_refused(made: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wallet holds each credential against the signed list."""
    person = made.person()
    monkeypatch.setattr(made.apps["issuer"].state.issuer.signing, "key", lambda _: MARK)
    with pytest.raises(UnknownIssuerKey):
        fetch(person, pinned=made.deployment.verifier("issuer"))


@pytest.mark.parametrize("trick", ["no proof", "everybody's proof", "a log of its own", "no log any more", "no text"])
def test_a_list_for_one_wallet_is_refused_once_the_log_is_pinned(
    made: Country, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    """Nothing of the answer is taken, and the log that was pinned first stays pinned."""
    person = made.person()
    fetch(person)
    pinned = person.wallet.log
    assert pinned == PinnedLog.of(made.deployment.log_verifier().vkey).plain()
    shown = marked(made)
    issuer, (log, proof) = made.apps["issuer"].state.issuer, own_log(shown.note)
    proofs: dict[str, Any] = {"everybody's proof": everybodys(made).proof, "a log of its own": proof, "no text": "{}"}
    answer_with(made, monkeypatch, replace(shown, proof=proofs.get(trick)))
    if trick == "a log of its own":
        monkeypatch.setattr(issuer.lists, "pinned", log)
    if trick == "no log any more":
        monkeypatch.setattr(issuer.lists, "pinned", None)
    before = person.wallet.left(DAY)
    with pytest.raises(CheckinError) as refused:
        fetch(person)
    assert refused.value.code in ("proof_invalid", "note_untrusted", "note_malformed")
    assert (person.wallet.left(DAY), person.wallet.log) == (before, pinned)


def test_a_new_wallet_that_is_told_of_the_log_refuses_it_too(made: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer, too, has to show what it tells of. The issuer's own signature makes no difference."""
    person = made.person()
    answer_with(made, monkeypatch, marked(made))
    for pinned in (None, made.deployment.verifier("issuer")):
        with pytest.raises(ProofInvalid):
            fetch(person, pinned=pinned)
    assert person.wallet.left(DAY) == 0


def test_control_a_wallet_that_pins_no_log_is_marked(made: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """What first sight leaves open: who is told of no log at first, and was given none, believes the signature."""
    person = made.person()
    answer_with(made, monkeypatch, marked(made))
    monkeypatch.setattr(made.apps["issuer"].state.issuer.lists, "pinned", None)
    fetch(person, pinned=made.deployment.verifier("issuer"))
    assert (person.wallet.left(DAY), person.wallet.log) == (10, None)
    kid = CredentialKey(1, MARK.public).kid
    assert b64url_encode(kid) not in everybodys_note(made, monkeypatch)


def everybodys_note(made: Country, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the issuer answers otherwise."""
    monkeypatch.undo()
    with made.client("issuer") as client:
        return client.get("/v1/keys").text


def test_a_registry_is_given_the_same_list_as_everybody(made: Country, tmp_path: Path) -> None:
    """A registry that had never heard of the issuer before refuses the marking list, and takes the logged one."""
    trust, database, settings = registry(made, tmp_path, pins=True)
    true, second = everybodys(made), marked(made)
    for proof in (None, true.proof, own_log(second.note)[1]):
        with pytest.raises((ProofInvalid, NoteUntrusted)):
            trust.take(settings.issuers[0], second.note, proof)
    assert trust.lists() == {}
    trust.take(settings.issuers[0], true.note, true.proof)
    assert trust.lists()[1].proof == true.proof
    database.close()


def test_control_a_registry_that_pins_no_log_takes_a_list_of_its_own(made: Country, tmp_path: Path) -> None:
    trust, database, settings = registry(made, tmp_path, pins=False)
    trust.take(settings.issuers[0], marked(made).note)
    assert trust.keys_of_day(DAY).find(issuer_kid(1, MARK.public))[0].public == MARK.public
    database.close()


def test_the_log_takes_no_second_key_for_a_day(made: Country) -> None:
    """So there is no proof to be had for the marking list while the log keeps its rules."""
    with made.client("retention", made.deployment.token("retention-issuer")) as client:
        answer = client.post("/v1/entries", json={"note": marked(made).note})
    assert (answer.status_code, answer.json()["code"]) == (ListRefused.status, ListRefused.code)


def test_no_other_service_lists_keys_under_the_issuers_number(made: Country) -> None:
    """Who pins the log alone goes by the number; another issuer could lend its signature."""
    note = marked(made, made.apps[SECOND].state.issuer.party.signer).note
    with made.client("retention", made.deployment.token(f"retention-{SECOND}")) as client:
        answer = client.post("/v1/entries", json={"note": note})
    assert (answer.status_code, answer.json()["code"]) == (NoteUntrusted.status, NoteUntrusted.code)


@pytest.mark.parametrize("pins", [True, False], ids=["pinned", "control: no log pinned"])
def test_a_scanner_takes_no_intake_key_that_the_log_does_not_show(made: Country, *, pins: bool) -> None:
    """A registry could tell by it which scanner queued an entry; the control is sealed to the odd key."""
    door = made.door("Café")
    scanner, odd = Scanner(door.venue_id, door.scanner_id, door.scanner), OpeningKey(random_bytes(32))
    name = made.deployment.verifier("venue").name
    text = IntakeList(name, {DAY: IntakeKey(odd.public)}, simulated=True).text()
    note = sign_note(text, ServiceIdentity(VenueSettings.load(made.deployment.config("venue")), made.clock.path).signer)
    steps = scanner.refresh(made.clock.now())
    asked = next(steps)
    assert isinstance(asked, Ask)
    with made.client("venue", door.scanner) as client:
        answer = client.get(asked.path.replace("digests=true", "digests=false")).json()
    assert NoteVerifier.parse(answer["registry"]["vkey"]).name == name
    lie = {**answer, "intake": note, "log": answer["log"] if pins else None}
    if pins:
        with pytest.raises(ProofInvalid):
            steps.send(lie)
        assert scanner.trust.intake_keys == {}
    else:
        assert isinstance(steps.send(lie), Keep)
        assert scanner.trust.intake_key(DAY) == odd.public
