"""A vaccination status: by a certificate that verifies, and by nothing else; nothing of it is kept but the days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from checkin.certificate.vaccination_proof import LAST_SECOND, VaccinationProof
from checkin.clock import Calendar
from checkin.errors import CertificateOutdated, SettingsInvalid
from checkin.keys.journal import Journal
from checkin.protocol.credential import DAY_LAST, Status
from issuer import vaccination
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from issuer.vaccination import service_days
from tests.checkin.certificate.conftest import Signer, claims_of
from tests.support.issuer_service import Running, Site, holder_keys, register
from tests.support.service_folder import bearer

KST = Calendar()
DAY = KST.parse_date("2021-07-01")
NOON = KST.start(DAY) + 12 * 3600
HOUR = 3600.0


def _site(tmp_path: Path, signer: Signer) -> Site:
    (tmp_path / "trust.pem").write_bytes(signer.pem)
    site = Site.make(tmp_path / "issuer", certificate_trust='"../trust.pem"')
    site.clock.set("2021-07-01T12:00:00+09:00")
    return site


def _prove(running: Running, token: str, text: str) -> httpx.Response:
    return running.http.put("/v1/vaccination", json={"certificate": text}, headers=bearer(token))


def _statuses(running: Running, token: str, day: int) -> set[int]:
    body = {"day": day, "holder_keys": holder_keys()[1]}
    answer = running.http.post("/v1/credentials", json=body, headers=bearer(token)).json()
    return {opening["status"] for opening in answer["status_openings"]}


def test_the_wallet_offers_a_proof_only_where_the_issuer_takes_one(tmp_path: Path) -> None:
    """Neither the button that shows a status nor the form that asks for one."""
    for site, taken in ((_site(tmp_path, Signer()), True), (Site.make(tmp_path / "other"), False)):
        with site.serve() as running:
            page = running.http.get("/wallet").text
        for hidden in ('id="show-status" class="plain" aria-pressed="false" hidden', "<div hidden>"):
            assert (hidden in page) != taken


def test_a_proof_is_committed_to_until_it_ends_or_is_taken_back(tmp_path: Path) -> None:
    """A test taken on 30 June 15:00 in Seoul holds for the whole of 1 and 2 July, and for no whole 3 July."""
    signer = Signer()
    site = _site(tmp_path, signer)
    with site.serve() as running:
        site.list_keys(running.http, DAY, DAY + 3)
        token = register(site, running.http)
        answer = _prove(running, token, signer.text(claims_of("t")))
        assert answer.json() == {"status": 3, "valid_from": "2021-07-01", "valid_until": "2021-07-02"}
        held = running.http.get("/v1/wallet", headers=bearer(token)).json()
        assert held["status"] == answer.json()
        assert [item["what"] for item in held["held"]][1] == "vaccination status"
        assert _statuses(running, token, DAY) == _statuses(running, token, DAY + 1) == {3}
        site.set_day(DAY + 2)
        running.issuer.guard.confirm()
        running.issuer.make_keys()
        assert _statuses(running, token, DAY + 2) == {0}
        assert _prove(running, token, signer.text(claims_of("v"))).json()["status"] == 1
        assert running.http.delete("/v1/vaccination", headers=bearer(token)).status_code == 204
        assert _statuses(running, token, DAY + 2) == {0}
        assert running.http.get("/v1/wallet", headers=bearer(token)).json()["status"] is None


def test_a_status_that_is_set_and_taken_back_again_and_again_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each end is a line in the journal beside the ring; taking back is never refused, another account's is its own."""
    monkeypatch.setattr(vaccination, "PROOFS_A_DAY", 2)
    signer = Signer()
    site = _site(tmp_path, signer)
    with site.serve() as running:
        token, other = register(site, running.http), register(site, running.http, phone="010-8765-4321")
        answers = []
        for _ in range(4):
            answers.append(_prove(running, token, signer.text(claims_of("v"))))
            assert running.http.delete("/v1/vaccination", headers=bearer(token)).status_code == 204
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[2].json()["code"] == "too_many_requests"
        assert 3600 < int(answers[2].headers["retry-after"]) <= 86400
        journal = Journal(running.issuer.settings.keys / "journal", running.issuer.party.ring)
        assert [ending.kind for ending in journal.since(0)[0]] == ["status", "status"]
        assert _prove(running, other, signer.text(claims_of("v"))).status_code == 200


def test_nothing_of_a_certificate_is_kept_but_status_and_days(tmp_path: Path) -> None:
    signer = Signer()
    site = _site(tmp_path, signer)
    text = signer.text(claims_of("v"))
    with site.serve() as running:
        token = register(site, running.http)
        assert _prove(running, token, text).status_code == 200
        record = running.issuer.identities.read(running.issuer.identities.find(token))
        assert "Musterfrau" not in repr(record)
    pieces = (b"Musterfrau", text[4:40].encode())
    assert [path for path, content in site.files().items() for piece in pieces if piece in content] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HC1:", "certificate_compression"),
        ("HELLO", "certificate_prefix"),
        (None, "certificate_signature"),
    ],
)
def test_a_certificate_that_does_not_verify_sets_nothing(tmp_path: Path, text: str | None, code: str) -> None:
    site = _site(tmp_path, Signer())
    with site.serve() as running:
        token = register(site, running.http)
        answer = _prove(running, token, text or Signer().text(claims_of("v")))
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert running.http.get("/v1/wallet", headers=bearer(token)).json()["status"] is None


def test_without_a_trust_list_no_status_can_be_proved(site: Site, client: httpx.Client) -> None:
    """And nobody is told to try again in a minute."""
    answer = client.put("/v1/vaccination", json={"certificate": "HC1:"}, headers=bearer(register(site, client)))
    assert (answer.status_code, answer.json()["code"]) == (404, "certificate_not_taken")


def test_a_trust_list_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", certificate_trust='"none.pem"')
    with pytest.raises(SettingsInvalid, match=r"none\.pem"):
        Issuer(IssuerSettings.load(site.config), site.folder / "clock")


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "days"),
    [
        (NOON - 40 * 24 * HOUR, LAST_SECOND, (DAY, DAY_LAST)),
        (NOON, KST.start(DAY + 1) - 1, (DAY, DAY)),
        (NOON + 1, KST.start(DAY + 3) - 1, (DAY + 1, DAY + 2)),
        (KST.start(DAY + 1), KST.start(DAY + 3), (DAY + 1, DAY + 2)),
        (NOON, KST.start(DAY + 1) - 2, None),
        (NOON + 1, KST.start(DAY + 1) - 1, None),
    ],
)
def test_a_status_covers_whole_days_only(valid_from: float, valid_until: float, days: Any) -> None:
    """No door is ever shown a status that no longer holds; today counts from now on."""
    proof = VaccinationProof(Status.VACCINATED, valid_from, valid_until)
    if days is None:
        with pytest.raises(CertificateOutdated):
            service_days(proof, NOON, KST)
    else:
        assert service_days(proof, NOON, KST) == days
