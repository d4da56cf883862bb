"""An issuer whose day officers had destroyed: it issues nothing for that day, and all else goes on."""

from __future__ import annotations

import pytest

from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Mode
from checkin.protocol.note import sign_note, unverified_text
from checkin.service.vault_folder import VaultFolder
from issuer.service import Issuer
from tests.issuer.test_idle_accounts import accounts, pass_to
from tests.support.issuer_service import Running, Site, ask_batch, enrol, keep_house, publics, register, rows_in
from tests.support.officers import early_note
from tests.support.service_folder import DAY, bearer


def destroy_early(site: Site, first: int, last: int) -> None:
    """As `checkin purge early` does, beside the issuer."""
    text = unverified_text(early_note(first, last, service="issuer.example"))
    folder = VaultFolder(site.config, site.clock.path)
    folder.early.take(sign_note(text, *site.officers[:2]))
    assert folder.destroy() == {}
    folder.close()


def test_for_the_rest_of_the_day_nothing_is_issued_and_accounts_end_as_ever(site: Site, running: Running) -> None:
    """A batch and a hosted code of today are refused as of a destroyed day; tomorrow's batch is given."""
    client = running.http
    token = register(site, client)
    assert client.post("/v1/qr", json={}, headers=bearer(token)).status_code == 200
    assert rows_in(running.issuer.database, "hosted") == 9
    destroy_early(site, DAY, DAY)
    keep_house(running.issuer)
    for answer in (ask_batch(client, token), client.post("/v1/qr", json={}, headers=bearer(token))):
        assert (answer.status_code, answer.json()["code"]) == (410, "day_destroyed")
    assert ask_batch(client, token, DAY + 1).status_code == 200
    found = {item["name"]: item["text"] for item in client.get("/readyz").json()["findings"]}
    assert "officers had it destroyed" in found["day_key"] and "task_make_keys" not in found
    assert client.delete("/v1/wallet", headers=bearer(token)).status_code == 202
    points = client.post("/v1/audit", json={}, headers=bearer("retention")).json()["statement"]
    assert "\npoint fail " not in points


def test_an_account_of_which_nobody_can_tell_that_it_was_not_used_is_kept(site: Site) -> None:
    """It took a batch for a day that was destroyed early; it ends with the last record that it could have had."""
    with site.open() as issuer:
        subject = enrol(issuer)
        pass_to(site, issuer, DAY + 20)
        issuer.batches.issue(subject, DAY + 20, Mode.SCREEN, publics())
        destroy_early(site, DAY, DAY + 20)
        pass_to(site, issuer, DAY + 28)
        assert issuer.identities.read(subject)
        pass_to(site, issuer, DAY + 48)
        assert accounts(issuer) == 0


@pytest.mark.parametrize("early", [False, True])
def test_a_signing_key_stays_until_its_day_ends(site: Site, early: bool) -> None:
    """It opens nothing, and others count on the list; with the control of a day as ever."""
    with site.open() as issuer:
        if early:
            destroy_early(site, DAY, DAY)
        assert _gone(issuer) == (early, False)
        pass_to(site, issuer, DAY + 1)
        assert _gone(issuer) == (early, True)


def _gone(issuer: Issuer) -> tuple[bool, bool]:
    ring = issuer.party.ring
    return ring.is_gone(KeyName(Purpose.DAY, DAY)), ring.is_gone(KeyName(Purpose.SIGNING, DAY))
