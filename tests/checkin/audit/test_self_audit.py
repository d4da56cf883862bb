"""A service audits itself: an honest one passes, and every fault that is planted is named, alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
import sqlite_utils

from checkin.audit.data_map import DataMap
from checkin.audit.point import SELF_AUDIT, Point, PointResult, points_of
from checkin.audit.self_audit import CLOSINGS, DATA_MAP, KEYS, OLDEST, ORDERS, PLAINTEXT, Days, SelfAudit
from checkin.clock import RETENTION_DAYS
from checkin.errors import NotReady
from checkin.files.tables import SqliteTables
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.note import open_note
from checkin.vault.closing import Closing, check_rows
from checkin.vault.engines.sqlite import path_of
from checkin.vault.vault import Vault
from tests.support.purging_service import House, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service
from venue.database import REGISTRY
from venue.gates import GATES

MAP = DataMap.load(Path(__file__).parents[3] / "venue" / "data_map.toml")
POINTS = [DATA_MAP, PLAINTEXT, OLDEST, KEYS, CLOSINGS, ORDERS]
NAME, PHONE = "카나리아 Canary", "+821012345678"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry with a closed day and a day that was destroyed, as its own code leaves them."""
    make_service(tmp_path / "registry")
    house = House(tmp_path / "registry", ahead={Purpose.DAY: 1, Purpose.INTAKE: 2})
    for part in (REGISTRY, GATES):
        SqliteTables(house.party.data, part).close()
    house.guard.tick()
    for day in (DAY, DAY + 24):
        for step in range(5):  # a night a day: keys are made, days are closed
            house.go(day + step, 12 * HOUR)
            house.guard.tick()
            house.purger.run()
            house.purger.make_keys()
            if step == 0:
                house.open_day(day)
            house.purger.close_due_days()
    house.purger.run()
    assert house.book.get(f"purge-{CALENDAR.date(DAY)}") is not None
    return house


def audit(house: House, words: Sequence[str] = ()) -> dict[str, Point]:
    """The points by name."""
    look = SelfAudit(house.party, house.guard, MAP, Days(house.vault, house.book, house.purger))
    note = look.sign(look.run(words))
    values = SELF_AUDIT.read(open_note(note, [house.party.signer.verifier]).text)
    return {point.name: point for point in points_of(values)}


def failed(points: dict[str, Point]) -> list[str]:
    """Which points fail."""
    return [name for name, point in points.items() if point.result is PointResult.FAIL]


def test_an_honest_service_passes_every_point_and_signs_it(house: House) -> None:
    """Each line has evidence in numbers; without a fault nothing fails, and nothing was left out."""
    points = audit(house, [NAME, PHONE])
    assert list(points) == POINTS
    assert {point.result for point in points.values()} == {PointResult.PASS}, points
    assert "The oldest day held is" in points[OLDEST].evidence
    assert points[CLOSINGS].evidence.startswith("1 of 1 ") or "closed days were read again" in points[CLOSINGS].evidence


def test_rows_that_cannot_be_read_now_are_not_said_to_be_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise NotReady

    monkeypatch.setattr(house.vault, "root", refuse)
    evidence = audit(house)[CLOSINGS].evidence
    assert "not_ready, its rows could not be read again" in evidence and "closed with" not in evidence


@pytest.mark.parametrize(
    "content",
    [
        b'{"to": "+821012345678"}',
        b"visitor 010-1234-5678, table 4",
        b"Kim01012345678Seoul",
        "전화 010 1234 5678".encode(),
        "+82 10 1234 5678".encode("utf-16-le"),
        b"x " * (2 * 2**20 - 3) + b"+82-10-1234-5678" + b" x" * 100,
        "홍길동 카나리아 Canary".encode(),
    ],
    ids=["json", "national", "between-words", "spaces", "utf-16", "across-two-pieces", "test-visitor"],
)
def test_a_phone_number_or_the_test_visitor_in_the_registrys_files_is_found(house: House, content: bytes) -> None:
    """However it is written, and in whichever file; what is published never repeats it."""
    (house.party.data / "statements" / "purge-2026-01-01.txt").write_bytes(content)
    points = audit(house, [NAME, PHONE])
    assert PLAINTEXT in failed(points)
    assert "1234" not in points[PLAINTEXT].evidence and "Canary" not in points[PLAINTEXT].evidence


