"""What the health authority may put into the log, and what somebody with its token or its officers' keys may not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from checkin.keys.officer_folder import load_signer
from checkin.parties.authority_folder import AuthorityFolder
from checkin.parties.renewal import exchange_officers
from checkin.protocol.key_list import AuthorityKey, AuthorityList, CheckedList, DestroyedKey, DestroyedList
from checkin.protocol.note import add_signature, sign_note
from checkin.protocol.primitives import OpeningKey
from checkin.service.auth import token_hash
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.proof import LogProof, PinnedLog
from checkin.tlog.reader import LogReader
from tests.retention.test_statement_intake import STRANGER, size
from tests.support.retention_service import TOKEN as SERVICE_TOKEN
from tests.support.retention_service import Retention
from tests.support.service_folder import CALENDAR, DAY, bearer

TOKEN = "the authority's token of this test"
KEY = AuthorityKey(OpeningKey(bytes(32)).public, "ab" * 32)
GONE = DestroyedKey("ab" * 32, DAY)


class Office:
    """An authority with three officers, of whom two sign, and a retention service that knows it."""

    def __init__(self, folder: Path, retention: Retention) -> None:
        now = CALENDAR.start(DAY)
        self.authority = AuthorityFolder.init(
            folder, "health.example", officers=3, threshold=2, now=now, simulated=True, allow_unfit=True
        )
        self.signers = [load_signer(folder / "officers" / number) for number in "123"]
        vkeys = ", ".join(f'"{signer.verifier.vkey}"' for signer in self.signers)
        with retention.config.open("a") as file:
            file.write(f'authority_token_sha256 = "{token_hash(TOKEN).hex()}"\n')
            file.write(f'authority = {{ name = "health.example", threshold = 2, officers = [{vkeys}] }}\n')

    def sign(self, text: str, officers: int = 2) -> str:
        return sign_note(text, *self.signers[:officers])

    def listed(self, *days: int, name: str = "health.example", simulated: bool = True) -> str:
        return AuthorityList(name, dict.fromkeys(days, KEY), simulated).text()

    def gone(self, *days: int, name: str = "health.example", simulated: bool = True) -> str:
        return DestroyedList(name, dict.fromkeys(days, GONE), simulated).text()


@pytest.fixture
def office(tmp_path: Path, retention: Retention) -> Office:
    return Office(tmp_path / "authority", retention)


def bring(client: httpx.Client, note: str) -> httpx.Response:
    """With the authority's token."""
    return client.post("/v1/entries", json={"note": note}, headers=bearer(TOKEN))


def code(answer: httpx.Response) -> str:
    return str(answer.json().get("code"))


def test_others_in_the_officers_place_have_the_same_text_logged_under_their_names(
    retention: Retention, office: Office
) -> None:
    """Else an issuer, who pins them, would be given a list that former officers signed. Of these nothing is taken."""
    text = office.listed(DAY, DAY + 14)
    with retention.client() as client:
        first = bring(client, office.sign(text)).json()["index"]
    exchange_officers(office.authority, [office.authority.folder / "officers" / n for n in "13"], 3, 2)
    former = [signer.verifier.vkey for signer in office.signers]
    now = [load_signer(office.authority.folder / "officers" / number) for number in "456"]
    settings = retention.config.read_text()
    for before, after in zip(former, now, strict=True):
        settings = settings.replace(before, after.verifier.vkey)
    table = "former = [{ officers = [" + ", ".join(f'"{vkey}"' for vkey in former) + "] }]"
    retention.config.write_text(settings.replace(", threshold", f", {table}, threshold"))
    with retention.client() as client:
        assert code(bring(client, office.sign(office.listed(DAY + 1)))) == "note_untrusted"
        assert code(bring(client, sign_note(office.listed(DAY + 1), office.signers[0], now[0]))) == "note_untrusted"
        again = bring(client, sign_note(text, *now[:2])).json()["index"]
        assert again > first and bring(client, sign_note(text, *now[1:])).json() == {"index": again}
    parts = retention.parts()
    head = open_checkpoint(parts.log.checkpoint(), parts.log_verifier)
    assert LogReader(parts.log.file, head).entry(again).decode() == sign_note(text, *now[:2])
    parts.close()


def test_a_list_and_a_statement_are_logged_once_and_proved(retention: Retention, office: Office) -> None:
    """The same text again, also signed by another pair of officers, has the place that it has."""
    with retention.client() as client:
        for text in (office.listed(DAY, DAY + 14), office.gone(DAY - 28)):
            place = size(client)
            assert bring(client, office.sign(text)).json() == {"index": place}
            assert bring(client, sign_note(text, *office.signers[1:])).json() == {"index": place}
            assert size(client) == place + 1
        keys = client.get("/v1/keys").json()
    parts = retention.parts()
    proof = LogProof.read(parts.log.proof(place))
    proof.verify(office.sign(text).encode(), PinnedLog(parts.log_verifier))
    assert keys["log"] == parts.log_verifier.vkey
    parts.close()


