"""Two issuers with data folders of their own over one PostgreSQL are one issuer; what they keep is in
tests/issuer/test_both_engines.py, here is what they do for others and at night."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from checkin.audit.data_map import DataMap
from checkin.clock import RETENTION_DAYS
from checkin.errors import NotReady, SettingsInvalid
from checkin.files.postgres_connection import Connection
from checkin.orders.part import BATCHES
from checkin.protocol.credential import Mode
from checkin.service import day_store
from checkin.service.day_store import ServiceEngine
from checkin.service.order_executor import OrderBody
from issuer.access_notices import CODES, LATEST_DAYS, AccessNotice
from issuer.contact import Contact
from issuer.database import ISSUER
from issuer.issuer_audit import MAP
from issuer.service import Issuer
from tests.support.databases import CUT, ask, name_database
from tests.support.deployment_in_process import CASE, Whole
from tests.support.issuer_service import E164, NAME, Site, ask_batch, enrol, keep_house, publics
from tests.support.service_folder import CALENDAR, DAY, NOON


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One for each time that somebody waited for the server."""
    found, wait = list[object](), Connection.wait

    def counted(self: Connection, *arguments: Any, **options: Any) -> Any:
        found.append(self)
        return wait(self, *arguments, **options)

    monkeypatch.setattr(Connection, "wait", counted)
    return found


@pytest.fixture
def two(dsn: str) -> Iterator[tuple[Whole, list[Issuer]]]:
    """At noon, with keys and the authority's list."""
    whole = Whole(dsn, "issuer")
    whole.keep_house()
    whole.tend(NOON)
    other = whole.issuer_elsewhere()
    keep_house(other)
    yield whole, [whole.issuer, other]
    other.close()
    whole.close()


def test_one_part_of_an_order_at_both_at_once_has_one_answer(two: tuple[Whole, list[Issuer]]) -> None:
    """Each opens the ledger by itself; what is sealed to the authority differs each time it is made. The person has one
    notice."""
    whole, issuers = two
    subject = enrol(issuers[0])
    issuers[1].batches.issue(subject, DAY, Mode.SCREEN, publics())
    signed = whole.signed(replace(CASE, phone=E164, days=(DAY, DAY)), NOON)
    [part] = [one for one in signed.parts if one.part.step == BATCHES]
    sent = OrderBody(part=part.note, entry=signed.entry, proof=whole.logged(signed).write())
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda issuer: issuer.orders.take(sent).sealed, issuers))
    assert answers[0] == answers[1]
    for issuer in issuers:
        assert len(issuer.book.all("order-executed-")) == 1
        assert issuer.notices._tables.read("SELECT count(*) FROM receipts") == [(1,)]


def test_what_is_due_is_destroyed_once_and_revived_by_neither(two: tuple[Whole, list[Issuer]], dsn: str) -> None:
    whole, issuers = two
    here, there = issuers
    subject = enrol(here)
    there.batches.issue(subject, DAY, Mode.SCREEN, publics())
    assert here.accounts.end(subject) == DAY
    whole.clock.set(CALENDAR.rfc3339(NOON + RETENTION_DAYS * 86_400))
    for issuer in issuers:
        issuer.guard.confirm()
    with ThreadPoolExecutor(2) as threads:
        made = [name for names in threads.map(lambda one: one.purger.run(), issuers) for name in names]
    assert made.count(f"purge-{CALENDAR.date(DAY)}") == 1
    for issuer in issuers:
        keep_house(issuer)
        assert DAY not in issuer.vault.store.days()
    assert here.book.names() == there.book.names()
    assert f"key-destroyed-identity-{CALENDAR.date(DAY)}" in here.book
    assert here.identity_keys.live() == there.identity_keys.live()
    assert ask(dsn, "SELECT count(*) FROM identities") == [(0,)]
    assert ask(dsn, "SELECT day FROM oldest_day") == [(DAY + 1,)]


