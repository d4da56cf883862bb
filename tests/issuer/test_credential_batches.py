"""Batches of credentials, and a ledger that its own issuer cannot read."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

import httpx
import pytest
from nacl.bindings import crypto_core_ed25519_add

from checkin.errors import (
    ClockUntrusted,
    DayClosed,
    HolderKeyInvalid,
    NoteUntrusted,
    NotReady,
    QuotaUsed,
    SealBroken,
)
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode, Status, StatusOpening
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.note import NoteVerifier
from checkin.protocol.primitives import Label, OpeningKey, SigningKey, random_bytes
from checkin.protocol.signed_time import read_time
from checkin.vault.engines import Row
from checkin.vault.ledger import open_entry, open_row, visit_id
from issuer.service import Issuer
from tests.support.issuer_service import Site, ask_batch, enrol, holder_keys, keep_house, publics, register
from tests.support.service_folder import DAY, bearer
from tests.support.waiting import PATIENCE


@pytest.fixture
def opened(site: Site) -> Iterator[Issuer]:
    """Objects without a server."""
    with site.open() as issuer:
        yield issuer


def _listed(client: httpx.Client, day: int) -> IssuerKeys:
    keys = client.get("/v1/keys").json()["keys"]
    date = {DAY: "2026-11-20", DAY + 1: "2026-11-21"}[day]
    return IssuerKeys(*(IssuerKey(7, b64url_decode(key["x"])) for key in keys if key["day"] == date))


def _visits(issued: Any) -> list[bytes]:
    return [credentials.read(one.credential).visit_id for one in issued]


@pytest.mark.parametrize("day", [DAY, DAY + 1])
def test_a_wallet_can_show_each_credential_at_a_door(site: Site, client: httpx.Client, day: int) -> None:
    """Over HTTP: ten credentials, each verified as a scanner does, under the published keys."""
    token = register(site, client)
    seeds, keys = holder_keys()
    answer = client.post("/v1/credentials", json={"day": day, "holder_keys": keys}, headers=bearer(token)).json()
    assert len(answer["credentials"]) == len(answer["status_openings"]) == 10
    assert answer["disclosures"] == []
    now = int(site.calendar.start(day)) + 3600
    seen = set()
    for seed, text, shown in zip(seeds, answer["credentials"], answer["status_openings"], strict=True):
        opening = StatusOpening(Status(shown["status"]), b64url_decode(shown["salt"], 16))
        token_bytes = presentation.present(b64url_decode(text), SigningKey(seed), now, opening)
        qr = presentation.to_text(token_bytes)
        verified = presentation.verify(qr, now, site.calendar, lambda of: _listed(client, of))
        assert verified.credential.day == day
        assert verified.credential.issuer == 7
        seen |= {verified.credential.visit_id, verified.credential.commitment, verified.credential.sealed_subject}
    assert len(seen) == 30


def test_a_batch_brings_the_signed_time_to_the_question_that_came_with_it(site: Site, client: httpx.Client) -> None:
    """No request more tells a wallet how wrong its phone's clock is; without a question nothing is signed."""
    headers, body = bearer(register(site, client)), {"day": DAY, "holder_keys": holder_keys()[1]}
    nonce = "n" * 22
    answer = client.post(f"/v1/credentials?nonce={nonce}", json=body, headers=headers).json()
    page = client.get("/wallet").text
    verifier = NoteVerifier.parse(html.unescape(page.partition('data-vkey="')[2].partition('"')[0]))
    assert read_time(answer["time_note"], verifier, nonce) == int(site.clock.now())
    with pytest.raises(NoteUntrusted):
        read_time(answer["time_note"], verifier, "m" * 22)
    body["holder_keys"] = holder_keys()[1]
    assert client.post("/v1/credentials", json=body, headers=headers).json()["time_note"] is None
    assert client.post("/v1/credentials?nonce=short", json=body, headers=headers).status_code == 422


