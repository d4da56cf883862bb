"""Accounts that nobody uses end 28 days after the last day they were used for, with everything of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from checkin.errors import ClockUntrusted, SettingsInvalid, Unauthorized
from checkin.files.tables import Commit, Tables
from checkin.keys.journal import Ending
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.credential import Mode, Status
from issuer.access_notices import CODES, AccessNotice
from issuer.contact import Contact
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from tests.support.issuer_service import (
    E164,
    NAME,
    Site,
    ask_batch,
    damage,
    enrol,
    keep_house,
    publics,
    register,
    rows_in,
)
from tests.support.service_folder import DAY, bearer

OTHER = "+821087654321"


@pytest.fixture
def opened(site: Site) -> Iterator[Issuer]:
    """Objects without a server."""
    with site.open() as issuer:
        yield issuer


def pass_to(site: Site, issuer: Issuer, day: int) -> None:
    """A day begins, the clock is believed, and the periodic tasks run."""
    site.set_day(day, hour=0)
    issuer.guard.confirm()
    keep_house(issuer)
    issuer.authority.accept(site.signed_list(day, day + 1))
    issuer.end_idle_accounts()


def accounts(issuer: Issuer) -> int:
    """How many rows the table has."""
    return int(rows_in(issuer.database, "identities"))


def noted(issuer: Issuer, subject: int) -> int:
    """The day that the table says of an account."""
    query = "SELECT last_issued FROM identities WHERE subject = :subject"
    [(day,)] = issuer.database.read(query, {"subject": subject})
    return int(day)


def test_an_account_that_takes_no_batch_ends_28_days_after_its_registration(site: Site, opened: Issuer) -> None:
    subject = enrol(opened)
    pass_to(site, opened, DAY + 27)
    assert opened.identities.read(subject)
    pass_to(site, opened, DAY + 28)
    assert accounts(opened) == 0


def test_an_account_ends_28_days_after_the_last_day_it_took_a_batch_for(site: Site, opened: Issuer) -> None:
    """With the last record that its name is kept for; a day in between moves the end."""
    subject, idle = enrol(opened), enrol(opened, phone=OTHER)
    for day in (DAY + 10, DAY + 20):
        pass_to(site, opened, day)
        opened.batches.issue(subject, day + 1, Mode.SCREEN, publics())
    pass_to(site, opened, DAY + 28)
    assert opened.identities.read(subject)
    with pytest.raises(Unauthorized):
        opened.identities.read(idle)
    pass_to(site, opened, DAY + 48)
    assert opened.identities.read(subject)
    pass_to(site, opened, DAY + 49)
    assert accounts(opened) == 0


def test_nothing_of_an_ended_account_is_left(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    """Token, hosted codes, notices, messages; with the control that they were there."""
    token = register(site, client)
    ask_batch(client, token)
    assert client.post("/v1/qr", json={}, headers=bearer(token)).status_code == 200
    told = [(issuer.identities.find(token), AccessNotice("h", "2026-11-20", "p", CODES))]
    issuer.notices.add(issuer.notices.draft("0" * 64, told))

    def rows() -> list[int]:
        kept = [rows_in(issuer.database, name) for name in ("identities", "hosted", "messages", "attempts")]
        return [*kept, rows_in(issuer.notices._tables, "receipts")]

    assert all(rows())
    site.set_day(DAY + 28)
    issuer.guard.confirm()
    keep_house(issuer)
    issuer.end_idle_accounts()
    assert rows() == [0, 0, 0, 0, 0]
    assert client.get("/v1/wallet", headers=bearer(token)).status_code == 401
    assert len(site.messages()) == 0


def test_a_shorter_time_ends_the_account_and_keeps_the_name_as_long_as_its_last_record(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", idle_days="7")
    with site.open() as issuer:
        subject = enrol(issuer)
        issuer.batches.issue(subject, DAY, Mode.SCREEN, publics())
        pass_to(site, issuer, DAY + 6)
        assert issuer.identities.read(subject)
        pass_to(site, issuer, DAY + 7)
        with pytest.raises(Unauthorized):
            issuer.identities.read(subject)
        assert issuer.identities.disclosed(subject)
        pass_to(site, issuer, DAY + 28)
        assert accounts(issuer) == 0


@pytest.mark.parametrize("days", ["0", "29", "-1"])
def test_an_account_has_an_end_and_no_later_one_than_its_records(tmp_path: Path, days: str) -> None:
    site = Site.make(tmp_path / "issuer", idle_days=days)
    with pytest.raises(SettingsInvalid):
        IssuerSettings.load(site.config)


def test_no_column_moves_when_somebody_takes_a_batch(site: Site, opened: Issuer) -> None:
    """The day is noted once it is 28 days old, by the task: the order of updates tells nothing of who came when."""
    subject = enrol(opened)
    before = noted(opened, subject)
    for day in (DAY + 9, DAY + 20):
        pass_to(site, opened, day)
        opened.batches.issue(subject, day, Mode.SCREEN, publics())
        assert noted(opened, subject) == before
    pass_to(site, opened, DAY + 28)
    assert noted(opened, subject) == DAY + 20


def test_a_batch_taken_while_the_task_looks_keeps_the_account(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, last = enrol(opened), opened.issued.last
    pass_to(site, opened, DAY + 27)
    site.set_day(DAY + 28, hour=0)
    keep_house(opened)

    def overtaken(of: int, _: int = 0) -> int | None:
        monkeypatch.setattr(opened.issued, "last", last)
        before = last(of)
        opened.batches.issue(subject, DAY + 28, Mode.SCREEN, publics())
        return before

    monkeypatch.setattr(opened.issued, "last", overtaken)
    opened.end_idle_accounts()
    assert noted(opened, subject) == DAY + 28


def test_while_no_other_account_can_change_only_the_newest_days_are_looked_at(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(opened)
    pass_to(site, opened, DAY + 27)
    site.set_day(DAY + 28, hour=0)
    keep_house(opened)
    count, write, alone, days = opened.issued.count, opened.endings.write, list[bool](), list[int]()

    def counting(day: int, subject: int) -> int:
        if alone:
            days.append(day)
        return count(day, subject)

    def writing(tables: Tables, step: Callable[[Commit, list[Ending]], bool]) -> bool:
        alone.append(True)
        ended = write(tables, step)
        alone.clear()
        return ended

    monkeypatch.setattr(opened.issued, "count", counting)
    monkeypatch.setattr(opened.endings, "write", writing)
    opened.end_idle_accounts()
    assert accounts(opened) == 0
    assert days
    assert min(days) == DAY + 27


def test_a_round_that_was_broken_off_is_finished_by_the_next(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        enrol(opened, phone=f"+82108765432{number}")
    leave, calls = opened.identities.leave, iter(range(10))

    def crashing(*arguments: object) -> None:
        if next(calls) == 2:
            raise OSError
        leave(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(opened.identities, "leave", crashing)
    with pytest.raises(OSError):
        pass_to(site, opened, DAY + 28)
    assert accounts(opened) == 3
    opened.end_idle_accounts()
    assert accounts(opened) == 0


def test_an_account_that_a_backup_brought_back_without_its_key_ends_too(site: Site, opened: Issuer) -> None:
    """Nobody can read it any more, so nobody could delete it."""
    enrol(opened)
    opened.identity_keys.ring.ensure(KeyName(Purpose.IDENTITY, DAY + 1), oldest=0)
    old = KeyName(Purpose.IDENTITY, DAY)
    opened.identity_keys.ring.entomb(old, {"commitment": "-"})
    opened.identity_keys.ring.destroy(old)
    site.set_day(DAY + 28)
    opened.guard.confirm()
    opened.end_idle_accounts()
    assert accounts(opened) == 0


def test_a_clock_in_doubt_ends_nobodys_account(site: Site, opened: Issuer) -> None:
    enrol(opened)
    site.clock.set("2026-12-18T12:00:00+09:00", boot=opened.party.clock.boot() + 1)
    opened.guard.tick()
    with pytest.raises(ClockUntrusted):
        opened.end_idle_accounts()
    assert accounts(opened) == 1


def test_registering_again_with_a_proof_is_a_use_of_the_account(site: Site, opened: Issuer) -> None:
    """Its 28 days count from then on, and no longer."""
    keys = opened.accounts.register(Contact(NAME, E164))
    pass_to(site, opened, DAY + 27)
    opened.accounts.register(Contact(NAME, E164), recovery_code=keys.recovery_code)
    for day, left in ((DAY + 28, 1), (DAY + 54, 1), (DAY + 55, 0)):
        pass_to(site, opened, day)
        assert accounts(opened) == left


def test_no_account_begins_by_a_clock_in_doubt(site: Site, opened: Issuer) -> None:
    """It would end at the next look, or years later."""
    site.clock.set("2031-01-01T12:00:00+09:00", boot=opened.party.clock.boot() + 1)
    opened.guard.tick()
    with pytest.raises(ClockUntrusted):
        opened.accounts.register(Contact(NAME, E164))
    with pytest.raises(ClockUntrusted):
        opened.registrations.begin(Contact(NAME, E164))
    assert accounts(opened) == 0
    assert site.messages() == []


def test_an_account_of_a_day_that_is_still_to_come_has_its_28_days_from_now(site: Site, opened: Issuer) -> None:
    """Nobody was in doubt when the clock was years ahead; later somebody put it right."""
    site.set_day(DAY + 2000)
    opened.guard.confirm()
    enrol(opened)
    site.set_day(DAY)
    opened.guard.confirm()
    opened.end_idle_accounts()
    assert accounts(opened) == 1
    for day, left in ((DAY + 27, 1), (DAY + 28, 0)):
        site.set_day(day)
        opened.guard.confirm()
        opened.end_idle_accounts()
        assert accounts(opened) == left


def test_a_row_that_is_damaged_keeps_nobody_elses_account_alive(site: Site, opened: Issuer) -> None:
    """And it goes itself, once its day is due."""
    subjects = sorted(enrol(opened, phone=f"+82108765432{number}") for number in range(3))
    damage(opened, subjects[0])
    for day, left in ((DAY + 27, 3), (DAY + 28, 0)):  # before the rotation, which would remove it, too
        site.set_day(day)
        opened.guard.confirm()
        opened.end_idle_accounts()
        assert accounts(opened) == left


def test_whose_row_is_damaged_registers_anew_with_or_without_a_proof(opened: Issuer) -> None:
    keys = opened.accounts.register(Contact(NAME, E164))
    subject = opened.identities.find(keys.token)
    damage(opened, subject)
    again = opened.accounts.register(Contact(NAME, E164), token=keys.token)
    assert opened.identities.find(again.token) == subject
    assert opened.identities.read(subject).name == NAME
    damage(opened, subject)
    assert enrol(opened) != subject
    assert accounts(opened) == 1


def endings_seen(issuer: Issuer) -> int:
    """The number of the newest one that the database has seen."""
    [(number,)] = issuer.database.read("SELECT max(number) FROM endings")
    return int(number or 0)


def test_what_is_no_status_is_not_written_down_as_taken_back(opened: Issuer) -> None:
    """However often somebody asks; with a status that is one line."""
    subject = enrol(opened)
    before = endings_seen(opened)
    opened.accounts.forget_status(subject)
    assert endings_seen(opened) == before
    opened.identities.set_status(subject, Status.VACCINATED, DAY, DAY + 9)
    for _ in range(2):
        opened.accounts.forget_status(subject)
    assert opened.identities.read(subject).status == Status.NONE
    assert endings_seen(opened) == before + 1


def test_a_database_that_was_put_back_knows_when_somebody_registered_again(site: Site) -> None:
    """And with which keys."""
    file = site.folder / "data" / "issuer.db"
    with site.open() as issuer:
        keys = issuer.accounts.register(Contact(NAME, E164))
        subject = issuer.identities.find(keys.token)
        issuer.database.tidy()
        backup = file.read_bytes()
        site.set_day(DAY + 10)
        issuer.guard.confirm()
        keep_house(issuer)
        again = issuer.accounts.register(Contact(NAME, E164), token=keys.token)
    file.write_bytes(backup)
    with site.open() as issuer:
        assert issuer.identities.find(again.token) == subject
        assert (noted(issuer, subject), issuer.identities.read(subject).registered) == (DAY + 10, DAY + 10)


def test_a_database_that_was_put_back_keeps_a_name_until_its_last_day_is_looked_for(site: Site) -> None:
    """Another machine may be issuing to the account that ends again; the daily task finds the day."""
    file = site.folder / "data" / "issuer.db"
    with site.open() as issuer:
        subject = enrol(issuer)
        keep_house(issuer)
        issuer.authority.accept(site.signed_list())
        issuer.batches.issue(subject, DAY, Mode.SCREEN, publics())
        issuer.database.tidy()
        backup = file.read_bytes()
        assert issuer.accounts.end(subject) == DAY
    file.write_bytes(backup)
    with site.open() as issuer:
        assert noted(issuer, subject) == DAY + 1
        issuer.end_idle_accounts()
        assert noted(issuer, subject) == DAY


def test_a_clock_set_back_takes_no_name_before_its_last_day(site: Site) -> None:
    """A database is put back meanwhile, and the clock is right again before the daily task looks: a trace of the days
    for which the account has codes still finds its owner."""
    file = site.folder / "data" / "issuer.db"
    with site.open() as issuer:
        subject = enrol(issuer)
        issuer.batches.issue(subject, DAY, Mode.SCREEN, publics())
        issuer.database.tidy()
        backup = file.read_bytes()
        issuer.accounts.end(subject)
    file.write_bytes(backup)
    site.set_day(DAY - 20)
    Issuer(IssuerSettings.load(site.config), site.clock.path).close()
    site.set_day(DAY)
    with site.open() as issuer:
        issuer.end_idle_accounts()
        assert noted(issuer, subject) == DAY
