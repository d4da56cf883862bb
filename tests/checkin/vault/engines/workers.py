"""Other processes that use a store: what one process alone cannot show."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier

from checkin.errors import DayClosed
from checkin.vault.engines import DayStore, Row

DAY = 20779
SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Engine:
    """A store that other processes can open too (`open` can be pickled), and how to take its unique key away."""

    open: Callable[[], DayStore]
    loosen: Callable[[int], None]


def a_row(key: bytes | None = None, group: bytes | None = None, bucket: int = 0) -> Row:
    """A row of random bytes, as a store sees it."""
    return Row(key or os.urandom(16), group or os.urandom(16), bucket, os.urandom(12), os.urandom(137))


def _insert_all(engine: Engine, keys: Sequence[bytes], start: Barrier, pipe: Connection) -> None:
    store = engine.open()
    rows = [a_row(key) for key in keys]
    start.wait(300)
    answers: list[bool] = []
    for at in range(0, len(rows), 20):  # many commits, so that those of the workers fall between one another
        answers += store.insert(DAY, rows[at : at + 20])
    pipe.send([row for row, added in zip(rows, answers, strict=True) if added])
    store.close()


def race(engine: Engine, keys: Sequence[bytes], workers: int) -> list[list[Row]]:
    """Each worker process inserts every key at once with the others; what each was told it had added."""
    start = SPAWN.Barrier(workers)
    pipes, processes = [], []
    for _ in range(workers):
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_insert_all, args=(engine, keys, start, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    added = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    return added


def _insert_forever(engine: Engine, pipe: Connection) -> None:
    store = engine.open()
    while True:
        row = a_row()
        try:
            assert store.insert(DAY, [row]) == [True]
        except DayClosed:
            pipe.send(None)
            return
        pipe.send(row)


def start_writer(engine: Engine) -> tuple[SpawnProcess, Connection]:
    """A process that commits row after row and sends each one only after it was acknowledged, None when closed."""
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_insert_forever, args=(engine, theirs))
    process.start()
    theirs.close()
    return process, ours


def received(pipe: Connection) -> list[Row]:
    """All that a writer sent until it ended."""
    rows = []
    try:
        while (row := pipe.recv()) is not None:
            rows.append(row)
    except EOFError:
        pass
    return rows
