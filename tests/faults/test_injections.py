"""Some of the injections of `injections.py`, and the proof that it would see a loss; all of them are run by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Needs
from tests.faults.injections import WORKS, Say, Tally, Work, can_trace, check_visits, inject, memory
from tests.support.vaults import DAY

INSTALL = "install strace, and run where a process may be traced"


@pytest.fixture
def room(needs: Needs) -> Iterator[Callable[[Work, int], Tally]]:
    """Runs a work with each so-many-th injection."""
    needs("strace", can_trace(), INSTALL)

    def run(work: Work, every: int) -> Tally:
        with tempfile.TemporaryDirectory(dir=memory()) as name:
            return inject(work, Path(name), every)

    yield run


@pytest.mark.parametrize("name", WORKS)
def test_a_sample_of_kills_and_disk_errors_loses_nothing(room: Callable[[Work, int], Tally], name: str) -> None:
    tally = room(WORKS[name], 97)
    assert tally.wrong == []
    assert tally.points > 40 and tally.runs.total() >= 2


def test_a_disk_that_fails_while_a_days_file_is_made_leaves_no_file_that_takes_no_row(
    room: Callable[[Work, int], Tally],
) -> None:
    """SQLite's last write of the schema into the file fails, and closing the connection says nothing about it."""
    tally = room(WORKS["first visit"], 4)
    assert tally.wrong == []
    assert tally.runs.total() > 20


def test_a_vault_that_acknowledges_too_early_is_found_out(room: Callable[[Work, int], Tally]) -> None:
    """The control: the same kills, of something that speaks before the commit."""

    def hasty(folder: Path, say: Say) -> None:
        say("rows", DAY, 10, 15)
        WORKS["visits"].act(folder, say)

    tally = room(Work(WORKS["visits"].prepare, hasty, check_visits), 71)
    assert tally.wrong and "an acknowledged row is lost" in tally.wrong[0]
