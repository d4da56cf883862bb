"""Attacker: whoever a telephone company gives a used number to, or who takes a number over, and registers it.

Control: the same registration with the recovery code of the former wallet, which the attacker does not have; then it
is the former owner's account, with everything that the attacker looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin.protocol.credential import Status
from checkin.service.tasks import Tasks
from issuer.access_notices import CODES, AccessNotice
from issuer.accounts import new_recovery_code, recovery_digest
from tests.support.issuer_service import NAME, Running, Site, ask_batch, begin, register_with, rows_in
from tests.support.service_folder import DAY, bearer

STRANGER = "다음 사람"
OTHER_CODE = "0123456789ABCDEFGHJKMNPQR"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A new issuer, which does nothing by itself after its start."""
    monkeypatch.setattr(Tasks, "start", lambda _: None)
    return Site.make(tmp_path / "issuer")


@pytest.fixture
def running(site: Site) -> Iterator[Running]:
    """It runs."""
    with site.serve() as running:
        assert site.list_keys(running.http).status_code == 200
        yield running


def registered(site: Site, running: Running, name: str = NAME, **proof: str) -> dict[str, str]:
    """What a confirmed registration of the one phone brings: {wallet_token, recovery_code}."""
    answer = register_with(site, running.http, name, **proof)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


def lived(site: Site, running: Running) -> dict[str, str]:
    """The former owner's wallet: a status, batches of two days, hosted codes, and a notice about an order."""
    owner = registered(site, running)
    issuer, token = running.issuer, owner["wallet_token"]
    subject = issuer.identities.find(token)
    issuer.identities.set_status(subject, Status.VACCINATED, DAY, DAY + 90)
    assert ask_batch(running.http, token, DAY).status_code == 200
    assert running.http.post("/v1/qr", json={}, headers=bearer(token)).status_code == 200
    told = [(subject, AccessNotice("health.example", "2026-11-20", "outbreak", CODES))]
    issuer.notices.add(issuer.notices.draft("0" * 64, told))
    site.set_day(DAY + 5)
    issuer.guard.confirm()
    issuer.make_keys()
    assert ask_batch(running.http, token, DAY + 5).json()["disclosures"], "the control: the owner is told"
    return owner


def held(running: Running, token: str) -> Any:
    """GET /v1/wallet."""
    return running.http.get("/v1/wallet", headers=bearer(token))


def test_a_recycled_number_brings_nothing_of_its_former_owner(site: Site, running: Running) -> None:
    owner = lived(site, running)
    stranger = registered(site, running, STRANGER)
    mine = held(running, stranger["wallet_token"]).json()
    assert (mine["name"], mine["registered"], mine["status"], mine["days"]) == (STRANGER, "2026-11-25", None, [])
    batch = ask_batch(running.http, stranger["wallet_token"], DAY + 5).json()
    assert batch["disclosures"] == []
    assert {opening["status"] for opening in batch["status_openings"]} == {0}
    assert held(running, owner["wallet_token"]).status_code == 401
    assert rows_in(running.issuer.database, "hosted") == 0


def test_the_former_owner_stays_to_be_found_as_after_a_deletion(site: Site, running: Running) -> None:
    """Retired, not erased: the name goes with the last day that it was issued for, the status at once."""
    owner = lived(site, running)
    former = running.issuer.identities.find(owner["wallet_token"])
    registered(site, running, STRANGER)
    record = running.issuer.identities.disclosed(former)
    assert record is not None
    assert (record.name, record.status) == (NAME, 0)
    query = "SELECT leaving, last_issued, recovery FROM identities WHERE subject = :former"
    assert running.issuer.database.read(query, {"former": former}) == [(1, DAY + 5, None)]


@pytest.mark.parametrize("written", [str, str.lower, lambda code: code.replace("-", " ").replace("0", "o")])
def test_the_owner_with_the_recovery_code_keeps_the_account(
    site: Site, running: Running, written: Callable[[str], str]
) -> None:
    owner = lived(site, running)
    again = registered(site, running, STRANGER, recovery_code=written(owner["recovery_code"]))
    mine = held(running, again["wallet_token"]).json()
    # Registered today: an account that was idle for long does not end the night after.
    assert (mine["name"], mine["registered"], mine["status"]["status"]) == (STRANGER, "2026-11-25", 1)
    assert mine["days"] == ["2026-11-20", "2026-11-25"]
    assert ask_batch(running.http, again["wallet_token"], DAY + 5).json()["disclosures"]
    assert held(running, owner["wallet_token"]).status_code == 401
    # An answer may be lost on its way: the code that was used stays good.
    assert again["recovery_code"] == owner["recovery_code"]


def test_the_owner_with_the_old_wallets_token_keeps_the_account(site: Site, running: Running) -> None:
    owner = lived(site, running)
    again = registered(site, running, STRANGER, token=owner["wallet_token"])
    assert held(running, again["wallet_token"]).json()["days"] == ["2026-11-20", "2026-11-25"]
    assert held(running, owner["wallet_token"]).status_code == 401


def test_a_wrong_proof_is_refused_and_costs_nothing(site: Site, running: Running) -> None:
    """Nothing is made, nothing retired, and the same code from the message still counts with the right proof."""
    owner = lived(site, running)
    for proof in ({"recovery_code": OTHER_CODE}, {"recovery_code": "한글"}, {"token": "x"}, {"recovery_code": ""}):
        answer = register_with(site, running.http, STRANGER, **proof)
        assert (answer.status_code, answer.json()["code"]) == (403, "recovery_wrong")
    assert held(running, owner["wallet_token"]).json()["name"] == NAME
    before = set(site.messages())
    registration = begin(running.http, STRANGER)
    ((_, code),) = set(site.messages()) - before
    url = f"/v1/registrations/{registration}/confirm"
    assert running.http.post(url, json={"code": code, "recovery_code": OTHER_CODE}).status_code == 403
    body = {"code": code, "recovery_code": owner["recovery_code"]}
    assert running.http.post(url, json=body).status_code == 201


def test_a_refused_proof_does_not_tell_whether_the_phone_has_an_account(site: Site, running: Running) -> None:
    """Nor does a proof of one phone's account open another's."""
    owner = registered(site, running)
    known = register_with(site, running.http, recovery_code=OTHER_CODE)
    unknown = register_with(site, running.http, phone="010-8765-4321", recovery_code=owner["recovery_code"])
    other = register_with(site, running.http, phone="010-8765-4321", token=owner["wallet_token"])
    assert known.status_code == unknown.status_code == other.status_code == 403
    assert known.text == unknown.text == other.text


def test_a_recovery_code_is_as_hard_to_guess_as_a_key() -> None:
    codes = {new_recovery_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){4}", code) for code in codes)
    assert 5 * 5 * 5 >= 100, "25 letters of 5 bits"


def test_the_issuer_keeps_only_a_hash_of_the_code(site: Site, running: Running) -> None:
    owner = registered(site, running)
    plain = owner["recovery_code"].replace("-", "").encode()
    assert [path for path, data in site.files().items() if plain in data.replace(b"-", b"")] == []
    (kept,) = running.issuer.database.read("SELECT recovery FROM identities")[0]
    assert kept == recovery_digest(owner["recovery_code"])
