"""Many check-ins in one commit: what is told accepted is on the disk, and nobody waits for an answer in vain."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.vault.engines import Row
from checkin.vault.vault import Vault
from tests.support.vaults import DAY, open_vault
from venue import checkins
from venue.checkins import Commits


def a_row(vault: Vault, number: int, day: int = DAY) -> Row:
    return vault.seal(day, number.to_bytes(16, "big"), bytes(16), 0, b"x")


def test_of_two_equal_keys_one_is_new_whether_or_not_they_share_a_commit(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    commits = Commits(vault)

    async def run() -> list[bool]:
        together = await asyncio.gather(*(commits.insert(DAY, a_row(vault, number % 50)) for number in range(100)))
        return [*together, await commits.insert(DAY, a_row(vault, 7))]

    answers = asyncio.run(run())
    assert sum(answers) == 50
    assert answers[-1] is False
    assert vault.store.measure(DAY).rows == 50
    commits.close()


def test_what_gathers_during_a_commit_goes_in_the_next_one_in_bounded_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, sizes = open_vault(tmp_path), []
    inner = vault.insert

    def insert(day: int, rows: list[Row]) -> list[bool]:
        sizes.append(len(rows))
        return inner(day, rows)

    vault.insert = insert  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(checkins, "ROWS_A_COMMIT", 40)
    commits = Commits(vault)

    async def run() -> list[bool]:
        return await asyncio.gather(*(commits.insert(DAY, a_row(vault, number)) for number in range(100)))

    assert asyncio.run(run()) == [True] * 100
    assert sizes == [40, 40, 20]
    commits.close()


def test_an_error_reaches_every_row_of_its_commit_and_the_next_one_works(tmp_path: Path) -> None:
    vault, fail = open_vault(tmp_path), [True]
    inner = vault.insert

    def insert(day: int, rows: list[Row]) -> list[bool]:
        if fail.pop() if fail else False:
            raise NotReady("disk")
        return inner(day, rows)

    vault.insert = insert  # type: ignore[method-assign,assignment]
    commits = Commits(vault)

    async def run() -> None:
        first = await asyncio.gather(
            *(commits.insert(DAY, a_row(vault, number)) for number in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in first] == [NotReady] * 3
        assert await commits.insert(DAY, a_row(vault, 0)) is True

    asyncio.run(run())
    commits.close()


def test_who_went_away_does_not_keep_the_others_from_their_answers(tmp_path: Path) -> None:
    vault, begun, go = open_vault(tmp_path), threading.Event(), threading.Event()
    inner = vault.insert

    def insert(day: int, rows: list[Row]) -> list[bool]:
        begun.set()
        assert go.wait(120)
        return inner(day, rows)

    vault.insert = insert  # type: ignore[method-assign,assignment]
    commits = Commits(vault)

    async def run() -> None:
        gone = asyncio.ensure_future(commits.insert(DAY, a_row(vault, 0)))
        stays = asyncio.ensure_future(commits.insert(DAY, a_row(vault, 1)))
        assert await asyncio.to_thread(begun.wait, 120)
        gone.cancel()
        go.set()
        assert await stays is True

    asyncio.run(run())
    assert vault.store.measure(DAY).rows == 2
    commits.close()


def test_after_closing_a_row_is_refused(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    commits = Commits(vault)
    commits.close()
    commits.close()
    with pytest.raises(NotReady):
        asyncio.run(commits.insert(DAY, a_row(vault, 0)))
