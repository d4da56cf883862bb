"""Closing a day: whoever adds, changes or removes a row afterwards is found out."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from checkin.errors import ClosingBroken, DayClosed, DayDestroyed, KeyMissing
from checkin.vault.closing import Closing, check_closing, check_rows, close_day, closing_digest, find_closing
from checkin.vault.vault import Vault
from checkin.vault.visit import seal_visit
from tests.support.vaults import DAY, a_visit, destroy_key, open_vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path)
    vault.insert(DAY, [seal_visit(vault, DAY, a_visit(), 12) for _ in range(10)])
    yield vault
    vault.store.close()


def test_a_closed_day_takes_no_row_and_its_digest_is_that_of_the_spec(vault: Vault) -> None:
    closed = close_day(vault, DAY)
    with pytest.raises(DayClosed):
        vault.insert(DAY, [seal_visit(vault, DAY, a_visit(), 12)])
    assert (closed.root, closed.count) == vault.root(DAY)
    entry = b"ck1/close" + closed.salt + closed.root + (10).to_bytes(8, "big")
    assert closed.digest == hashlib.sha256(entry).digest()
    assert check_rows(vault, DAY, closed.digest) == closed


def test_closing_again_gives_the_same_answer_also_after_a_restart(vault: Vault, tmp_path: Path) -> None:
    closed = close_day(vault, DAY)
    vault.store.close()
    again = open_vault(tmp_path)
    assert close_day(again, DAY) == closed == find_closing(again, DAY)
    again.store.close()


def test_a_closing_that_stopped_half_way_is_finished_by_the_next(vault: Vault) -> None:
    vault.freeze(DAY)
    assert find_closing(vault, DAY) is None
    assert close_day(vault, DAY).count == 10


def test_a_day_on_which_nobody_came_is_closed_too(vault: Vault) -> None:
    closed = close_day(vault, DAY + 1)
    assert (closed.count, closed.root) == (0, hashlib.sha256(b"").digest())
    assert check_rows(vault, DAY + 1, closed.digest) == closed


def test_two_days_with_the_same_rows_have_digests_that_tell_nothing(vault: Vault) -> None:
    one, other = close_day(vault, DAY + 1), closing_digest(bytes(32), hashlib.sha256(b"").digest(), 0)
    assert one.digest != other


def close_and_tell(folder: Path, pipe: Connection) -> None:
    """Another worker closes the day."""
    vault = open_vault(folder)
    pipe.send(close_day(vault, DAY))
    vault.store.close()


def test_two_processes_that_close_a_day_at_once_agree(vault: Vault, tmp_path: Path) -> None:
    context, answers = get_context("spawn"), list[Closing]()
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [context.Process(target=close_and_tell, args=(tmp_path, theirs)) for _, theirs in pipes]
    for process in processes:
        process.start()
    answers = [ours.recv() for ours, _ in pipes]
    for process in processes:
        process.join(60)
    assert answers == [close_day(vault, DAY)] * 2


TAMPER = {
    "slipped in": 'INSERT INTO "rows" SELECT x\'00112233445566778899aabbccddeeff\', "group", bucket, nonce, sealed'
    ' FROM "rows" LIMIT 1',
    "slipped in after all": 'INSERT INTO "rows" SELECT x\'ffffffffffffffffffffffffffffffffff\', "group", bucket,'
    ' nonce, sealed FROM "rows" LIMIT 1',
    "removed": 'DELETE FROM "rows" WHERE "key" = (SELECT max("key") FROM "rows")',
    "moved to another venue": 'UPDATE "rows" SET "group" = zeroblob(16) WHERE "key" = (SELECT min("key") FROM "rows")',
    "moved to another hour": 'UPDATE "rows" SET bucket = 3 WHERE "key" = (SELECT min("key") FROM "rows")',
    "sealed anew": 'UPDATE "rows" SET sealed = randomblob(137) WHERE "key" = (SELECT min("key") FROM "rows")',
    "given another nonce": 'UPDATE "rows" SET nonce = zeroblob(12) WHERE "key" = (SELECT min("key") FROM "rows")',
}


@pytest.mark.parametrize("statement", TAMPER.values(), ids=TAMPER.keys())
def test_a_row_changed_in_the_database_after_closing_shows(vault: Vault, tmp_path: Path, statement: str) -> None:
    closed = close_day(vault, DAY)
    with closing(sqlite3.connect(tmp_path / "venue" / f"day-{DAY}.db")) as database, database:
        database.execute(statement)
    with pytest.raises(ClosingBroken):
        check_rows(vault, DAY, closed.digest)
    assert close_day(vault, DAY) == closed  # what was logged does not follow the change


def test_an_auditor_accepts_what_was_logged_and_nothing_else(vault: Vault) -> None:
    closed = close_day(vault, DAY)
    shown = {"salt": closed.salt, "root": closed.root, "count": closed.count}
    assert check_closing(closed.digest, **shown) == closed  # type: ignore[arg-type]
    for name, wrong in {"salt": bytes(32), "root": bytes(32), "count": closed.count + 1}.items():
        with pytest.raises(ClosingBroken):
            check_closing(closed.digest, **{**shown, name: wrong})  # type: ignore[arg-type]


def test_an_open_day_has_no_closing(vault: Vault) -> None:
    with pytest.raises(ClosingBroken, match="not closed"):
        check_rows(vault, DAY, bytes(32))


def test_the_salt_is_nowhere_in_the_files_and_dies_with_the_key(vault: Vault, tmp_path: Path) -> None:
    closed = close_day(vault, DAY)
    for file in (tmp_path / "venue").iterdir():
        data = file.read_bytes()
        assert closed.salt not in data
        assert closed.root not in data
    destroy_key(tmp_path)
    with pytest.raises(DayDestroyed):
        close_day(vault, DAY)


def test_a_day_without_a_key_is_not_closed(vault: Vault) -> None:
    with pytest.raises(KeyMissing):
        close_day(vault, DAY + 2)
    assert vault.store.days() == [DAY]


@pytest.mark.parametrize(("salt", "root"), [(bytes(31), bytes(32)), (bytes(33), bytes(31)), (bytes(32), b"")])
def test_a_digest_of_other_sizes_cannot_be_made(salt: bytes, root: bytes) -> None:
    """Or bytes could flow from the salt into the root."""
    with pytest.raises(ValueError, match="32 bytes"):
        closing_digest(salt, root, 1)
