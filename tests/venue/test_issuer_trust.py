"""Which issuers' keys count: the first list for a day is final, and no issuer is in the path of a check-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import KeyMissing, ListRefused, NoteMalformed, NoteUntrusted, UnknownIssuerKey, Unreachable
from checkin.protocol.key_list import HORIZON_DAYS, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, NoteVerifier, open_note, sign_note
from checkin.protocol.primitives import SigningKey, random_bytes
from tests.support.registry_service import Issuer, Phone, Registry, check_in, enrol
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.venue.conftest import Book, NewIssuer, Scene, kid
from tests.venue.test_checkins import code
from venue.issuer_trust import Fetched, IssuerTrust, fetch_list


def test_keys_are_taken_from_the_signed_list_and_kept_over_a_restart(book: Book, issuer: Issuer) -> None:
    with pytest.raises(KeyMissing):
        book.trust.keys_of_day(DAY)
    book.trust.refresh()
    assert book.trust.keys_of_day(DAY).find(kid(issuer, DAY))[0].public == issuer.keys[DAY].public
    again = IssuerTrust(book.party, book.database, book.pinned, book.fetch)
    assert again.keys_of_day(DAY).find(kid(issuer, DAY))[0].issuer == 1
    assert again.lists() == {1: Fetched(issuer.listed())}


def test_an_issuer_that_is_down_changes_nothing_but_a_warning(book: Book, issuer: Issuer) -> None:
    book.trust.refresh()
    book.down = True
    book.trust.refresh()
    assert book.trust.keys_of_day(DAY).find(kid(issuer, DAY))
    assert book.findings() == {"issuer_keys": "ok", "issuer_1": "warning"}
    book.down = False
    book.trust.refresh()
    assert book.findings() == {"issuer_keys": "ok"}


def test_issuers_are_asked_in_between_only_while_a_key_is_missing(book: Book, issuer: Issuer) -> None:
    book.trust.refresh()
    for _ in range(3):
        book.trust.refresh_missing()
    assert book.asked == 1
    book.registry.set(NOON + 86400)  # there is no key for the day after
    for _ in range(3):
        book.trust.refresh_missing()
    assert book.asked == 4
    assert book.findings() == {"issuer_keys": "ok", "issuer_1_keys": "warning"}
    assert issuer.number == 1


def test_a_list_that_contradicts_the_first_is_refused_as_a_whole_and_remembered(book: Book, issuer: Issuer) -> None:
    book.trust.refresh()
    first = issuer.keys[DAY + 1]
    issuer.keys[DAY + 1] = SigningKey(random_bytes(32))
    issuer.list_days(DAY + 2)
    with pytest.raises(ListRefused):
        book.trust.take(book.pinned[0], issuer.listed())
    assert book.trust.keys_of_day(DAY + 1).find(issuer_kid(1, first.public))[0].public == first.public
    with pytest.raises(UnknownIssuerKey):
        book.trust.keys_of_day(DAY + 1).find(kid(issuer, DAY + 1))
    with pytest.raises(KeyMissing):
        book.trust.keys_of_day(DAY + 2)
    assert book.findings()["issuer_1_contradiction"] == "warning"
    issuer.keys[DAY + 1] = first
    book.trust.take(book.pinned[0], issuer.listed())
    assert book.trust.keys_of_day(DAY + 2).find(kid(issuer, DAY + 2))
    assert book.findings()["issuer_1_contradiction"] == "warning", "what was signed stays signed"
    book.trust.forget(DAY + 2)
    assert "issuer_1_contradiction" not in book.findings()


def test_an_older_list_sent_again_takes_nothing_away(book: Book, issuer: Issuer) -> None:
    old = issuer.listed()
    issuer.list_days(DAY + 2)
    new = issuer.listed()
    for note in (new, old):
        book.trust.take(book.pinned[0], note)
    assert book.trust.lists() == {1: Fetched(new)}
    assert book.trust.keys_of_day(DAY + 2).find(kid(issuer, DAY + 2))


def test_a_list_counts_only_under_the_pinned_key_for_its_own_number_and_clock(book: Book, issuer: Issuer) -> None:
    keys = {DAY: ListedKey(kid(issuer, DAY), issuer.keys[DAY].public)}
    text = IssuerList(1, keys, simulated=True).text()
    stranger = NoteSigner(issuer.signer.name, SigningKey(random_bytes(32)))
    others = {DAY: ListedKey(issuer_kid(2, issuer.keys[DAY].public), issuer.keys[DAY].public)}
    bad = {
        sign_note(text, stranger): NoteUntrusted,
        sign_note(IssuerList(2, others, simulated=True).text(), issuer.signer): NoteUntrusted,
        sign_note(IssuerList(1, keys, simulated=False).text(), issuer.signer): NoteUntrusted,
        sign_note("checkin/other/v1\nissuer 1\n", issuer.signer): NoteMalformed,
        "": NoteMalformed,
    }
    for note, error in bad.items():
        with pytest.raises(error):
            book.trust.take(book.pinned[0], note)
    with pytest.raises(KeyMissing):
        book.trust.keys_of_day(DAY)


def test_an_issuer_taken_out_of_the_settings_is_trusted_no_more(tmp_path: Path, new_issuer: NewIssuer) -> None:
    first, second = new_issuer(1), new_issuer(2)
    book = Book(tmp_path / "registry", first, second)
    book.trust.refresh()
    only = IssuerTrust(book.party, book.database, book.pinned[1:], book.fetch)
    with pytest.raises(UnknownIssuerKey):
        only.keys_of_day(DAY).find(kid(first, DAY))
    assert only.keys_of_day(DAY).find(kid(second, DAY))
    book.database.close()


def test_an_answer_that_is_no_list_is_as_good_as_none(issuer: Issuer) -> None:
    for url in ("http://127.0.0.1:1", "http://nowhere.invalid", issuer.url + "/x?"):
        if url.startswith(issuer.url):
            assert fetch_list(issuer.url).note.startswith("checkin/issuer-keys/v1\n")
            continue
        with pytest.raises(Unreachable):
            fetch_list(url)


def test_an_endless_answer_is_cut_off(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venue.issuer_trust._MAX_ANSWER", 100)
    with pytest.raises(Unreachable):
        fetch_list(issuer.url)


def test_the_service_is_not_ready_without_a_key_for_today_and_says_so(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuer = new_issuer()
    issuer.keys.clear()
    issuer.list_days(DAY + 5)
    registry = Registry(tmp_path / "registry", [issuer])
    with registry.client() as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert {"name": "issuer_keys", "level": "failure"} in [
            {name: item[name] for name in ("name", "level")} for item in answer.json()["findings"]
        ]


def test_check_ins_go_on_while_all_issuers_are_down(scene: Scene) -> None:
    scene.issuer.stop()
    assert code(check_in(scene.client, scene.at, scene.phone().at(NOON))) == "accepted"


def test_a_scanner_gets_every_list_as_its_owner_signed_it(tmp_path: Path, new_issuer: NewIssuer) -> None:
    issuers = [new_issuer(1), new_issuer(2)]
    registry = Registry(tmp_path / "registry", issuers)
    with registry.client() as client:
        trust = client.get("/v1/trust", headers=bearer(enrol(client).scanner)).json()
    for issuer, entry in zip(issuers, trust["issuers"], strict=True):
        assert (entry["issuer"], entry["vkey"], entry["list"]) == (
            issuer.number,
            issuer.signer.verifier.vkey,
            issuer.listed(),
        )
    intake = IntakeList.read(open_note(trust["intake"], [NoteVerifier.parse(trust["registry"]["vkey"])]).text)
    assert (intake.owner, intake.simulated) == ("registry.example", True)
    assert sorted(intake.keys) == list(range(DAY, DAY + 15))


def test_intake_keys_of_yesterday_are_listed_for_who_stands_at_the_door_at_midnight(scene: Scene) -> None:
    scene.registry.set(CALENDAR.start(DAY + 1) + 1)
    trust = scene.client.get("/v1/trust", headers=bearer(scene.at.scanner)).json()
    intake = IntakeList.read(open_note(trust["intake"], [NoteVerifier.parse(trust["registry"]["vkey"])]).text)
    assert min(intake.keys) == DAY
    assert {day: key.public for day, key in intake.keys.items()}.items() <= scene.intake.items()


def test_a_phone_of_an_unlisted_day_is_unknown(scene: Scene) -> None:
    issuer = scene.issuer
    issuer.keys[DAY] = SigningKey(random_bytes(32))  # not what was listed first
    assert code(check_in(scene.client, scene.at, Phone(issuer, DAY).at(NOON))) == "unknown_issuer_key"


def test_a_stolen_statement_key_fixes_no_keys_for_years(book: Book, issuer: Issuer) -> None:
    """A thief who has an issuer's statement key for an hour lists 2,000 days to come: only days that an issuer would
    list now are final, and once the issuer has another key the later ones are its own again."""
    book.trust.refresh()
    honest = dict(issuer.keys)
    issuer.list_days(*range(DAY + 2, DAY + 2000))
    book.trust.take(book.pinned[0], issuer.listed())
    held = [row[0] for row in rows(book, "SELECT day FROM issuer_keys ORDER BY day")]
    assert held == list(range(DAY - 4, DAY + HORIZON_DAYS + 1))
    far = DAY + HORIZON_DAYS + 1
    issuer.keys = honest | {far: SigningKey(random_bytes(32))}
    book.registry.set(NOON + 86400 * (HORIZON_DAYS + 1))
    book.trust.take(book.pinned[0], issuer.listed())
    assert book.trust.keys_of_day(far).find(kid(issuer, far))


def test_contradictions_are_kept_once_a_day_however_many_there_are(book: Book, issuer: Issuer) -> None:
    """The thief signs another key for the same days again and again: the evidence does not fill the disk."""
    book.trust.refresh()
    for _ in range(5):
        issuer.keys = {day: SigningKey(random_bytes(32)) for day in range(DAY, DAY + 3000)}
        with pytest.raises(ListRefused):
            book.trust.take(book.pinned[0], issuer.listed())
    assert rows(book, "SELECT issuer, day FROM contradictions ORDER BY day") == [(1, DAY), (1, DAY + 1)]
    assert book.findings()["issuer_1_contradiction"] == "warning"


def rows(book: Book, query: str) -> list[tuple[int, ...]]:
    """Of the registry's database."""
    with book.database.reading() as tables:
        return list(tables.execute(query).fetchall())
