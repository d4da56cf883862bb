"""Group commit: many check-ins in one write, each answered only once it is safe."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from checkin.errors import DayClosed, DayDestroyed, NotReady
from checkin.vault.engines import Row
from checkin.vault.group_commit import GroupCommit
from checkin.vault.vault import Vault
from tests.support.vaults import DAY, destroy_key, open_vault


class Disk:
    """Stands between writer and vault: holds a commit until it is let go, and remembers each one's size."""

    def __init__(self, vault: Vault) -> None:
        self.commits: list[tuple[int, int]] = []
        self.free = threading.Event()
        self.busy = threading.Event()
        self._insert = vault.insert
        vault.insert = self.insert  # type: ignore[method-assign]

    def insert(self, day: int, rows: Sequence[Row]) -> list[bool]:
        self.busy.set()
        assert self.free.wait(120)
        self.commits.append((day, len(rows)))
        return self._insert(day, rows)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path)
    yield vault
    vault.store.close()


def a_row(key: bytes | None = None) -> Row:
    return Row(key or os.urandom(16), bytes(16), 0, os.urandom(12), os.urandom(137))


def test_what_waits_while_the_disk_is_busy_is_committed_together_up_to_the_limit(vault: Vault) -> None:
    disk, commit = Disk(vault), GroupCommit(vault, max_rows=10)
    answers = [commit.submit(DAY, a_row())]
    assert disk.busy.wait(120)
    answers += [commit.submit(DAY, a_row()) for _ in range(25)]
    assert not any(answer.done() for answer in answers)
    disk.free.set()
    assert all(answer.result(120) for answer in answers)
    assert disk.commits == [(DAY, 1), (DAY, 10), (DAY, 10), (DAY, 5)]
    commit.close()


def test_an_answer_comes_only_when_another_reader_can_see_the_row(vault: Vault, tmp_path: Path) -> None:
    commit, reader = GroupCommit(vault), open_vault(tmp_path)
    for _ in range(50):
        row = a_row()
        assert commit.submit(DAY, row).result(120) is True
        assert reader.store.get(DAY, [row.key]) == {row.key: row}
    commit.close()
    reader.store.close()


def test_of_equal_keys_in_one_commit_exactly_one_is_told_true(vault: Vault) -> None:
    disk, commit = Disk(vault), GroupCommit(vault)
    keys = [os.urandom(16) for _ in range(10)]
    answers = [(key, commit.submit(DAY, a_row(key))) for _ in range(5) for key in keys]
    disk.free.set()
    commit.close()
    assert sorted(key for key, answer in answers if answer.result(0)) == sorted(keys)
    assert len(disk.commits) <= 2


def test_rows_of_two_days_are_kept_apart_and_an_error_of_one_is_not_the_other_s(vault: Vault) -> None:
    vault.freeze(DAY)
    disk, commit = Disk(vault), GroupCommit(vault)
    answers = {day: [commit.submit(day, a_row()) for _ in range(3)] for day in (DAY, DAY + 1)}
    disk.free.set()
    commit.close()
    for answer in answers[DAY]:
        with pytest.raises(DayClosed):
            answer.result(0)
    assert [answer.result(0) for answer in answers[DAY + 1]] == [True] * 3


def test_a_destroyed_day_is_told_to_all_who_wait(vault: Vault, tmp_path: Path) -> None:
    commit = GroupCommit(vault)
    destroy_key(tmp_path)
    for answer in [commit.submit(DAY, a_row()) for _ in range(3)]:
        with pytest.raises(DayDestroyed):
            answer.result(120)
    assert commit.submit(DAY + 1, a_row()).result(120) is True  # the writer lives on
    commit.close()


@pytest.mark.parametrize("error", [OSError("no space"), MemoryError(), SystemExit()], ids=repr)
def test_whatever_goes_wrong_in_a_commit_all_its_waiters_hear_and_the_next_goes_through(
    vault: Vault, error: BaseException
) -> None:
    insert = vault.insert

    def fail_once(*_: object) -> list[bool]:
        vault.insert = insert  # type: ignore[method-assign]
        raise error

    vault.insert = fail_once  # type: ignore[method-assign, assignment]
    commit = GroupCommit(vault)
    with pytest.raises(type(error)):
        commit.submit(DAY, a_row()).result(120)
    assert commit.submit(DAY, a_row()).result(120) is True
    commit.close()


def test_closing_commits_all_that_waits_and_takes_no_more(vault: Vault) -> None:
    commit = GroupCommit(vault, max_rows=7)
    answers = [commit.submit(DAY, a_row()) for _ in range(100)]
    commit.close()
    commit.close()
    assert [answer.result(0) for answer in answers] == [True] * 100
    assert vault.store.measure(DAY).rows == 100
    with pytest.raises(NotReady):
        commit.submit(DAY, a_row())


def test_more_than_the_disk_can_take_is_refused_at_once_instead_of_waiting(vault: Vault) -> None:
    disk, commit = Disk(vault), GroupCommit(vault, max_waiting=5)
    first = commit.submit(DAY, a_row())
    assert disk.busy.wait(120)
    answers = [first] + [commit.submit(DAY, a_row()) for _ in range(5)]
    with pytest.raises(NotReady, match="Too many"):
        commit.submit(DAY, a_row())
    disk.free.set()
    assert all(answer.result(120) for answer in answers)
    commit.close()


def test_who_gave_up_waiting_before_the_commit_leaves_no_row(vault: Vault) -> None:
    disk, commit = Disk(vault), GroupCommit(vault)
    commit.submit(DAY, a_row())
    assert disk.busy.wait(120)
    given_up, row = commit.submit(DAY, a_row()), a_row()
    kept = commit.submit(DAY, row)
    assert given_up.cancel()
    disk.free.set()
    assert kept.result(120) is True
    commit.close()
    assert vault.store.measure(DAY).rows == 2


def test_a_thousand_submissions_of_one_key_from_many_threads_are_true_once(vault: Vault) -> None:
    commit, key = GroupCommit(vault), os.urandom(16)
    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(lambda _: commit.submit(DAY, a_row(key)).result(120), range(1000)))
    commit.close()
    assert told.count(True) == 1


def submit_forever(folder: Path, pipe: Connection) -> None:
    """Sends the key of each row after its future said True."""
    commit = GroupCommit(open_vault(folder))
    while True:
        answers = [(row.key, commit.submit(DAY, row)) for row in (a_row() for _ in range(20))]
        for key, answer in answers:
            assert answer.result(120)
            pipe.send(key)


def test_no_acknowledged_check_in_is_lost_when_the_service_is_killed(tmp_path: Path) -> None:
    context, acknowledged = get_context("spawn"), list[bytes]()
    for _ in range(3):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=submit_forever, args=(tmp_path, theirs))
        process.start()
        theirs.close()
        acknowledged += [ours.recv() for _ in range(200)]
        process.kill()
        with pytest.raises(EOFError):
            while True:
                acknowledged.append(ours.recv())
        process.join(300)
    vault = open_vault(tmp_path)
    assert vault.store.get(DAY, acknowledged).keys() == set(acknowledged)
    assert len(set(acknowledged)) == len(acknowledged) >= 600
    vault.store.close()
