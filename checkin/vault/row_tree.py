"""A day's rows as a Merkle tree (docs/spec/vault.md §6), of a large day hashed by several processes.

Keys are MACs, so equal ranges of keys hold about as many rows. What a frozen day holds changes no more: each range is
counted, which shows where in the tree it begins, and a process of its own hashes it from there. The ranges joined have
the root that one stream of all rows has, to the bit.

Such a process gets no key: rows are sealed, and it only hashes. It opens the days by itself, and exits when we do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate, pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final

from checkin.errors import NotReady
from checkin.files.lifeline import end_with_supervisor
from checkin.keys.hardening import harden
from checkin.protocol.encoding import u32be
from checkin.tlog.merkle import RootBuilder, leaf_hash
from checkin.vault.engines import KEY_SIZE, NONCE_SIZE, DayStore, Row

LARGE: Final = 200_000  # rows; of fewer, starting processes takes as long as it spares
MOST_PROCESSES: Final = 16  # each has a connection to the engine, and 50 MB
_KEY, _BUCKET, _NONCE = map(u32be, (KEY_SIZE, 1, NONCE_SIZE))  # which every row has, and a day has millions of rows
_SPAWN: Final = get_context("spawn")
_Keys = tuple[bytes, bytes]
"""The first and the last of a range."""


def hashed(rows: Iterable[Row], begin: int = 0) -> RootBuilder:
    """The leaves of these rows, the first of them number `begin` of its day; the caller's order counts. A leaf has
    every column with its length before it (u32be), so that none can flow into the next."""
    builder = RootBuilder.at(begin)
    for row in rows:
        fixed = b"".join((_KEY, row.key, _KEY, row.group, _BUCKET, bytes([row.bucket]), _NONCE, row.nonce))
        builder.add(leaf_hash(b"".join((fixed, u32be(len(row.sealed)), row.sealed))))
    return builder


def day_root(store: DayStore, day: int, *, large: int = LARGE, processes: int = 0) -> tuple[bytes, int]:
    """Merkle root and number of all rows of a frozen day in the order of their keys; a `large` one is hashed by so many
    `processes`, by default one for each core. Raises `NotReady` when one of them dies, or the rows are not those that
    were counted; it may be repeated."""
    ranges = list(_key_ranges(processes or _cores()))
    counts = [store.count(day, *keys) for keys in ranges]
    if sum(counts) < large:
        tree = hashed(store.rows(day))
        return tree.root(), tree.size
    tree = RootBuilder()
    begins = accumulate(counts, initial=0)
    with ExitStack() as stack:
        try:
            parts = [
                stack.enter_context(_process(store.reader(), day, keys, begin))
                for keys, begin in zip(ranges, begins, strict=False)
            ]
            for part, count in zip(parts, counts, strict=True):
                found = part.recv()
                if isinstance(found, Exception):
                    raise found
                if found.size != found.begin + count:
                    raise NotReady("While the day's rows were hashed, rows were added or removed.")
                tree.join(found)
        except (EOFError, OSError):
            raise NotReady("A process that hashed rows ended, or none can be started: look at the memory.") from None
    return tree.root(), tree.size


def _key_ranges(number: int) -> Iterator[_Keys]:
    """All keys in so many ranges of equal width."""
    bounds = [(at << 8 * KEY_SIZE) // number for at in range(number + 1)]
    for low, high in pairwise(bounds):
        yield low.to_bytes(KEY_SIZE, "big"), (high - 1).to_bytes(KEY_SIZE, "big")


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES)


@contextmanager
def _process(open_days: Callable[[], DayStore], day: int, keys: _Keys, begin: int) -> Iterator[Connection]:
    """A process that hashes a range, and the connection on which it sends the result; killed at the end."""
    ours, theirs = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_hash_range, args=(open_days, day, keys, begin, theirs), daemon=True)
    with ours:
        with theirs:
            process.start()
        try:
            yield ours
        finally:
            process.kill()  # it holds nothing that it would have to give back
            process.join()


def _hash_range(open_days: Callable[[], DayStore], day: int, keys: _Keys, begin: int, answer: Connection) -> None:
    """In the new process: sends the range hashed, or what kept it from that."""
    end_with_supervisor()
    harden()  # a DSN may have a password; the service has reported already what the machine does not allow
    try:
        with closing(open_days()) as store:
            answer.send(hashed(store.rows(day, *keys), begin))
    except Exception as error:  # whatever it is, it is raised in the caller's process
        answer.send(error)
