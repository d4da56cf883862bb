"""The issuer's state does the same in SQLite, at two processes, and in PostgreSQL, at two machines with data folders of
their own: by the same statements, which are held against the parsers of both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import pytest

from checkin.errors import CheckinError, CodeWrong, ListRefused, QuotaUsed, RecoveryWrong, TooManyRequests, Unauthorized
from checkin.protocol.credential import Mode, Status
from checkin.purge.statement_store import STATEMENTS
from checkin.service.key_list_publisher import KEY_LIST
from checkin.service.order_store import ORDERS
from issuer import throttle
from issuer.access_notices import CODES, NOTICES, AccessNotice
from issuer.accounts import Accounts, WalletKeys
from issuer.contact import Contact
from issuer.database import ISSUER
from issuer.service import Issuer
from tests.checkin.files.engines import ENGINES
from tests.support.databases import Twice, ask, name_database
from tests.support.issuer_service import E164, NAME, Site, damage, enrol, keep_house, publics, rows_in
from tests.support.service_folder import DAY
from tests.venue.test_both_engines import check_statements, note_statements

OTHER = "+821087654321"
PARTS = (ISSUER, NOTICES, ORDERS, STATEMENTS, KEY_LIST)
R = TypeVar("R")


@dataclass
class Place:
    """One issuer, as two processes or machines have it."""

    site: Site
    both: list[Issuer]

    def at_once(self, do: Callable[[Issuer], R], times: int = 2) -> list[R | CheckinError]:
        """What each answered, or refused with."""

        def ask_one(number: int) -> R | CheckinError:
            try:
                return do(self.both[number % 2])
            except CheckinError as error:
                return error

        with ThreadPoolExecutor(times) as threads:
            return list(threads.map(ask_one, range(times)))

    def both_do(self, do: Callable[[Issuer], object]) -> None:
        """At once, and neither is refused."""
        assert not [one for one in self.at_once(do) if isinstance(one, CheckinError)]

    def pass_to(self, day: int) -> None:
        """A day's noon, with a night's work done at both."""
        self.site.set_day(day)
        for issuer in self.both:
            issuer.guard.confirm()
            keep_house(issuer)
            issuer.end_idle_accounts()


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """At noon, with the authority's keys."""
    seen: dict[str, None] = {}
    site, shared = Site.make(tmp_path / "issuer"), request.param == "postgresql"
    if shared:
        note_statements(seen, monkeypatch)
        name_database(site.config, request.getfixturevalue("dsn"))
    with ExitStack() as stack:
        here = stack.enter_context(site.open())
        there = stack.enter_context(site.elsewhere().open() if shared else site.open())
        yield Place(site, [here, there])
    if seen:
        assert len(seen) > 20
        check_statements([query for query in seen if not any(word in query for word in OF_SERVERS)], PARTS)


OF_SERVERS = ("LOCK TABLE", "_new", "pg_indexes", "DROP TABLE", "SET LOCAL", " service", "leases", "oldest_day")
"""What only machines over one server say: see tests/checkin/files/test_postgres_tables.py."""


def a_phone_has_one_account(place: Place) -> None:
    """Registered at both at once, again and again."""
    for _ in range(3):
        given = place.at_once(lambda issuer: issuer.accounts.register(Contact(NAME, E164)), 8)
        good = [keys for keys in given if not isinstance(keys, CheckinError) and bears(place.both[0], keys.token)]
        assert len(good) == 1
        assert rows_in(place.both[1].database, "identities") == 1
    last = good[0]
    with pytest.raises(RecoveryWrong):
        place.both[1].accounts.register(Contact(NAME, E164), token="a" * 43)
    again = place.both[1].accounts.register(Contact("다른 이름", E164), recovery_code=last.recovery_code)
    subject = place.both[0].identities.find(again.token)
    assert place.both[0].identities.read(subject).name == "다른 이름"
    assert not bears(place.both[0], last.token)


def bears(issuer: Issuer, token: str) -> bool:
    try:
        issuer.identities.find(token)
    except Unauthorized:
        return False
    return True


