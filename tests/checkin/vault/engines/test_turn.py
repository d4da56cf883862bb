"""Writers of a folder take turns, and no turn outlives its process."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from checkin.errors import NotReady
from checkin.vault.engines.sqlite import Turn
from tests.checkin.vault.engines.workers import SPAWN


def hold(folder: Path, pipe: Connection) -> None:
    """Takes the turn and keeps it."""
    with Turn(folder).taken():
        pipe.send("taken")
        threading.Event().wait()


def test_a_writer_waits_for_another_process_and_goes_on_when_that_is_killed(tmp_path: Path) -> None:
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv() == "taken"
    turn, mine = Turn(tmp_path), threading.Event()

    def take() -> None:
        with turn.taken():
            mine.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not mine.wait(0.3)
    process.kill()
    process.join()
    assert mine.wait(120)
    waiting.join()
    turn.close()


def test_one_thread_at_a_time_has_the_turn(tmp_path: Path) -> None:
    turn, inside, most = Turn(tmp_path), 0, 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turn.taken():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    turn.close()


def test_a_closed_turn_is_not_taken_and_can_be_closed_again(tmp_path: Path) -> None:
    turn = Turn(tmp_path)
    turn.close()
    turn.close()
    with pytest.raises(NotReady), turn.taken():
        pass
