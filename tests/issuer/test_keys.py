"""Lists of keys: the issuer's own, and the authority's that it takes. The first one for a day is final."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from checkin.errors import KeyDestroyed, ListRefused, NotReady
from checkin.files.tables import Values
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol import key_list as keylist
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.key_list import AuthorityKey, AuthorityList, IssuerList
from checkin.protocol.note import NoteSigner, open_note, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from issuer.service import Issuer
from tests.support.issuer_service import Site, ask_batch, keep_house, register
from tests.support.service_folder import DAY, bearer


@pytest.fixture
def opened(site: Site) -> Iterator[Issuer]:
    """Objects without a server."""
    with site.open() as issuer:
        yield issuer


def _put(client: httpx.Client, note: str, who: str = "authority") -> tuple[int, Any]:
    answer = client.put("/v1/authority-keys", json={"list": note}, headers=bearer(who))
    return answer.status_code, answer.json().get("code") or answer.json().get("added")


def test_keys_are_published_fourteen_days_ahead_as_jwks_and_as_a_signed_list(
    client: httpx.Client, issuer: Issuer
) -> None:
    answer = client.get("/v1/keys").json()
    listed = IssuerList.read(open_note(answer["list"], [issuer.party.signer.verifier]).text)
    assert answer["issuer"] == listed.owner == 7
    assert listed.simulated
    assert sorted(listed.keys) == list(range(DAY, DAY + 15))
    for (day, key), jwk in zip(sorted(listed.keys.items()), answer["keys"], strict=True):
        assert jwk["day"] == issuer.party.calendar.date(day)
        assert (b64url_decode(jwk["kid"]), b64url_decode(jwk["x"])) == (key.kid, key.public)
        assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"]) == ("OKP", "Ed25519", "Ed25519", "sig")


def test_who_has_the_keys_already_is_told_so(client: httpx.Client) -> None:
    """No browser does that by itself: the answer is not for keeping, or its tag could mark a wallet."""
    answer = client.get("/v1/keys")
    assert answer.headers["cache-control"] == "no-store"
    same = client.get("/v1/keys", headers={"If-None-Match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert client.get("/v1/keys", headers={"If-None-Match": '"other"'}).content == answer.content
    assert client.get("/v1/keys").headers["etag"] == answer.headers["etag"]


def test_the_list_is_the_same_after_a_restart_and_grows_by_a_day_a_day(site: Site) -> None:
    with site.open() as issuer:
        first = issuer.signing.listed()
    with site.open() as issuer:
        assert issuer.signing.listed() == first
        site.set_day(DAY + 1)
        issuer.guard.confirm()
        keep_house(issuer)
        later = issuer.signing.listed()
    assert sorted(later) == list(range(DAY, DAY + 16))
    assert first.items() <= later.items()


def test_a_key_that_is_not_the_one_listed_is_neither_listed_nor_signed_with(opened: Issuer) -> None:
    """As when a ring comes back from somewhere else: the day is not issued for, and readiness says why."""
    other = SigningKey(random_bytes(32)).public
    values: Values = {"kid": keylist.issuer_kid(7, other), "other": other, "day": DAY + 3}
    update = "UPDATE listed_keys SET kid = :kid, public = :other WHERE day = :day"
    assert opened.database.write(lambda commit: commit.change(update, values)) == 1
    opened.make_keys()
    with pytest.raises(NotReady):
        opened.signing.key(DAY + 3)
    (finding,) = [finding for finding in opened.findings() if finding.name == "key_list"]
    assert finding.level == "failure"
    assert "2026-11-23" in finding.text


def test_two_keys_with_one_kid_are_never_both_listed(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential names its key by nothing else. The second key of a collision is refused, its day fails readiness."""
    known = opened.signing.listed()[DAY]
    monkeypatch.setattr("issuer.signing_keys.issuer_kid", lambda *_: known.kid)
    site.set_day(DAY + 1)
    opened.guard.confirm()
    keep_house(opened)
    assert DAY + 15 not in opened.signing.listed()
    assert [finding.level for finding in opened.findings() if finding.name == "key_list"] == ["failure"]


def test_yesterdays_signing_key_is_destroyed_and_stays_listed(site: Site, opened: Issuer) -> None:
    site.set_day(DAY + 1, hour=1)
    opened.guard.confirm()
    keep_house(opened)
    with pytest.raises(KeyDestroyed):
        opened.party.ring.use(KeyName(Purpose.SIGNING, DAY))
    assert DAY in opened.signing.listed()


def test_days_that_are_gone_leave_both_lists_and_the_memory(site: Site, opened: Issuer) -> None:
    """For good: no list is taken for one of them."""
    assert opened.authority.key(DAY).public == site.authority[DAY].public
    site.set_day(DAY + 28)
    opened.guard.confirm()
    keep_house(opened)
    assert min(opened.signing.listed()) == DAY + 1
    assert opened.database.read("SELECT min(day) FROM authority_keys")[0] == (DAY + 1,)
    del site.authority[DAY]  # another key for it
    assert opened.authority.accept(site.signed_list(DAY, DAY + 15)) == [DAY + 15]
    with pytest.raises(NotReady):
        opened.authority.key(DAY)