def a_code_is_tried_five_times_and_used_once(place: Place) -> None:
    here, there = place.both
    waiting = here.registrations.begin(Contact(NAME, E164))
    [(_, code)] = messages(place.site)
    given = place.at_once(lambda issuer: issuer.registrations.confirm(waiting, code), 4)
    assert sum(isinstance(one, WalletKeys) for one in given) == 1
    second = there.registrations.begin(Contact(NAME, OTHER))
    tried = place.at_once(lambda issuer: issuer.registrations.confirm(second, "0" * 8), 8)
    assert all(isinstance(one, CodeWrong) for one in tried)
    assert max(row[0] for row in here.database.read("SELECT tries FROM attempts")) == 6
    assert here.database.read("SELECT min(tries) FROM attempts") == [(5,)]
    here.registrations.forget_before(DAY + 1)
    assert [rows_in(there.database, name) for name in ("attempts", "messages")] == [0, 0]


def messages(site: Site) -> list[tuple[str, str]]:
    return site.messages() + (site.elsewhere().messages() if (site.folder.parent / "elsewhere").exists() else [])


def messages_are_counted_by_all(place: Place) -> None:
    for issuer in place.both:
        issuer.throttle._a_day = 5
    sent = place.at_once(lambda issuer: issuer.registrations.begin(Contact(NAME, E164)), 12)
    assert sum(not isinstance(one, TooManyRequests) for one in sent) == 5
    with pytest.raises(OSError, match="away"), place.both[0].throttle.one(OTHER, None, DAY, 1):
        raise OSError("the gateway is away")
    assert sorted(place.both[1].database.read("SELECT sent FROM messages")) == [(0,), (5,)]
    assert throttle._NO_MORE_TODAY in str(next(one for one in sent if isinstance(one, TooManyRequests)).detail)


def a_day_has_six_batches(place: Place) -> None:
    """Asked for at both at once, also by an account that ended and was made again."""
    here, there = place.both
    subject = enrol(here)
    given = place.at_once(lambda issuer: issuer.batches.issue(subject, DAY, Mode.SCREEN, publics()), 16)
    assert sum(isinstance(one, QuotaUsed) for one in given) == 10
    assert sum(isinstance(one, list) for one in given) == 6
    assert there.issued.of(subject) == here.issued.of(subject) == {DAY: 6}
    here.batches.issue(subject, DAY + 1, Mode.SCREEN, publics())
    assert there.accounts.end(subject) == DAY + 1
    again = enrol(there)
    with pytest.raises(QuotaUsed):
        here.batches.issue(again, DAY, Mode.SCREEN, publics())
    given = place.at_once(lambda issuer: issuer.batches.issue(again, DAY + 1, Mode.SCREEN, publics()), 8)
    assert sum(isinstance(one, list) for one in given) == 5


def a_hosted_code_is_given_out_once(place: Place) -> None:
    subject = enrol(place.both[0])
    codes = place.at_once(lambda issuer: issuer.hosted.present(subject, show_status=False).token, 16)
    given = {code[:200] for code in codes if isinstance(code, str)}
    assert len(given) == 16
    assert 2 <= place.both[0].issued.of(subject)[DAY] <= 4
    left = rows_in(place.both[1].database, "hosted")
    assert len(place.both[1].hosted.sample(DAY, 40)) == left > 0
    place.both[1].accounts.end(subject)
    assert rows_in(place.both[0].database, "hosted") == 0


def a_status_is_kept_and_taken_back(place: Place) -> None:
    here, there = place.both
    subject = enrol(here)
    here.identities.set_status(subject, Status.VACCINATED, DAY, DAY + 2)
    assert there.identities.read(subject).status_on(DAY + 2) is Status.VACCINATED
    there.accounts.forget_status(subject)
    there.accounts.forget_status(subject)
    assert here.identities.read(subject).status_on(DAY) is Status.NONE


