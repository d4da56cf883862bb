"""Lists and the log: a registry that pins one hands over only lists that are proved to be in it."""

from __future__ import annotations

from pathlib import Path

from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey
from checkin.tlog.checkpoint import Checkpoint
from checkin.tlog.merkle import leaf_hash, root
from checkin.tlog.proof import LogProof, PinnedLog
from tests.support.registry_service import Issuer, Registry, enrol
from tests.support.service_folder import DAY, bearer
from tests.venue.conftest import Book, NewIssuer, kid
from venue.issuer_trust import Fetched, IssuerTrust

LOG, LATER_LOG = (NoteSigner("log.example", SigningKey(bytes([seed]) * 32)) for seed in (5, 6))


def proof(note: str, log: NoteSigner = LOG) -> str:
    """Of a log with this one entry."""
    head = Checkpoint(log.name, 1, root([leaf_hash(note.encode())]))
    return LogProof(0, (), sign_note(head.write(), log)).write()


def pinning(book: Book, log: NoteSigner) -> IssuerTrust:
    """The registry, started again with the log in its settings."""
    return IssuerTrust(book.party, book.database, book.pinned, book.fetch, pinned=PinnedLog(log.verifier))


def test_a_list_from_before_the_log_was_pinned_is_handed_to_no_scanner(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """Beside the log it would make every scanner refuse all lists; its keys stay good, and /readyz says so."""
    first, second = new_issuer(1), new_issuer(2)
    book = Book(tmp_path / "registry", first, second)
    book.trust.refresh()
    again = pinning(book, LOG)
    assert again.given() == {}
    again.take(book.pinned[1], second.listed(), proof(second.listed()))
    assert again.given() == {2: Fetched(second.listed(), proof(second.listed()))}
    assert again.keys_of_day(DAY).find(kid(first, DAY))[0].issuer == 1
    assert {found.name: found.level for found in again.findings()}["issuer_1_proof"] == "warning"
    assert sorted(again.lists()) == [1, 2]
    book.database.close()


def test_a_list_under_a_key_that_the_issuer_has_no_more_is_handed_to_no_scanner(book: Book, issuer: Issuer) -> None:
    """Until the issuer gives one under the key that is pinned now; its keys stay good meanwhile."""
    book.trust.refresh()
    assert sorted(book.trust.given()) == [1]
    changed = book.pinned[0].model_copy(
        update={"vkey": NoteSigner("i.example", SigningKey(b"\x08" * 32)).verifier.vkey}
    )
    again = IssuerTrust(book.party, book.database, (changed,), book.fetch)
    assert (again.given(), sorted(again.lists())) == ({}, [1])
    assert again.keys_of_day(DAY).find(kid(issuer, DAY))


def test_an_issuer_whose_list_is_handed_to_no_scanner_is_asked_in_between(book: Book) -> None:
    """Half a second after it answers, not a minute: until then no scanner can enrol and every audit finds a fault."""
    book.trust.refresh()
    again = pinning(book, LOG)
    assert again.urgent()
    again.refresh_missing()
    assert book.asked == 2
    note = book.trust.lists()[1].note
    again.take(book.pinned[0], note, proof(note))
    assert not again.urgent()
    again.refresh_missing()
    assert book.asked == 2


def test_a_proof_out_of_a_log_that_is_pinned_no_more_makes_room_for_the_new_ones(book: Book, issuer: Issuer) -> None:
    """And only then: a proof that still holds is not written again for each one that comes."""
    note = issuer.listed()
    old, new = (Fetched(note, proof(note, log)) for log in (LOG, LATER_LOG))
    pinning(book, LOG).take(book.pinned[0], *old)
    later = pinning(book, LATER_LOG)
    assert later.given() == {}
    later.take(book.pinned[0], *new)
    assert (later.given(), later.lists()) == ({1: new}, {1: new})
    another = Fetched(note, proof(note, LATER_LOG) + NoteSigner("a.example", SigningKey(b"\x07" * 32)).sign("x\n"))
    later.take(book.pinned[0], *another)
    assert later.lists() == {1: new}


def test_a_scanner_is_told_of_the_log_and_of_no_list_that_is_not_in_it(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """A registry that pins a log after a year of running stops no door."""
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with registry.client() as client:
        at = enrol(client)
        assert client.get("/v1/trust", headers=bearer(at.scanner)).json()["issuers"]
    with registry.config.open("a") as config:
        config.write(f'\nlog = {{ vkey = "{LOG.verifier.vkey}" }}\n')
    with registry.client() as client:
        trust = client.get("/v1/trust", headers=bearer(at.scanner)).json()
    assert (trust["issuers"], trust["log"]["vkey"]) == ([], LOG.verifier.vkey)