def test_two_officers_list_the_authoritys_keys(site: Site) -> None:
    with site.serve() as running:
        token = register(site, running.http)
        assert ask_batch(running.http, token).json()["code"] == "not_ready"
        status, added = _put(running.http, site.signed_list(DAY, DAY + 2))
        assert (status, added) == (200, ["2026-11-20", "2026-11-21", "2026-11-22"])
        assert _put(running.http, site.signed_list(DAY, DAY + 3)) == (200, ["2026-11-23"])
        assert ask_batch(running.http, token).status_code == 200


def test_one_officer_is_not_enough_and_strangers_count_for_nothing(site: Site, client: httpx.Client) -> None:
    text = site.key_list(DAY, DAY + 1).text()
    stranger = NoteSigner("officer-a.example", SigningKey(random_bytes(32)))
    for note in (
        sign_note(text, site.officers[0]),
        sign_note(text, site.officers[0], stranger),
        sign_note(text, stranger),
    ):
        assert _put(client, note) == (403, "note_untrusted")


def test_nobody_but_the_authority_can_bring_a_list(site: Site, client: httpx.Client) -> None:
    note = site.signed_list()
    assert _put(client, note, "retention") == (403, "forbidden")
    assert client.put("/v1/authority-keys", json={"list": note}).status_code == 401


def test_a_list_that_contradicts_an_earlier_one_changes_nothing(site: Site, client: httpx.Client) -> None:
    """Not even with two officers' keys can a day be sealed to somebody else afterwards."""
    keys = {DAY + 15: AuthorityKey(OpeningKey(random_bytes(32)).public, "1" * 64)}
    keys |= {DAY: AuthorityKey(OpeningKey(random_bytes(32)).public, "1" * 64)}
    text = AuthorityList("health.example", dict(sorted(keys.items())), simulated=True).text()
    assert _put(client, sign_note(text, *site.officers[:2])) == (409, "list_refused")
    assert _put(client, site.signed_list(DAY + 15, DAY + 15))[1] == ["2026-12-05"]


def test_whoever_has_two_officers_keys_once_does_not_own_the_years_to_come(site: Site, client: httpx.Client) -> None:
    """The first list of a day is final, so a list counts only as far ahead as an honest one goes."""
    keys = {DAY + ahead: AuthorityKey(OpeningKey(random_bytes(32)).public, "1" * 64) for ahead in (15, 16, 8000)}
    text = AuthorityList("health.example", keys, simulated=True).text()
    assert _put(client, sign_note(text, *site.officers[:2])) == (200, ["2026-12-05"])
    site.set_day(DAY + 2)
    assert _put(client, site.signed_list(DAY + 16, DAY + 16)) == (200, ["2026-12-06"])


@pytest.mark.parametrize(("authority", "simulated"), [("other.example", True), ("health.example", False)])
def test_another_authoritys_list_or_another_clocks_is_refused(
    site: Site, client: httpx.Client, authority: str, simulated: bool
) -> None:
    text = AuthorityList(authority, site.key_list(DAY, DAY).keys, simulated).text()
    assert _put(client, sign_note(text, *site.officers[:2])) == (403, "note_untrusted")


def test_text_that_is_no_list_is_refused(site: Site, client: httpx.Client) -> None:
    assert _put(client, "hello") == (400, "note_malformed")
    assert _put(client, sign_note("checkin/other/v1\n", *site.officers[:2])) == (400, "note_malformed")


@pytest.mark.parametrize(("days", "level", "ready"), [(15, "ok", True), (6, "warning", True), (0, "failure", False)])
def test_readiness_warns_a_week_before_keys_run_out(site: Site, days: int, level: str, ready: bool) -> None:
    with site.serve() as running:
        if days:
            assert site.list_keys(running.http, DAY, DAY + days - 1).status_code == 200
        answer = running.http.get("/readyz")
        (finding,) = [found for found in answer.json()["findings"] if found["name"] == "authority_keys"]
        assert (finding["level"], answer.json()["ready"]) == (level, ready)
        assert answer.status_code == (200 if ready else 503)


def test_a_gap_in_the_list_counts_as_its_end(opened: Issuer) -> None:
    delete = "DELETE FROM authority_keys WHERE day = :day"
    opened.database.write(lambda commit: commit.execute(delete, {"day": DAY + 2}))
    assert opened.authority.days_ahead() == 2


def test_a_contradiction_inside_one_merge_names_the_day(opened: Issuer) -> None:
    known = opened.signing.listed()
    with pytest.raises(ListRefused, match="2026-11-20"):
        keylist.merge(known, {DAY: known[DAY + 1]})


def test_b64url_is_the_spelling_of_kids(client: httpx.Client) -> None:
    for key in client.get("/v1/keys").json()["keys"]:
        assert b64url_encode(b64url_decode(key["kid"], 4)) == key["kid"]
