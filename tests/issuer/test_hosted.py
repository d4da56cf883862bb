"""Hosted wallets: the issuer presents the code, as text or picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from checkin.clock import parse_rfc3339
from checkin.errors import NotAcceptable
from checkin.protocol import presentation, qr
from checkin.protocol.credential import IssuerKey, IssuerKeys, Status
from checkin.protocol.encoding import b64url_decode
from issuer.routes.credentials import choose
from issuer.service import Issuer
from tests.support.issuer_service import Site, register, rows_in
from tests.support.service_folder import DAY, bearer

OFFERS = ("application/json", "image/png", "image/svg+xml")


def _present(client: httpx.Client, token: str, accept: str = "application/json", **body: object) -> httpx.Response:
    return client.post("/v1/qr", json=body, headers=bearer(token) | {"Accept": accept})


def _verify(site: Site, client: httpx.Client, text: str) -> presentation.Presentation:
    keys = client.get("/v1/keys").json()["keys"]
    listed = IssuerKeys(*(IssuerKey(7, b64url_decode(key["x"])) for key in keys if key["day"] == "2026-11-20"))
    return presentation.verify(text, site.clock.now(), site.calendar, lambda _: listed)


def test_each_call_gives_a_fresh_code_that_a_door_accepts(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    answers = [_present(client, token).json() for _ in range(12)]
    shown = [_verify(site, client, answer["token"]) for answer in answers]
    assert len({one.credential.visit_id for one in shown}) == 12
    assert {one.opening for one in shown} == {None}
    assert parse_rfc3339(answers[0]["expires_at"]) == site.clock.now() + 20
    assert client.get("/v1/wallet", headers=bearer(token)).json()["days"] == ["2026-11-20"]


def test_the_picture_reads_as_a_code_that_a_door_accepts(site: Site, client: httpx.Client) -> None:
    answer = _present(client, register(site, client), "image/png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    (text,) = qr.read_image(answer.content)
    assert _verify(site, client, text).credential.day == DAY


def test_an_svg_is_drawn_on_request(site: Site, client: httpx.Client) -> None:
    answer = _present(client, register(site, client), "image/svg+xml")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert b"<svg" in answer.content


def test_another_media_type_is_refused_without_using_a_code_up(
    site: Site, client: httpx.Client, issuer: Issuer
) -> None:
    answer = _present(client, register(site, client), "text/html")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert issuer.vault.store.measure(DAY).rows == 0


def test_the_status_is_shown_only_when_asked_for(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    token = register(site, client)
    issuer.identities.set_status(issuer.identities.find(token), Status.RECOVERED, DAY, DAY)
    shown = _verify(site, client, _present(client, token, show_status=True).json()["token"])
    assert shown.opening is not None
    assert shown.opening.status is Status.RECOVERED
    assert _verify(site, client, _present(client, token).json()["token"]).opening is None


def test_an_answer_says_whether_there_was_a_status_to_show(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    token = register(site, client)
    assert [_present(client, token, show_status=asked).json()["shows"] for asked in (False, True)] == [None, 0]
    another = register(site, client, phone="010-2222-3333")
    issuer.identities.set_status(issuer.identities.find(another), Status.RECOVERED, DAY, DAY)
    assert _present(client, another, show_status=True).json()["shows"] == Status.RECOVERED


def test_the_codes_of_a_day_run_out_as_every_wallets_do(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    answers = [_present(client, token) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [409]
    assert answers[-1].json()["code"] == "quota_used"


def test_calls_at_once_share_one_batch_and_no_code(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    token = register(site, client)
    with ThreadPoolExecutor(10) as pool:
        tokens = list(pool.map(lambda _: _present(client, token).json()["token"], range(10)))
    assert len({_verify(site, client, text).credential.visit_id for text in tokens}) == 10
    assert issuer.vault.store.measure(DAY).rows == 1


def test_what_is_left_over_goes_with_the_day_or_the_account(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    first, second = register(site, client), register(site, client, phone="010-8765-4321")
    for token in (first, second):
        _present(client, token)
    client.delete("/v1/wallet", headers=bearer(first))
    assert rows_in(issuer.database, "hosted") == 9
    site.set_day(DAY + 1, hour=0)
    issuer.purger.run()
    assert rows_in(issuer.database, "hosted") == 0


def test_one_hosted_wallet_cannot_be_given_anothers_codes(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    """Who writes the database, but has no keys, changes owners: the code does not open."""
    first, second = register(site, client), register(site, client, phone="010-8765-4321")
    _present(client, first)
    [(one,)] = issuer.database.read("SELECT DISTINCT owner FROM hosted")
    _present(client, second)
    update = "UPDATE hosted SET owner = :one"
    issuer.database.write(lambda commit: commit.execute(update, {"one": one}))
    answers = [_present(client, first).status_code for _ in range(10)]  # nine are its own
    assert 422 in answers


def test_its_description_says_what_the_issuer_sees(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/v1/qr"]["post"]["description"]
    assert "Here the issuer sees when a code was made" in described


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/*", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("IMAGE/PNG", "image/png"),
        ("image/png;q=0.5, image/svg+xml", "image/svg+xml"),
        ("image/*, image/png;q=0", "image/svg+xml"),
        ("text/html, */*;q=0.1", "application/json"),
        ("image/png;q=x, application/json", "application/json"),
    ],
)
def test_a_caller_gets_the_media_type_it_prefers(accept: str | None, chosen: str) -> None:
    assert choose(accept, OFFERS) == chosen


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "image", ";", ",", "*/*;q=7"])
def test_a_caller_that_takes_nothing_on_offer_is_told_so(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose(accept, OFFERS)