def lists_are_everybodys(place: Place) -> None:
    here, there = place.both
    assert here.signing.listed() == there.signing.listed() != {}
    assert here.signing.key(DAY).public == there.signing.key(DAY).public
    assert here.authority.days_ahead() == there.authority.days_ahead() == 15
    place.both_do(lambda issuer: issuer.authority.accept(place.site.signed_list(DAY, DAY + 15)))
    place.site.authority.clear()
    with pytest.raises(ListRefused):
        there.authority.accept(place.site.signed_list())
    place.pass_to(DAY + 1)
    assert here.signing.days_ahead() == there.signing.days_ahead() == 15
    here.signing.forget_before(DAY + 1)
    there.authority.forget_before(DAY + 1)
    assert min(there.signing.listed()) == DAY + 1
    assert here.authority.key(DAY + 1)


def a_notice_is_made_once(place: Place) -> None:
    """With the same case number at both, because the answer that stands may be the other one's."""
    subjects = [enrol(place.both[0], phone=phone) for phone in (E164, OTHER)]
    told = [(subject, AccessNotice("h", "2026-11-20", "p", CODES)) for subject in [*subjects, subjects[0]]]
    drafts = [issuer.notices.draft("0" * 64, told) for issuer in place.both]
    assert drafts[0].cases == drafts[1].cases
    assert drafts[0].cases[0] == drafts[0].cases[2] != drafts[0].cases[1]
    for issuer, draft in zip(place.both, drafts, strict=True):
        issuer.notices.add(draft)
    assert rows_in(place.both[1].notices._tables, "receipts") == 2
    assert place.both[1].notices.draft("0" * 64, told).rows == {}
    assert reads_for(place.both[1], told[:2]) == reads_for(place.both[1], told[:1])
    place.site.set_day(DAY + 3)
    assert [one["case"] for one in place.both[1].notices.of(subjects[0])] == [drafts[0].cases[0]]
    place.both[1].notices.forget(subjects[0])
    assert place.both[0].notices.of(subjects[0]) == []
    place.both[0].notices.forget_before(DAY + 1)
    assert rows_in(place.both[1].notices._tables, "receipts") == 0


def reads_for(issuer: Issuer, told: list[tuple[int, AccessNotice]]) -> int:
    """How often the table is asked for these notices."""
    tables = issuer.notices._tables
    with patch.object(tables, "read", wraps=tables.read) as read:
        issuer.notices.draft("1" * 64, told)
    return int(read.call_count)


def names_are_sealed_anew_by_both(place: Place) -> None:
    """A damaged one goes; who registers meanwhile is under the new key."""
    here, there = place.both
    subjects = [enrol(here, f"Name {number}", f"+8210876543{number:02}") for number in range(6)]
    damage(here, subjects.pop())
    place.site.set_day(DAY + 28)
    for issuer in place.both:
        issuer.guard.tick()
        issuer.guard.confirm()
    ended = list[object]()
    place.both_do(lambda issuer: issuer.rotation.run(DAY + 1, lambda *key: ended.append(key)))
    late = enrol(there, phone=OTHER)
    assert {row[0] for row in here.database.read("SELECT key_day FROM identities")} == {DAY + 28}
    assert ended
    assert [there.identities.read(one).name for one in subjects] == [f"Name {number}" for number in range(5)]
    assert here.identities.subjects_of(OTHER) == [late]
    assert here.identities.disclosed(late)


def accounts_that_nobody_uses_end(place: Place) -> None:
    here, there = place.both
    idle, used, gone = (enrol(here, phone=phone) for phone in (E164, OTHER, "+821011112222"))
    there.batches.issue(gone, DAY + 1, Mode.SCREEN, publics())
    there.accounts.end(gone)
    damage(here, idle)
    place.pass_to(DAY + 10)
    here.batches.issue(used, DAY + 10, Mode.SCREEN, publics())
    place.pass_to(DAY + 29)
    assert there.database.read("SELECT subject FROM identities") == [(used,)]
    assert [row[0] for row in there.database.read("SELECT last_issued FROM identities")] == [DAY + 10]
    place.pass_to(DAY + 38)
    assert rows_in(here.database, "identities") == 0
    assert here.book.names() == there.book.names()
    assert sum(name.startswith("purge-") for name in here.book.names()) >= 2