def test_a_batch_waits_for_the_server_three_times(site: Site, dsn: str, waits: list[object]) -> None:
    """For whose token it is, for its row, and for whether the account is still there; once more for notices where there
    are any, about however many days."""
    name_database(site.config, dsn)
    with site.serve() as running:
        site.list_keys(running.http)
        accounts, receipts = running.issuer.accounts, running.issuer.notices
        tokens = [accounts.register(Contact(NAME, f"+82108765{number}")).token for number in range(4320, 4340)]

        def waited(token: str, day: int) -> int:
            waits.clear()
            answer = ask_batch(running.http, token, day)
            assert answer.status_code == 200
            assert len(answer.json()["disclosures"]) == (0 if day == DAY else 2)
            return len(waits)

        assert [waited(token, DAY) for token in tokens][-5:] == [3] * 5, "once the statements are prepared"
        for day in (DAY, DAY + 1):
            notice = AccessNotice("health.example", site.calendar.date(day), "contacts", CODES)
            subjects = [running.issuer.identities.find(token) for token in tokens]
            receipts.add(receipts.draft("0" * 64, [(subject, notice) for subject in subjects]))
        site.set_day(DAY + LATEST_DAYS)
        running.issuer.guard.confirm()
        running.issuer.make_keys()
        assert [waited(token, DAY + LATEST_DAYS) for token in tokens][-5:] == [4] * 5


def test_a_server_that_cuts_everybody_off_leaves_each_phone_one_account(
    two: tuple[Whole, list[Issuer]], dsn: str
) -> None:
    """Whoever is told to try again does; what was committed and not acknowledged is found, or ended by the next try."""
    _, issuers = two
    phones = [f"+8210876543{number:02}" for number in range(16)]

    def register(number: int) -> str:
        for _ in range(50):
            with suppress(NotReady):
                return issuers[number % 2].accounts.register(Contact("Name", phones[number])).token
        pytest.fail("the server was there again")

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(register, number) for number in range(len(phones))]
        for _ in range(6):
            ask(dsn, CUT)
            wait(asked, 0.1)
        tokens = [one.result() for one in asked]
    live = {issuer.identities.read(issuer.identities.find(token)).phone for issuer in issuers for token in tokens}
    assert live == set(phones)
    assert ask(dsn, "SELECT count(*) FROM identities") == [(len(phones),)]


def test_the_data_map_has_every_column_that_lies_in_the_engine(two: tuple[Whole, list[Issuer]], dsn: str) -> None:
    """Also those that are made when they are first needed; with a column that nobody has stated as the control."""
    _, issuers = two

    def gaps(issuer: Issuer) -> list[str]:
        found = DataMap.load(MAP).gaps(issuer.party.data, None, issuer.engine.columns())
        return [str(gap) for gap in found if gap.path == "engine"]

    for issuer in issuers:
        issuer.engine.generations()
    assert [gaps(issuer) for issuer in issuers] == [[], []]
    ask(dsn, "ALTER TABLE identities ADD COLUMN seen bigint")
    assert [gaps(issuer) for issuer in issuers] == [["engine identities.seen: not declared"]] * 2


def test_a_database_is_one_services(two: tuple[Whole, list[Issuer]], dsn: str) -> None:
    """A registry that is told of the issuer's takes none of it, and the issuer goes on."""
    whole, [here, _] = two
    whole.registry.close()
    for left in ("visits", "venue.db", "gates.db", "orders.db"):
        (whole.folder / "registry" / "data" / left).rename(whole.folder / left)
    name_database(whole.folder / "registry" / "settings.toml", dsn)
    with pytest.raises(SettingsInvalid, match="another service's"):
        whole.open_registry()
    assert enrol(here)


def test_who_could_not_claim_the_database_claims_it_before_anything_is_kept_there(
    two: tuple[Whole, list[Issuer]], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [here, _] = two
    ask(dsn, "DELETE FROM service")
    engine = ServiceEngine(here.settings, "issuer")
    with monkeypatch.context() as patch:
        patch.setattr(day_store, "_CLAIM", "SELECT nothing")
        with pytest.raises(NotReady):
            engine.tables(ISSUER)
    engine.tables(ISSUER)
    assert ask(dsn, "SELECT name FROM service") == [(here.settings.name,)]
    engine.close()
