"""The night: what is due is destroyed by itself, on demand too, and stated."""

from __future__ import annotations

import shutil

import httpx
import pytest

from checkin.errors import ClockUntrusted, DayDestroyed, KeyDestroyed, NotReady
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import open_note
from checkin.protocol.statement import kind_of
from issuer.service import Issuer
from tests.support.issuer_service import Site, ask_batch, register, rows_in
from tests.support.service_folder import DAY, bearer


def _purge(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/purge", json={}, headers=bearer("retention"))


def test_after_28_days_the_day_is_gone_and_signed_statements_say_so(
    site: Site, client: httpx.Client, issuer: Issuer
) -> None:
    token = register(site, client)
    ask_batch(client, token)
    assert client.delete("/v1/wallet", headers=bearer(token)).json()["identity_destroyed_on"] == "2026-12-18"
    site.set_day(DAY + 28, hour=0)
    issuer.guard.confirm()
    notes = _purge(client).json()["statements"]
    kinds = [kind_of(open_note(note, [issuer.party.signer.verifier]).text) for note in notes]
    assert "checkin/purge-report/v1" in kinds
    assert kinds.count("checkin/key-destroyed/v1") >= 2
    with pytest.raises(DayDestroyed):
        issuer.vault.mac(DAY, b"x")
    assert issuer.party.ring.tombstone(KeyName(Purpose.DAY, DAY))
    assert DAY not in issuer.vault.store.days()
    assert rows_in(issuer.database, "identities") == 0
    assert _purge(client).json() == {"statements": []}
    named = client.get("/v1/statements", headers=bearer("retention")).json()["statements"]
    names = [statement["name"] for statement in named]
    assert {"purge-2026-11-20", "key-destroyed-identity-2026-11-20", "key-made-signing-2026-12-04"} <= set(names)
    assert set(notes) <= {statement["note"] for statement in named}


def test_what_cannot_be_forgotten_keeps_nothing_else_from_being(
    site: Site, client: httpx.Client, issuer: Issuer
) -> None:
    """A damaged table of attempts, say: identities go all the same, and the round is told as failed."""
    token = register(site, client)
    ask_batch(client, token)
    client.delete("/v1/wallet", headers=bearer(token))
    issuer.database.write(lambda commit: commit.execute("DROP TABLE attempts"))
    site.set_day(DAY + 28, hour=0)
    issuer.guard.confirm()
    with pytest.raises(NotReady, match=r"\(registrations\)"):
        issuer.purger.run()
    assert rows_in(issuer.database, "identities") == 0


def test_a_statement_names_no_person_and_no_small_number(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    ask_batch(client, register(site, client))
    site.set_day(DAY + 28, hour=0)
    issuer.guard.confirm()
    _purge(client)
    report = issuer.book.get("purge-2026-11-20") or ""
    assert "rows fewer than 10" in report
    assert "bytes -" in report


def test_in_doubt_about_the_clock_nothing_is_destroyed(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    ask_batch(client, register(site, client))
    boot = issuer.party.clock.boot()
    site.clock.set("2026-12-18T00:00:00+09:00", boot=boot + 1)
    answer = _purge(client)
    assert (answer.status_code, answer.json()["code"]) == (503, "clock_untrusted")
    assert issuer.vault.store.days() == [DAY, DAY + 1]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert [finding["level"] for finding in ready.json()["findings"] if finding["name"] == "clock"] == ["failure"]


def _found(client: httpx.Client) -> dict[str, str]:
    return {item["name"]: item["level"] for item in client.get("/readyz").json()["findings"]}


def test_until_todays_key_is_made_the_issuer_is_not_ready(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    """After a jump of the clock a good readiness means that a batch is issued."""
    assert "day_key" not in _found(client)
    site.set_day(DAY + 3)
    issuer.guard.tick()
    assert _found(client).get("day_key") == "failure"
    issuer.make_keys()
    assert "day_key" not in _found(client)


def test_what_is_held_names_the_day_it_goes(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    ask_batch(client, token, DAY + 1)
    answer = client.get("/v1/wallet", headers=bearer(token)).json()
    assert answer["days"] == ["2026-11-21"]
    assert [item["until"] for item in answer["held"]][1:] == ["2026-12-19"]
    assert "2026-12-19" in answer["held"][0]["until"]
    assert any("where you were" in line for line in answer["not_held"])


def test_an_account_without_batches_is_gone_at_once(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    token = register(site, client)
    answer = client.delete("/v1/wallet", headers=bearer(token))
    assert (answer.status_code, answer.json()["identity_destroyed_on"]) == (202, None)
    assert client.get("/v1/wallet", headers=bearer(token)).status_code == 401
    assert rows_in(issuer.database, "identities") == 0


@pytest.mark.parametrize(("issued", "unreadable"), [(False, DAY + 28), (True, DAY + 56)])
def test_a_deletion_names_the_day_from_which_backups_are_noise(
    site: Site, client: httpx.Client, issuer: Issuer, issued: bool, unreadable: int
) -> None:
    """The rows of a copy made now, and later ones, open until the day before and no longer."""
    site.set_day(DAY + 10)
    issuer.guard.confirm()
    issuer.make_keys()
    token = register(site, client)
    if issued:
        ask_batch(client, token, DAY + 10)
    copies = [_rows(issuer)]
    answer = client.delete("/v1/wallet", headers=bearer(token)).json()
    assert answer["backups_unreadable_from"] == issuer.party.calendar.date(unreadable)
    assert answer["backups_unreadable_from"] in answer["text"]
    for day in range(DAY + 11, unreadable + 1):
        site.set_day(day, hour=0)
        issuer.guard.confirm()
        issuer.purger.run()
        copies.append(_rows(issuer))
        readable = [_opens(issuer, row) for copy in copies for row in copy]
        assert any(readable) == (day < unreadable)


def _rows(issuer: Issuer) -> list[tuple[int, int, bytes]]:
    return issuer.database.read("SELECT key_day, subject, sealed FROM identities")


def _opens(issuer: Issuer, row: tuple[int, int, bytes]) -> bool:
    try:
        issuer.identity_keys.open(KeyName(Purpose.IDENTITY, row[0]), *row[1:])
    except KeyDestroyed:
        return False
    return True


def test_a_lost_journal_of_ended_accounts_is_told(site: Site, client: httpx.Client) -> None:
    """A database put back from before would bring them back: the operator makes a new backup."""
    client.delete("/v1/wallet", headers=bearer(register(site, client)))
    shutil.rmtree(site.folder / "keys" / "journal")
    with site.serve() as again:
        assert _found(again.http).get("journal") == "warning"


def test_a_ledger_is_settled_by_a_clock_that_is_believed(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    """A day that is settled takes no batch more: not today, because a clock jumped ahead. Control: once confirmed."""
    token, store = register(site, client), issuer.vault.store
    ask_batch(client, token)
    site.clock.set("2026-11-29T12:00:00+09:00", boot=issuer.party.clock.boot())
    issuer.guard.tick()
    with pytest.raises(ClockUntrusted):
        issuer.settle_days()
    assert store.attachment(DAY, "settled") is None
    site.set_day(DAY)
    issuer.guard.confirm()
    ask_batch(client, token)
    site.set_day(DAY + 1)
    issuer.guard.confirm()
    issuer.settle_days()
    assert store.attachment(DAY, "settled") == b""


def test_a_ledger_is_closed_with_a_digest_after_four_days(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    ask_batch(client, register(site, client))
    site.clock.set("2026-11-24T00:05:00+09:00")
    issuer.guard.confirm()
    issuer.settle_days()
    issuer.purger.close_due_days()
    assert "count fewer than 10" in (issuer.book.get("closed-2026-11-20") or "")