def what_is_done_once_more_is_done_once(place: Place) -> None:
    here, there = place.both
    tables: Any = Twice(here.database)
    here.identities.tables = tables
    for part in (here.accounts, here.hosted, here.rotation, here.authority, here.signing):
        part._tables = tables
    accounts: Accounts = here.accounts
    first = accounts.register(Contact(NAME, E164))
    subject = there.identities.find(first.token)
    second = accounts.register(Contact(NAME, E164), token=first.token)
    assert there.identities.find(second.token) == subject
    third = accounts.register(Contact(NAME, E164))
    assert not bears(there, second.token)
    assert there.database.read("SELECT count(*) FROM identities WHERE leaving = 0") == [(1,)]
    assert accounts.end(there.identities.find(third.token)) is None
    assert rows_in(there.database, "identities") == 0
    here.authority.accept(place.site.signed_list(DAY, DAY + 15))
    here.make_keys()


def a_table_that_is_settled_loses_nothing(place: Place) -> None:
    """At both at once, and once more on the same day. In which order rows lie then is tested below and in secrecy."""
    here, there = place.both
    for number in range(30):
        enrol(here, phone=f"+8210876543{number:02}")
    before = there.database.read("SELECT subject, sealed FROM identities ORDER BY subject")
    for day in (DAY + 1, DAY + 1):
        place.both_do(lambda issuer, day=day: issuer.database.settle(day))  # type: ignore[misc]
    assert there.database.read("SELECT subject, sealed FROM identities ORDER BY subject") == before
    assert enrol(there)


ALL: list[tuple[Callable[[Place], None], ...]] = [
    (a_phone_has_one_account, a_day_has_six_batches, a_status_is_kept_and_taken_back),
    (a_code_is_tried_five_times_and_used_once, messages_are_counted_by_all),
    (a_hosted_code_is_given_out_once, a_notice_is_made_once),
    (what_is_done_once_more_is_done_once, a_table_that_is_settled_loses_nothing),
    (lists_are_everybodys,),
    (names_are_sealed_anew_by_both,),
    (accounts_that_nobody_uses_end,),
]
"""Those in one bracket are shown in one place, one after the other: to open it takes longer than they do."""


@pytest.mark.parametrize("group", ALL, ids=lambda group: group[0].__name__)
def test_of_both_engines_each(group: tuple[Callable[[Place], None], ...], place: Place) -> None:
    for does in group:
        does(place)


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_after_a_night_postgresql_does_not_tell_who_registered_when(place: Place, dsn: str) -> None:
    """Neither where a row lies nor which transaction wrote it; with the control that both told."""
    came = [enrol(place.both[0], phone=f"+8210876543{number:02}") for number in range(30)]

    def told(column: str) -> list[int]:
        return [row[0] for row in ask(dsn, f"SELECT subject FROM identities ORDER BY {column}")]  # noqa: S608

    xmin, ctid = "xmin::text::bigint", "ctid"
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname"
    made = [index for index in ask(dsn, indexes) if not index[0].startswith("ledger_")]
    assert told(xmin) == told(ctid) == came
    for day in (DAY + 1, DAY + 2):
        place.site.set_day(day, hour=0)
        for issuer in place.both:
            issuer.guard.confirm()
            issuer.settle_days()
        assert told(ctid) == sorted(came)
        for table in ("identities", "subjects"):
            assert ask(dsn, f"SELECT count(DISTINCT xmin::text) FROM {table}") == [(1,)]  # noqa: S608
        assert ask(dsn, "SELECT number FROM versions WHERE part = 'issuer-settled'") == [(day,)]
        came.append(enrol(place.both[1], phone=f"+8210876599{day - DAY:02}"))
    assert [index for index in ask(dsn, indexes) if not index[0].startswith("ledger_")] == made