def test_a_paper_code_is_one_the_door_knows_as_paper(site: Site, client: httpx.Client) -> None:
    answer = ask_batch(client, register(site, client), mode=1).json()
    assert {credentials.read(b64url_decode(text)).mode for text in answer["credentials"]} == {Mode.PAPER}


def test_the_authority_and_the_issuer_together_open_a_subject(site: Site, opened: Issuer) -> None:
    """Neither alone: the outer seal is the authority's, the inner one the issuer's."""
    subject = enrol(opened)
    issued = opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    seal_key = opened.party.ring.subkey(KeyName(Purpose.DAY, DAY), Label.SUB_SEAL)
    for one in issued:
        read = credentials.read(one.credential)
        context = credentials.visit_context(7, DAY, read.visit_id)
        inner = site.authority[DAY].open(read.sealed_subject, Label.SUBJECT + context)
        assert credentials.open_inner(seal_key, inner, context) == subject
        with pytest.raises(SealBroken):
            OpeningKey(random_bytes(32)).open(read.sealed_subject, Label.SUBJECT + context)


def test_the_authority_lists_the_visit_ids_of_a_batch_from_its_ledger_row(site: Site, opened: Issuer) -> None:
    issued = opened.batches.issue(enrol(opened), DAY, Mode.SCREEN, publics())
    (row,) = opened.vault.store.rows(DAY)
    entry = open_row(opened.vault, DAY, row)
    assert open_entry(entry, issuer=7, day=DAY, authority=site.authority[DAY]).visit_ids() == _visits(issued)


def test_the_issuer_with_all_its_keys_finds_no_visit_id_it_issued(site: Site, opened: Issuer) -> None:
    """A thief of every file and every key of the issuer: all that can be opened is opened and searched."""
    subject = enrol(opened)
    visits = _visits(opened.batches.issue(subject, DAY, Mode.SCREEN, publics()))
    ring, opened_bytes = opened.party.ring, list(site.files().values())
    for row in opened.vault.store.rows(DAY):
        opened_bytes.append(opened.vault.open(DAY, row))
    keys = [ring.use(name) for name in ring.names()]
    subkeys = [ring.subkey(name, label) for name in ring.names() for label in Label if label.startswith(b"ck1/sub/")]
    opened_bytes.append(repr(opened.identities.read(subject)).encode())
    opened_bytes += [path.read_bytes() for path in (site.folder / "keys").rglob("*") if path.is_file()]
    for visit in visits:
        assert not [content for content in [*opened_bytes, *keys, *subkeys] if visit in content]
    for secret in keys + subkeys:
        assert not {_visit_of(secret, index) for index in range(10)} & set(visits)


def _visit_of(sigma: bytes, index: int) -> bytes:
    """As if the secret were σ."""
    return visit_id(sigma, index)


def test_two_batches_have_nothing_in_common(opened: Issuer) -> None:
    subject, keys = enrol(opened), publics()
    first, second = (opened.batches.issue(subject, DAY, Mode.SCREEN, keys) for _ in range(2))
    assert not set(_visits(first)) & set(_visits(second))
    assert not {one.opening.salt for one in first} & {one.opening.salt for one in second}


