"""Accounts: found by a phone, sealed at rest, gone when their last day is gone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from checkin.errors import DayNotIssued, NotReady, SealBroken, Unauthorized
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Mode, Status
from checkin.service.auth import token_hash
from checkin.vault.engines import Row
from checkin.vault.ledger import LedgerBatch, ledger_row, quota_key
from issuer.contact import Contact
from issuer.identities import Record
from issuer.service import Issuer
from tests.support.issuer_service import E164, NAME, Site, enrol, keep_house, publics, rows_in
from tests.support.service_folder import DAY

OTHER = "+821087654321"
PLANT = "UPDATE identities SET token = :token, leaving = 0"


@pytest.fixture
def opened(site: Site) -> Iterator[Issuer]:
    """Objects without a server."""
    with site.open() as issuer:
        yield issuer


def test_subject_numbers_are_never_given_out_twice(opened: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the same number is drawn again after the account is gone: an old seal never names another."""
    drawn = iter([5, 5, 5, 9])
    monkeypatch.setattr("issuer.identities.random_bytes", lambda _: (next(drawn) << 1).to_bytes(8, "big"))
    first = enrol(opened)
    assert opened.accounts.end(first) is None
    second = enrol(opened, phone=OTHER)
    assert (first, second) == (5, 9)


def test_subject_numbers_do_not_tell_who_came_first(opened: Issuer) -> None:
    subjects = [enrol(opened, phone=f"+8210876543{n:02}") for n in range(20)]
    assert subjects != sorted(subjects)
    assert max(subjects) > 2**40


def test_a_deleted_account_gets_nothing_and_its_identity_goes_with_the_last_day(site: Site, opened: Issuer) -> None:
    subject = enrol(opened)
    opened.batches.issue(subject, DAY + 1, Mode.SCREEN, publics())
    assert opened.accounts.end(subject) == DAY + 1
    with pytest.raises(Unauthorized):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    for day, left in [(DAY + 28, 1), (DAY + 29, 0)]:
        site.set_day(day, hour=0)
        opened.guard.confirm()
        keep_house(opened)
        assert rows_in(opened.database, "identities") == left


def test_the_same_phone_starts_anew_after_a_deletion(opened: Issuer) -> None:
    subject = enrol(opened)
    opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    opened.accounts.end(subject)
    again = enrol(opened)
    assert again != subject
    assert opened.issued.of(again) == {}