def test_it_takes_as_many_officers_as_the_settings_ask_for(retention: Retention, office: Office) -> None:
    """Making and destroying needs no officer; saying so in public does."""
    with retention.client() as client:
        before = size(client)
        for text in (office.listed(DAY), office.gone(DAY - 28)):
            for note in (office.sign(text, 1), sign_note(text, office.signers[0], STRANGER), sign_note(text, STRANGER)):
                assert code(bring(client, note)) == "note_untrusted"
            assert code(bring(client, add_signature(office.sign(text), STRANGER))) == "note_untrusted"
        assert size(client) == before


def test_another_authoritys_and_another_clocks_are_refused(retention: Retention, office: Office) -> None:
    with retention.client() as client:
        for make in (office.listed, office.gone):
            for text in (make(DAY, name="other.example"), make(DAY, simulated=False)):
                assert code(bring(client, office.sign(text))) == "note_untrusted"


def test_nothing_but_the_three_kinds_is_taken_and_nothing_long(retention: Retention, office: Office) -> None:
    """Two officers' keys do not make the public log a place for any text."""
    texts = [
        "checkin/purge-report/v1\nservice health.example\n",
        "Call +82 10 1234 5678 about this.\n",
        office.gone(DAY) + "note Kim Ji-woo\n",
        office.gone(*range(DAY - 200, DAY - 135)),
        office.listed(*range(DAY - 60, DAY + 5)),
    ]
    with retention.client() as client:
        before = size(client)
        assert [code(bring(client, office.sign(text))) for text in texts] == ["note_malformed"] * len(texts)
        assert size(client) == before


def test_nobody_lists_the_years_to_come(retention: Retention, office: Office) -> None:
    """The first list for a day is final, so the log takes none that is further ahead than an issuer does."""
    with retention.client() as client:
        for day in (DAY + 16, 60_000, 70_000, CALENDAR.parse_date("9999-12-31")):
            for text in (office.listed(DAY, day), office.gone(DAY, day)):
                assert code(bring(client, office.sign(text))) == "note_untrusted"
        assert bring(client, office.sign(office.listed(DAY, DAY + 15))).status_code == 200
        for path in ("/", "/v1/purge-reports", "/readyz", "/v1/orders"):
            assert client.get(path).status_code == 200, path


def test_the_authoritys_lists_come_with_the_authoritys_token_alone(retention: Retention, office: Office) -> None:
    """A service's token is for its own statements, a stranger's for nothing."""
    note = {"note": office.sign(office.listed(DAY))}
    with retention.client() as client:
        for token, refusal in ((SERVICE_TOKEN, "note_untrusted"), ("x", "unauthorized")):
            assert code(client.post("/v1/entries", json=note, headers=bearer(token))) == refusal


def test_an_end_that_has_not_come_is_not_stated(retention: Retention, office: Office) -> None:
    """Two officers state it while the key lives, and every later audit would say that the key was destroyed in time."""
    with retention.client() as client:
        assert bring(client, office.sign(office.listed(DAY))).status_code == 200
        for done in (DAY + 1, DAY + 28):
            text = DestroyedList("health.example", {DAY - 28: DestroyedKey("ab" * 32, done)}, simulated=True).text()
            assert code(bring(client, office.sign(text))) == "note_untrusted"
        assert bring(client, office.sign(office.gone(DAY - 28))).status_code == 200


def test_a_check_of_listed_keys_is_taken_from_enough_officers_and_of_no_day_to_come(
    retention: Retention, office: Office
) -> None:
    """One officer, another authority, tomorrow's check: refused. Control: two officers, today."""
    checked = {done: {DAY: DestroyedKey(KEY.commitment, done)} for done in (DAY, DAY + 1)}
    text = CheckedList("health.example", checked[DAY], simulated=True).text()
    with retention.client() as client:
        assert bring(client, office.sign(office.listed(DAY))).status_code == 200
        tomorrow = CheckedList("health.example", checked[DAY + 1], simulated=True).text()
        other = CheckedList("other.example", checked[DAY], simulated=True).text()
        for note in (office.sign(text, officers=1), office.sign(tomorrow), office.sign(other)):
            assert code(bring(client, note)) == "note_untrusted"
        assert bring(client, office.sign(text)).status_code == 200


def test_the_first_key_of_the_authority_for_a_day_is_final(retention: Retention, office: Office) -> None:
    """Who seals to a second one seals to somebody else; the log hands out no proof for it."""
    other = AuthorityKey(OpeningKey(b"\x09" * 32).public, "cd" * 32)
    with retention.client() as client:
        assert bring(client, office.sign(office.listed(DAY, DAY + 1))).status_code == 200
        second = AuthorityList("health.example", {DAY + 1: other, DAY + 2: other}, simulated=True).text()
        assert code(bring(client, office.sign(second))) == "list_refused"
        assert bring(client, office.sign(office.listed(DAY + 1, DAY + 2))).status_code == 200
        old = AuthorityList("health.example", {3: other}, simulated=True).text()
        assert code(bring(client, office.sign(old))) == "note_untrusted"