def test_a_phone_number_in_a_database_is_found_also_after_it_was_deleted(house: House) -> None:
    """Deleted rows stay in the file until they are overwritten."""
    with sqlite_utils.Database(house.party.data / "venue.db") as database:
        database.execute("PRAGMA secure_delete = OFF")
        rest = {"operator_sha256": bytes(32), "status_rule": "[]", "closed": 0, "category": "cafe"}
        database.table("venues").insert({"id": "0" * 16, "name": "call 010-9876-5432", **rest})
        database.table("venues").delete("0" * 16)
    assert failed(audit(house)) == [PLAINTEXT]


def test_a_phone_number_beside_an_id_is_found(house: House) -> None:
    """Where the bytes of a database run together, the column is looked at by itself."""
    with sqlite_utils.Database(house.party.data / "venue.db") as database:
        rest = {"operator_sha256": bytes(32), "status_rule": "[]", "closed": 0, "category": "cafe"}
        database.table("venues").insert({"id": "a" * 16, "name": "01012345678", **rest})
    points = audit(house)
    assert failed(points) == [PLAINTEXT]
    assert "venue.db venues.name" in points[PLAINTEXT].evidence


def test_hashes_random_bytes_and_dates_are_no_phones(house: House) -> None:
    """A million digests and as many bytes of noise raise no alarm."""
    noise = random.Random(7)
    lines = "".join(f"digest {noise.randbytes(32).hex()}\n" for _ in range(50_000))
    (house.party.data / "statements" / "order-refused-1.txt").write_text(lines)
    (house.party.data / "statements" / "order-refused-2.txt").write_bytes(noise.randbytes(2**22))
    points = audit(house)
    assert points[PLAINTEXT].result is PointResult.PASS, points[PLAINTEXT]


def test_an_undeclared_column_is_found(house: House) -> None:
    """In a table that everybody knows."""
    with sqlite_utils.Database(house.party.data / "venue.db") as database:
        database.table("scanners").add_column("last_visitor", str)
    points = audit(house)
    assert failed(points) == [DATA_MAP]
    assert "scanners.last_visitor: not declared" in points[DATA_MAP].evidence


def test_an_undeclared_file_is_found_and_its_name_is_not_published(house: House) -> None:
    """A file's name may itself be a person's."""
    (house.party.data / "visits of Kim Ji-woo.csv").write_text("")
    points = audit(house)
    assert failed(points) == [DATA_MAP]
    assert "Kim" not in points[DATA_MAP].evidence


def test_a_key_that_was_only_unlinked_is_found(house: House) -> None:
    """Tombstone, statement and absence are as they should be; the mark of the overwriting is missing."""
    day = DAY + 1
    house.party.ring.entomb(day_key(day), {"commitment": "00", "due": "2026-12-19", "rows": 0, "bytes": 0})
    (house.party.settings.keys / f"{day_key(day)}.slot").unlink()
    house.go(day + RETENTION_DAYS, 60)
    house.guard.tick()
    house.store.drop(day)
    house.party.ring.destroy(day_key(day))  # finds nothing to overwrite
    house.book.put(f"purge-{CALENDAR.date(day)}", house.book.get(f"purge-{CALENDAR.date(DAY)}") or "")
    points = audit(house)
    assert failed(points) == [KEYS]
    assert f"day-{day} was unlinked and not overwritten" in points[KEYS].evidence


def test_a_key_that_is_gone_without_a_word_is_found(house: House) -> None:
    """It was stated to be made, and there is neither slot nor tombstone."""
    (house.party.settings.keys / f"{day_key(DAY + 28)}.slot").unlink()
    points = audit(house)
    assert KEYS in failed(points)
    assert f"day-{DAY + 28} is gone without a tombstone" in points[KEYS].evidence