@pytest.mark.parametrize("written", [True, False])
def test_a_deletion_during_a_batch_finds_it_or_is_found_by_it(
    opened: Issuer, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Whoever is given credentials has a name that stays as long as the record: none leave for an account that ended
    while the row was being written, before or after it was there."""
    subject, submit = enrol(opened), opened.batches._commit.submit

    def overtaken(day: int, row: Row) -> Future[bool]:
        if not written:
            assert opened.accounts.end(subject) is None
        committed = submit(day, row)
        if written:
            assert committed.result(60)
            assert opened.accounts.end(subject) == DAY
        return committed

    monkeypatch.setattr(opened.batches._commit, "submit", overtaken)
    with pytest.raises(Unauthorized):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    assert (opened.identities.disclosed(subject) is not None) == written


def test_a_batch_that_lands_while_an_account_ends_is_its_last_day(
    opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An identity is never destroyed before the last record that could name it: also where the deletion is stopped
    before it has looked, the name stays."""
    subject, last = enrol(opened), opened.issued.last
    batch = opened.batches._commit.submit

    def stopped(_: int) -> int | None:
        raise NotReady

    monkeypatch.setattr(opened.issued, "last", stopped)
    assert opened.accounts.end(subject) == DAY + 1, "at the latest"
    monkeypatch.setattr(opened.issued, "last", last)
    key = quota_key(opened.vault, DAY, E164, 0)
    row = ledger_row(opened.vault, DAY, subject, LedgerBatch(bytes(32), 10), issuer=7,
                     authority=opened.authority.key(DAY), key=key)  # fmt: skip
    assert batch(DAY, row).result(60)
    assert opened.identities.disclosed(subject)
    opened.end_idle_accounts()
    assert opened.database.read("SELECT leaving, last_issued FROM identities") == [(1, DAY)]


def test_a_name_that_need_not_stay_goes_the_next_day_where_a_deletion_was_stopped(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped after that day's look at all accounts, which nobody repeats."""
    subject, last = enrol(opened), opened.issued.last
    opened.end_idle_accounts()

    def stopped(_: int) -> int | None:
        raise NotReady

    monkeypatch.setattr(opened.issued, "last", stopped)
    assert opened.accounts.end(subject) == DAY + 1
    monkeypatch.setattr(opened.issued, "last", last)
    opened.end_idle_accounts()
    assert rows_in(opened.database, "identities") == 1
    site.set_day(DAY + 1, hour=1)
    opened.guard.confirm()
    opened.end_idle_accounts()
    assert rows_in(opened.database, "identities") == 0


def test_a_deleted_account_is_read_by_nobody_while_its_name_still_stays(opened: Issuer) -> None:
    subject = enrol(opened)
    opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    opened.accounts.end(subject)
    for ask in (opened.identities.read, lambda of: opened.identities.set_status(of, Status.NONE, 0, 0)):
        with pytest.raises(Unauthorized):
            ask(subject)


def test_the_last_day_is_the_newest_in_the_ledger(opened: Issuer) -> None:
    subject = enrol(opened)
    for day in (DAY + 1, DAY):
        opened.batches.issue(subject, day, Mode.SCREEN, publics())
    assert opened.accounts.end(subject) == DAY + 1


def test_a_row_opens_only_for_its_subject(opened: Issuer) -> None:
    """Who writes the database cannot put one person's name in another's place."""
    one, two = enrol(opened), enrol(opened, "Other", OTHER)
    update = "UPDATE identities SET sealed = (SELECT sealed FROM identities WHERE subject = :one) WHERE subject = :two"
    assert opened.database.write(lambda commit: commit.change(update, {"one": one, "two": two})) == 1
    with pytest.raises(SealBroken):
        opened.identities.read(two)


def test_a_sealed_record_does_not_tell_how_long_a_name_is(opened: Issuer) -> None:
    enrol(opened, "x")
    enrol(opened, "한" * 60, OTHER)
    sizes = {len(sealed) for (sealed,) in opened.database.read("SELECT sealed FROM identities")}
    assert len(sizes) == 1


def test_a_record_is_read_as_it_was_written() -> None:
    record = Record(NAME, E164, DAY, int(Status.TESTED), DAY, DAY + 2)
    assert Record.decode(record.encode()) == record
    assert [record.status_on(day) for day in (DAY - 1, DAY, DAY + 2, DAY + 3)] == [0, 3, 3, 0]


def test_an_account_whose_key_is_gone_is_asked_to_register_again(opened: Issuer) -> None:
    """As after a very old backup was restored."""
    subject = enrol(opened)
    opened.identity_keys.ring.ensure(KeyName(Purpose.IDENTITY, DAY + 1), oldest=0)
    old = KeyName(Purpose.IDENTITY, DAY)
    opened.identity_keys.ring.entomb(old, {"commitment": "-"})
    opened.identity_keys.ring.destroy(old)
    with pytest.raises(Unauthorized):
        opened.identities.read(subject)
    assert enrol(opened) != subject


def test_credentials_are_for_today_and_tomorrow(opened: Issuer) -> None:
    subject = enrol(opened)
    for day in (DAY - 1, DAY + 2):
        with pytest.raises(DayNotIssued):
            opened.batches.issue(subject, day, Mode.SCREEN, publics())


def test_a_phone_is_found_by_a_mac_that_is_not_the_one_that_counts_messages(opened: Issuer) -> None:
    keys, name = opened.identity_keys, opened.identity_keys.current()
    macs = {keys.phone_mac(name, E164), keys.day_mac(name, DAY, E164), keys.day_mac(name, DAY + 1, E164)}
    assert len(macs) == 3


def test_who_can_write_into_the_database_gives_himself_nobodys_account(
    opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clerk without a key puts the hash of a token of his own into the row of an account, also of one that has ended.
    Control: a row of an earlier version, which says nothing of its holder."""
    mine = {"token": token_hash("the clerk's")}
    subject = enrol(opened)
    opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    opened.database.write(lambda commit: commit.execute(PLANT, mine))
    for look in (opened.identities.bearer, opened.identities.find):
        with pytest.raises(Unauthorized):
            look("the clerk's")
    opened.accounts.end(subject)
    opened.database.write(lambda commit: commit.execute(PLANT, mine))
    with pytest.raises(Unauthorized):
        opened.identities.bearer("the clerk's")
    opened.database.write(lambda commit: commit.execute("DELETE FROM identities", {}))
    monkeypatch.setattr("issuer.identities._holder", lambda *_: "")
    enrol(opened, phone=OTHER)
    opened.database.write(lambda commit: commit.execute(PLANT, mine))
    assert opened.identities.bearer("the clerk's")[1].phone == OTHER


def test_the_holder_stays_the_holder_whatever_else_changes(opened: Issuer) -> None:
    """A status that is proved and taken back, a name that is given anew, a backup that is put back."""
    keys = opened.accounts.register(Contact(NAME, E164))
    subject = opened.identities.find(keys.token)
    opened.identities.set_status(subject, Status.VACCINATED, DAY, DAY + 9)
    assert opened.identities.find(keys.token) == subject
    opened.accounts.forget_status(subject)
    assert opened.identities.bearer(keys.token)[1].status == Status.NONE
    again = opened.accounts.register(Contact("Another Name", E164), token=keys.token)
    assert opened.identities.bearer(again.token)[0] == subject
    with pytest.raises(Unauthorized):
        opened.identities.find(keys.token)