def test_a_batch_is_ten_for_everyone(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    for count in (0, 1, 9, 11):
        body = {"day": DAY, "holder_keys": holder_keys(count)[1]}
        answer = client.post("/v1/credentials", json=body, headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "bad",
    [
        bytes(32),
        bytes([1]) + bytes(31),
        (2**255 - 19).to_bytes(32, "little"),
        b"\xff" * 32,
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        crypto_core_ed25519_add(
            SigningKey(b"\x01" * 32).public,
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        ),
    ],
)
def test_a_holder_key_that_libraries_disagree_about_is_refused(site: Site, client: httpx.Client, bad: bytes) -> None:
    """It would be admitted offline and lost at upload."""
    keys = [*holder_keys(9)[1], b64url_encode(bad)]
    body = {"day": DAY, "holder_keys": keys}
    answer = client.post("/v1/credentials", json=body, headers=bearer(register(site, client)))
    assert (answer.status_code, answer.json()["code"]) == (422, "holder_key_invalid")


def test_a_holder_key_is_not_taken_twice(opened: Issuer) -> None:
    with pytest.raises(HolderKeyInvalid, match="twice"):
        opened.batches.issue(enrol(opened), DAY, Mode.SCREEN, publics(9) + publics(1) * 2)


def test_a_person_gets_six_batches_for_a_day_and_no_seventh(opened: Issuer) -> None:
    subject = enrol(opened)
    for _ in range(6):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    with pytest.raises(QuotaUsed):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    opened.batches.issue(subject, DAY + 1, Mode.SCREEN, publics())
    opened.batches.issue(enrol(opened, "Other", "+821087654321"), DAY, Mode.SCREEN, publics())
    assert opened.issued.of(subject) == {DAY: 6, DAY + 1: 1}


def test_who_deletes_the_account_and_registers_again_gets_no_more_batches(opened: Issuer) -> None:
    """The batches of a day are a phone's, whatever became of the account; the next day's are there."""
    subject = enrol(opened)
    for _ in range(4):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
    opened.accounts.end(subject)
    again = enrol(opened)
    assert again != subject
    for _ in range(2):
        opened.batches.issue(again, DAY, Mode.SCREEN, publics())
    with pytest.raises(QuotaUsed):
        opened.batches.issue(again, DAY, Mode.SCREEN, publics())
    opened.batches.issue(again, DAY + 1, Mode.SCREEN, publics())
    opened.batches.issue(enrol(opened, phone="+821087654321"), DAY, Mode.SCREEN, publics())


def test_a_batch_is_numbered_by_what_its_phone_got_and_not_by_accounts_that_are_known(
    opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is that of the one row that is written, also where the account that got the others is gone."""
    former = enrol(opened)
    for _ in range(5):
        opened.batches.issue(former, DAY, Mode.SCREEN, publics())
    opened.database.write(lambda commit: opened.identities.remove(commit, former))
    again, written = enrol(opened), list[Row]()
    submit = opened.batches._commit.submit

    def submitting(day: int, row: Row) -> Future[bool]:
        written.append(row)
        return submit(day, row)

    monkeypatch.setattr(opened.batches._commit, "submit", submitting)
    opened.batches.issue(again, DAY, Mode.SCREEN, publics())
    with pytest.raises(QuotaUsed):
        opened.batches.issue(again, DAY, Mode.SCREEN, publics())
    assert len(written) == 1


def test_many_requests_at_once_get_no_more_than_six(opened: Issuer) -> None:
    subject = enrol(opened)

    def ask(_: int) -> bool:
        try:
            opened.batches.issue(subject, DAY, Mode.SCREEN, publics())
        except QuotaUsed:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(24))) == 6
    assert opened.vault.store.measure(DAY).rows == 6


def test_without_the_authoritys_key_nothing_is_issued(site: Site, opened: Issuer) -> None:
    site.set_day(DAY + 15)
    opened.guard.confirm()
    keep_house(opened)
    with pytest.raises(NotReady, match="authority"):
        opened.batches.issue(enrol(opened), DAY + 15, Mode.SCREEN, publics())


def test_while_the_clock_is_in_doubt_nothing_is_issued(site: Site, opened: Issuer) -> None:
    subject = enrol(opened)
    site.clock.set("2026-11-20T15:00:00+09:00", boot=opened.party.clock.boot() + 1)
    opened.guard.tick()
    with pytest.raises(ClockUntrusted):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())


def test_a_batch_that_was_not_written_down_does_not_leave(opened: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails: no credential whose ledger row is not on it."""
    subject = enrol(opened)

    def fail(*_: Any) -> list[bool]:
        raise NotReady("The disk is full.")

    monkeypatch.setattr(opened.vault, "insert", fail)
    with pytest.raises(NotReady, match="disk"):
        opened.batches.issue(subject, DAY, Mode.SCREEN, publics())


def test_the_status_is_committed_for_the_days_on_which_it_holds(opened: Issuer) -> None:
    subject = enrol(opened)
    opened.identities.set_status(subject, Status.TESTED, DAY, DAY)
    today, tomorrow = (opened.batches.issue(subject, day, Mode.SCREEN, publics()) for day in (DAY, DAY + 1))
    assert {one.opening.status for one in today} == {Status.TESTED}
    assert {one.opening.status for one in tomorrow} == {Status.NONE}
    assert len({one.opening.commitment for one in today}) == 10


def test_when_its_day_has_ended_the_ledger_keeps_no_order_of_arrival(site: Site, opened: Issuer) -> None:
    """Rows lie by their random keys, the write-ahead log is cut, and nothing more is added."""
    for number in range(30):
        opened.batches.issue(enrol(opened, "x", f"+8210876543{number:02}"), DAY, Mode.SCREEN, publics())
    site.set_day(DAY + 1, hour=0)
    keep_house(opened)
    with pytest.raises(DayClosed):
        opened.vault.insert(DAY, [opened.vault.seal(DAY, random_bytes(16), random_bytes(16), 0, b"x")])
    content = (site.folder / "data" / "ledger" / f"day-{DAY}.db").read_bytes()
    rows = list(opened.vault.store.rows(DAY))
    # In the table a row's key and group lie side by side. SQLite fills a page from its end: by key, places fall.
    places = [content.find(row.key + row.group) for row in rows]
    assert min(places) >= 0
    for page in {place // 4096 for place in places}:
        inside = [place for place in places if place // 4096 == page]
        assert inside == sorted(inside, reverse=True)
    wal = site.folder / "data" / "ledger" / f"day-{DAY}.db-wal"
    assert not wal.exists() or not [row for row in rows if row.key in wal.read_bytes()]


class SlowDisk:
    """What an issuer's writer does once `let_go`, and how many rows it was given."""

    def __init__(self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go, self.given = Event(), Semaphore(0)
        insert, submit = issuer.vault.insert, issuer.batches._commit.submit

        def inserting(day: int, rows: Sequence[Row]) -> list[bool]:
            assert self.let_go.wait(PATIENCE)
            return insert(day, rows)

        def submitting(day: int, row: Row) -> Future[bool]:
            answer = submit(day, row)
            self.given.release()
            return answer

        monkeypatch.setattr(issuer.vault, "insert", inserting)
        monkeypatch.setattr(issuer.batches._commit, "submit", submitting)

    def wait_for(self, rows: int) -> None:
        """Until it was given so many more."""
        for _ in range(rows):
            assert self.given.acquire(timeout=PATIENCE)


def test_a_slow_disk_is_waited_for_by_all_at_once(
    site: Site, client: httpx.Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are made one after another, in one thread; none of them holds it while its row goes to the disk."""
    tokens = [register(site, client, phone=f"010-5555-000{at}") for at in range(4)]
    disk = SlowDisk(issuer, monkeypatch)
    with ThreadPoolExecutor(len(tokens)) as pool:
        asked = [pool.submit(ask_batch, client, token) for token in tokens]
        disk.wait_for(len(tokens))
        disk.let_go.set()
        assert [answer.result().status_code for answer in asked] == [200] * len(tokens)


def test_a_disk_that_is_too_slow_is_told_and_writes_nothing_that_nobody_waits_for(
    site: Site, client: httpx.Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the row that it had begun."""
    tokens = [register(site, client, phone=f"010-5555-000{at}") for at in range(3)]
    disk = SlowDisk(issuer, monkeypatch)
    with monkeypatch.context() as brief:
        brief.setattr("issuer.routes.credentials.COMMIT_SECONDS", 0.2)
        for token in tokens:
            answer = ask_batch(client, token)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert "disk is too slow" in answer.json()["detail"]
    disk.let_go.set()
    assert ask_batch(client, tokens[1]).status_code == 200
    assert issuer.vault.store.measure(DAY).rows == 2