def test_a_key_that_nobody_stated_is_found(house: House) -> None:
    """A second key to the same day would survive the first one's destruction."""
    house.party.ring.ensure(KeyName(Purpose.SIGNING, DAY + 40), oldest=0)
    points = audit(house)
    assert failed(points) == [KEYS]
    assert "was never stated" in points[KEYS].evidence


def test_a_partition_of_day_29_is_found(house: House) -> None:
    """Put back from a backup, beside a key ring that cannot open it."""
    source = path_of(house.party.data / "visits", DAY + 24)
    path_of(house.party.data / "visits", DAY).write_bytes(source.read_bytes())
    points = audit(house)
    assert OLDEST in failed(points)
    assert f"a partition of {CALENDAR.date(DAY)} is there" in points[OLDEST].evidence


def go_past_due(house: House, seconds: float) -> None:
    """Into the day on which the oldest one became due; nothing is purged."""
    house.go(DAY + 1 + RETENTION_DAYS, seconds)
    house.guard.tick()
    house.guard.confirm()
    assert min(house.vault.store.days()) == DAY + 1


def test_a_day_that_became_due_this_minute_is_destroyed_before_it_is_looked_for(house: House) -> None:
    """No two clocks show the same moment: who asks may be in the new day when the purge still saw the old one."""
    go_past_due(house, 1)
    assert OLDEST not in failed(audit(house))
    assert min(house.vault.store.days()) > DAY + 1


def test_a_day_that_no_timer_destroyed_for_two_hours_is_found(house: House) -> None:
    """The audit does not do the purge's work and then praise it."""
    go_past_due(house, 2 * HOUR)
    assert OLDEST in failed(audit(house))


def test_a_day_that_cannot_be_destroyed_is_found_in_the_first_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, whatever the reason."""

    def refuse(*_: object) -> None:
        raise NotReady("The disk refuses.")

    monkeypatch.setattr(house.purger, "run", refuse)
    go_past_due(house, 1)
    assert OLDEST in failed(audit(house))


def test_rows_of_a_due_day_that_cannot_be_read_are_no_fault(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge takes them away while they are read."""

    def check(vault: Vault, day: int, digest: bytes) -> Closing:
        if day == DAY + 1:
            raise NotReady
        return check_rows(vault, day, digest)

    monkeypatch.setattr("checkin.audit.self_audit.check_rows", check)
    go_past_due(house, 2 * HOUR)
    assert CLOSINGS not in failed(audit(house))


@pytest.mark.parametrize("change", ["altered", "removed", "added", "swapped"])
def test_a_row_changed_after_closing_is_found(house: House, change: str) -> None:
    """Altered, removed, slipped in, or moved to another venue."""
    file = path_of(house.party.data / "visits", DAY + 24)
    extra = house.vault.seal(DAY + 24, b"z" * 16, b"g" * 16, 3, b"a visit that never was")
    statements = {
        "altered": ('UPDATE "rows" SET bucket = 23 WHERE rowid = 1', []),
        "removed": ('DELETE FROM "rows" WHERE rowid = 1', []),
        "swapped": ('UPDATE "rows" SET "group" = ? WHERE rowid = 1', [b"h" * 16]),
        "added": (
            'INSERT INTO "rows" VALUES (?, ?, ?, ?, ?)',
            [extra.key, extra.group, extra.bucket, extra.nonce, extra.sealed],
        ),
    }
    with sqlite_utils.Database(file) as database:
        database.execute(*statements[change])
    points = audit(house)
    assert failed(points) == [CLOSINGS]
    assert f"{CALENDAR.date(DAY + 24)}: closing_broken" in points[CLOSINGS].evidence


def test_a_point_that_cannot_be_looked_at_says_so(house: House) -> None:
    """It is neither passed nor left out."""
    (house.party.data / "statements" / "key-made-day-2026-01-01.txt").write_text("no note")
    points = audit(house)
    assert points["complete"].result is PointResult.NOT_RUN
