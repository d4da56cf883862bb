"""A process that never stops checking people in and making and destroying keys, and prints what it acknowledged.

    python -m tests.faults.till FOLDER FULL|OFF

One line each, printed after the call returned: `row KEY`, `made DAY NEEDLE` (of its slot's sealed body),
`destroyed DAY`. Before it begins to destroy a key: `doomed DAY`. OFF is SQLite's `synchronous`, the control.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from itertools import count
from pathlib import Path

from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.primitives import random_bytes
from checkin.vault.engines import sqlite as dayfile
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.group_commit import GroupCommit
from checkin.vault.vault import Vault

DAY, MASTER = 20779, bytes(32)
WRITERS = 8
PAUSE = 0.02  # seconds between two keys


def shop(folder: Path) -> tuple[Vault, KeyRing]:
    """The vault and the ring on that disk."""
    ring = KeyRing(folder / "keys", MASTER)
    return Vault("venue", SqliteStore(folder / "visits", ordered=True), ring), ring


def say(*words: object) -> None:
    """A whole line at once, in any number of threads."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def check_in(vault: Vault, commit: GroupCommit) -> None:
    """One after the other; what is sealed in a row is its key."""
    while True:
        key = random_bytes(16)
        if commit.submit(DAY, vault.seal(DAY, key, b"g" * 16, key[0] % 24, key)).result():
            say("row", key.hex())


def turn_over_keys(folder: Path, ring: KeyRing) -> None:
    """Half of the keys stay."""
    for day in count():
        name = KeyName(Purpose.INTAKE, day)
        ring.make(name, oldest=0)
        say("made", day, (folder / "keys" / f"{name}.slot").read_bytes()[8:84].hex())
        if day % 2:
            say("doomed", day)
            ring.entomb(name, {"reason": "due"})
            ring.destroy(name)
            say("destroyed", day)
        time.sleep(PAUSE)


def careless() -> None:
    """From here on SQLite leaves to the kernel when a commit reaches the disk."""
    connect = dayfile.connect_day

    def unsynced(path: Path, timeout: float, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, timeout, read_only=read_only)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    dayfile.connect_day = unsynced


def main(folder: Path, synchronous: str) -> None:
    """Until it is killed."""
    if synchronous == "OFF":
        careless()
    vault, ring = shop(folder)
    ring.ensure(KeyName(Purpose.DAY, DAY), oldest=0)
    commit = GroupCommit(vault)
    for _ in range(WRITERS):
        threading.Thread(target=check_in, args=(vault, commit), daemon=True).start()
    turn_over_keys(folder, ring)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
