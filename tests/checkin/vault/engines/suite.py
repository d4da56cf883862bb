"""What every engine under the day vault does. A test module subclasses `StoreSuite` and provides `engine`."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from checkin.errors import DayClosed, NotReady
from checkin.tlog.merkle import RootBuilder
from checkin.vault.closing import SETTLED, unsettled
from checkin.vault.engines import LAST_KEY, DayStore, Measure, Row
from checkin.vault.row_tree import day_root, hashed
from tests.checkin.vault.engines.workers import DAY, Engine, a_row, race, received, start_writer

GROUP = b"g" * 16


def check_exactly_once(added: list[list[Row]], keys: list[bytes]) -> None:
    """Fails unless every key was added by exactly one of those who tried."""
    counted = Counter(row.key for rows in added for row in rows)
    assert counted == dict.fromkeys(keys, 1)


def following(key: bytes) -> bytes:
    """The next key; none follows the last."""
    return min(int.from_bytes(key) + 1, 2**128 - 1).to_bytes(16)


class StoreSuite:
    """The contract of `DayStore`. A test module says by its fixture `engine` which one is tried."""

    @pytest.fixture
    def store(self, engine: Engine) -> Iterator[DayStore]:
        store = engine.open()
        yield store
        store.close()

    # --- rows

    def test_a_key_is_added_once_and_the_first_row_stands(self, store: DayStore) -> None:
        first, second = a_row(b"k" * 16), a_row(b"k" * 16)
        assert store.insert(DAY, [first]) == [True]
        assert store.insert(DAY, [second, a_row()]) == [False, True]
        assert store.get(DAY, [first.key]) == {first.key: first}

    def test_of_two_equal_keys_in_one_commit_exactly_one_is_added(self, store: DayStore) -> None:
        first, second = a_row(b"k" * 16), a_row(b"k" * 16)
        assert store.insert(DAY, [first, second]) == [True, False]
        assert list(store.rows(DAY)) == [first]

    def test_the_same_rows_again_are_ours_and_another_row_of_their_key_is_not(self, store: DayStore) -> None:
        """Whose call failed repeats it: what it had added all the same is not called a second use."""
        rows = [a_row() for _ in range(3)]
        assert store.insert(DAY, rows[:2]) == [True, True]
        assert store.insert(DAY, [rows[1], a_row(rows[0].key), rows[2], rows[0]]) == [True, False, True, True]
        assert list(store.rows(DAY)) == sorted(rows, key=lambda row: row.key)

    def test_more_rows_than_one_statement_takes_are_one_commit(self, store: DayStore) -> None:
        rows = [a_row() for _ in range(2500)]
        assert store.insert(DAY, [rows[0]]) == [True]
        assert store.insert(DAY, [*rows[1:], a_row(rows[0].key)]) == [True] * 2499 + [False]
        assert store.measure(DAY).rows == 2500

    def test_the_same_key_on_another_day_is_another_row(self, store: DayStore) -> None:
        row = a_row()
        assert store.insert(DAY, [row]) == store.insert(DAY + 1, [row]) == [True]

    def test_rows_are_found_by_key_a_thousand_at_once_and_missing_keys_are_left_out(self, store: DayStore) -> None:
        rows = [a_row() for _ in range(1001)]
        store.insert(DAY, rows)
        found = store.get(DAY, [row.key for row in rows] + [os.urandom(16) for _ in range(10)])
        assert found == {row.key: row for row in rows}
        assert store.get(DAY, []) == {}

    def test_a_group_is_read_by_bucket_then_key_within_the_bounds(self, store: DayStore) -> None:
        rows = [a_row(group=GROUP, bucket=bucket) for bucket in (24, 3, 0, 3, 7)]
        store.insert(DAY, [*rows, a_row(bucket=3)])
        ordered = sorted(rows, key=lambda row: (row.bucket, row.key))
        assert store.group(DAY, GROUP) == ordered
        assert store.group(DAY, GROUP, 3, 7) == ordered[1:4]
        assert store.group(DAY, GROUP, 8, 23) == []

    def test_all_rows_come_in_the_order_of_their_keys(self, store: DayStore) -> None:
        rows = [a_row() for _ in range(300)]
        store.insert(DAY, rows)
        assert list(store.rows(DAY)) == sorted(rows, key=lambda row: row.key)

    def test_a_range_of_keys_is_read_and_counted_with_both_its_ends(self, store: DayStore) -> None:
        rows = sorted((a_row() for _ in range(100)), key=lambda row: row.key)
        store.insert(DAY, rows)
        for low, high in ((0, 99), (0, 0), (20, 70), (99, 99)):
            first, last = rows[low].key, rows[high].key
            assert list(store.rows(DAY, first, last)) == rows[low : high + 1]
            assert store.count(DAY, first, last) == high + 1 - low
        assert list(store.rows(DAY, rows[50].key)) == rows[50:]
        assert store.count(DAY, rows[1].key, rows[0].key) == store.count(DAY + 1, b"", rows[99].key) == 0

    def test_ranges_of_keys_have_the_root_of_all_rows(self, store: DayStore) -> None:
        """A growing day, cut anew each time at random keys, some ranges empty; in processes of their own, too."""
        chance, rows = random.Random(6), list[Row]()
        for size in (0, 1, 2, 3, 7, 8, 30, 31, 129, 300):
            more = [a_row() for _ in range(size - len(rows))]
            store.insert(DAY, more)
            rows = sorted([*rows, *more], key=lambda row: row.key)
            cuts = sorted(
                [*(os.urandom(16) for _ in range(3)), *(row.key for row in chance.choices(more, k=2 * bool(more)))]
            )
            tree = RootBuilder()
            for first, last in zip([b"", *map(following, cuts)], [*cuts, LAST_KEY], strict=True):
                assert store.count(DAY, first, last) == sum(first <= row.key <= last for row in rows)
                tree.join(hashed(store.rows(DAY, first, last), tree.size))
            assert (tree.root(), tree.size) == (hashed(rows).root(), len(rows)) == day_root(store, DAY)
        assert day_root(store, DAY, large=0, processes=3) == (hashed(rows).root(), len(rows))

    def test_reading_all_rows_shows_one_moment_and_stops_no_writer(self, store: DayStore) -> None:
        store.insert(DAY, [a_row() for _ in range(50)])
        reading = store.rows(DAY)
        next(reading)
        store.insert(DAY, [a_row() for _ in range(50)])
        assert sum(1 for _ in reading) == 49
        assert store.measure(DAY).rows == 100

    def test_rows_of_a_group_are_counted_by_bucket(self, store: DayStore) -> None:
        store.insert(DAY, [a_row(group=GROUP, bucket=bucket) for bucket in (1, 1, 9)] + [a_row(bucket=1)])
        assert store.counts(DAY, GROUP) == {1: 2, 9: 1}

    def test_what_a_day_takes_is_measured(self, store: DayStore) -> None:
        store.insert(DAY, [a_row() for _ in range(100)])
        measure = store.measure(DAY)
        assert measure.rows == 100
        assert measure.bytes > 100 * 182

    # --- days

    def test_asking_about_a_day_that_is_not_there_does_not_make_it(self, store: DayStore) -> None:
        assert (store.get(DAY, [GROUP]), store.group(DAY, GROUP), list(store.rows(DAY))) == ({}, [], [])
        assert (store.counts(DAY, GROUP), store.attachment(DAY, "a"), store.measure(DAY)) == ({}, None, Measure(0, 0))
        store.settle(DAY, SETTLED)
        assert store.days() == []
        store.drop(DAY)
        assert store.days() == []

    def test_the_days_held_are_listed_oldest_first_and_a_day_without_rows_can_be_made(self, store: DayStore) -> None:
        for day in (DAY, 9, DAY - 1):
            assert store.insert(day, []) == []
        assert store.days() == [9, DAY - 1, DAY]

    def test_what_is_attached_first_stands(self, store: DayStore) -> None:
        assert store.attach(DAY, "salt", b"one") == b"one"
        assert store.attach(DAY, "salt", b"two") == b"one"
        assert store.attachment(DAY, "salt") == b"one"
        assert store.attachment(DAY, "other") is None

    def test_a_frozen_day_takes_no_row_and_is_still_read(self, engine: Engine, store: DayStore) -> None:
        row = a_row()
        store.insert(DAY, [row])
        store.freeze(DAY)
        store.freeze(DAY)
        again = engine.open()
        for one in (store, again):
            with pytest.raises(DayClosed):
                one.insert(DAY, [a_row()])
            assert list(one.rows(DAY)) == [row]
            assert one.insert(DAY + 1, [a_row()]) == [True]
        assert store.attach(DAY, "salt", b"one") == b"one"
        again.close()

    def test_settling_a_day_changes_nothing_that_is_read(self, store: DayStore) -> None:
        rows = [a_row() for _ in range(200)]
        store.insert(DAY, rows)
        store.attach(DAY, "salt", b"one")
        assert list(unsettled(store)) == [DAY]
        for _ in range(2):
            store.settle(DAY, SETTLED)
            assert list(unsettled(store)) == []
        assert list(store.rows(DAY)) == sorted(rows, key=lambda row: row.key)
        assert store.attachment(DAY, "salt") == b"one"
        assert store.insert(DAY, [a_row(rows[0].key), a_row()]) == [False, True]

    def test_a_settled_day_that_was_frozen_stays_so(self, store: DayStore) -> None:
        store.insert(DAY, [a_row()])
        store.freeze(DAY)
        store.settle(DAY)
        with pytest.raises(DayClosed):
            store.insert(DAY, [a_row()])

    def test_a_dropped_day_is_gone_for_all_and_the_others_stay(self, engine: Engine, store: DayStore) -> None:
        row, other = a_row(), engine.open()
        for day in (DAY, DAY + 1):
            store.insert(day, [row])
            assert other.get(day, [row.key])
        store.drop(DAY)
        store.drop(DAY)
        for one in (store, other):
            assert one.get(DAY, [row.key]) == {}
            assert one.measure(DAY) == Measure(0, 0)
            assert one.days() == [DAY + 1]
            assert list(one.rows(DAY + 1)) == [row]
        other.close()

    def test_a_day_dropped_while_its_rows_are_read_is_gone_afterwards(self, store: DayStore) -> None:
        store.insert(DAY, [a_row() for _ in range(50)])
        reading = store.rows(DAY)
        next(reading)
        store.drop(DAY)
        del reading
        assert store.days() == []
        assert list(store.rows(DAY)) == []

    def test_a_row_written_in_one_store_after_another_dropped_the_day_is_not_lost(self, engine: Engine) -> None:
        """The vault refuses such a write; a store that got one all the same must not write it to nowhere."""
        one, other, row = engine.open(), engine.open(), a_row()
        one.insert(DAY, [a_row()])
        other.drop(DAY)
        assert one.insert(DAY, [row]) == [True]
        assert list(other.rows(DAY)) == [row]
        other.drop(DAY)
        assert one.days() == other.days() == []
        one.close()
        other.close()

    # --- threads and processes

    def test_eight_threads_adding_the_same_keys_add_each_once(self, store: DayStore) -> None:
        keys = [os.urandom(16) for _ in range(100)]

        def insert(_: int) -> list[Row]:
            rows = [a_row(key) for key in keys]
            return [row for row in rows if store.insert(DAY, [row]) == [True]]

        with ThreadPoolExecutor(8) as threads:
            check_exactly_once(list(threads.map(insert, range(8))), keys)

    def test_writers_of_overlapping_rows_in_any_order_do_not_wait_in_a_circle(self, store: DayStore) -> None:
        keys = [os.urandom(16) for _ in range(120)]

        def insert(at: int) -> list[Row]:
            rows = [a_row(key) for key in keys]
            added = []
            for _ in range(5):
                some = random.Random(at).sample(rows, 60)
                added += [row for row, new in zip(some, store.insert(DAY, some), strict=True) if new]
            return list(set(added))

        with ThreadPoolExecutor(6) as threads:
            added = [row for rows in threads.map(insert, range(6)) for row in rows]
        assert len({row.key for row in added}) == len(added)
        assert sorted(added, key=lambda row: row.key) == list(store.rows(DAY))

    def test_a_day_dropped_while_it_is_written_and_read_is_gone_or_made_anew_whole(self, store: DayStore) -> None:
        """What the vault prevents by the day's key; here nothing may hang, and nothing be half there."""

        def use(_: int) -> None:
            for _ in range(20):
                with suppress(NotReady):
                    store.insert(DAY, [a_row()])
                    store.group(DAY, GROUP)

        with ThreadPoolExecutor(3) as threads:
            using = [threads.submit(use, at) for at in range(3)]
            for _ in range(5):
                with suppress(NotReady):
                    store.drop(DAY)
            for one in using:
                one.result(120)
        assert store.insert(DAY, [a_row()]) == [True]
        store.drop(DAY)
        assert store.days() == []

    @pytest.mark.parametrize("workers", [2, 4])
    def test_worker_processes_adding_the_same_thousand_keys_add_each_once(self, engine: Engine, workers: int) -> None:
        """Also after all of them are gone: the keys are still taken, and each row is the one that was acknowledged."""
        keys = [os.urandom(16) for _ in range(1000)]
        added = race(engine, keys, workers)
        check_exactly_once(added, keys)
        again = engine.open()
        assert again.insert(DAY, [a_row(key) for key in keys]) == [False] * 1000
        assert again.get(DAY, keys) == {row.key: row for rows in added for row in rows}
        assert again.measure(DAY).rows == 1000
        again.close()

    def test_without_the_unique_key_the_same_race_is_seen_to_fail(self, engine: Engine) -> None:
        """The control: what keeps a code from being used twice is the constraint, and this suite would notice."""
        keys = [os.urandom(16) for _ in range(1000)]
        store = engine.open()
        store.insert(DAY, [])
        store.close()
        engine.loosen(DAY)
        with pytest.raises(AssertionError):
            check_exactly_once(race(engine, keys, 2), keys)

    def test_no_acknowledged_row_is_lost_when_its_writer_is_killed(self, engine: Engine) -> None:
        acknowledged: list[Row] = []
        for _ in range(3):
            process, pipe = start_writer(engine)
            acknowledged += [pipe.recv() for _ in range(100)]
            process.kill()
            acknowledged += received(pipe)
            process.join(60)
        store = engine.open()
        found = store.get(DAY, [row.key for row in acknowledged])
        assert found == {row.key: row for row in acknowledged}
        assert 0 <= store.measure(DAY).rows - len(acknowledged) <= 3  # committed, and killed before saying so
        store.close()

    def test_no_row_is_added_once_freezing_has_returned(self, engine: Engine, store: DayStore) -> None:
        process, pipe = start_writer(engine)
        acknowledged = [pipe.recv() for _ in range(50)]
        store.freeze(DAY)
        frozen = list(store.rows(DAY))
        acknowledged += received(pipe)
        process.join(60)
        assert process.exitcode == 0
        assert sorted(row.key for row in acknowledged) == [row.key for row in frozen]
        assert list(store.rows(DAY)) == frozen
