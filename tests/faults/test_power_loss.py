"""The power fails at any moment under load: no acknowledged check-in is lost and no destroyed key comes back.

A power loss is a copy of the live image of a mounted disk (`disk.snapshot`), taken between any two writes of the
device. What a program has written and not synced is not in it; the first test shows that. A disk that loses what it
reported as flushed, or keeps back what it was sent before a flush, is not simulated.

The long run, some 20 minutes: POWER_LOSSES=500 pytest tests/faults/test_power_loss.py
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from checkin.errors import DayDestroyed, KeyDestroyed, NotReady
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.primitives import random_bytes
from checkin.vault.engines.sqlite import path_of
from checkin.vault.vault import Vault
from tests.faults.disk import INSTALL, Needs, can_mount, found, mount_image, mounted, new_image, run, snapshot, still
from tests.faults.till import DAY, shop
from tests.support.waiting import until

IMAGES = int(os.environ.get("POWER_LOSSES", "10"))
BETWEEN = 25  # rows that are acknowledged between two images, at least
A_DISK = 20  # images of one disk, then a fresh one: it must not fill up
ROOT = Path(__file__).parents[2]


@dataclass
class Said:
    """What the process had acknowledged."""

    rows: set[bytes] = field(default_factory=set)
    made: dict[int, bytes] = field(default_factory=dict)
    doomed: set[int] = field(default_factory=set)
    destroyed: set[int] = field(default_factory=set)

    @classmethod
    def until_now(cls, output: Path) -> Said:
        said = cls()
        for line in output.read_text().split("\n")[:-1]:  # what is just being written has no end yet
            match line.split():
                case ["row", key]:
                    said.rows.add(bytes.fromhex(key))
                case ["made", day, body]:
                    said.made[int(day)] = bytes.fromhex(body)
                case ["doomed", day]:
                    said.doomed.add(int(day))
                case ["destroyed", day]:
                    said.destroyed.add(int(day))
        return said


@dataclass
class Loss:
    """What was acknowledged before an instant, what was doomed soon after, and what the disk held at it."""

    before: Said
    doomed: set[int]
    copy: Path


@pytest.fixture
def disk(tmp_path: Path, needs: Needs) -> Iterator[Path]:
    """The file system that an image lies on, to be held still."""
    needs("an ext4 image on a loop device", can_mount(tmp_path), INSTALL)
    with mounted(new_image(tmp_path / "outer.img", 192), tmp_path / "outer") as outer:
        yield outer


@contextmanager
def till(folder: Path, output: Path, synchronous: str) -> Iterator[None]:
    """A process at work, killed in the end."""
    command = [sys.executable, "-m", "tests.faults.till", str(folder), synchronous]
    with output.open("wb") as file, subprocess.Popen(command, cwd=ROOT, stdout=file) as process:
        try:
            while len(Said.until_now(output).destroyed) < 2 or not Said.until_now(output).rows:
                assert process.poll() is None
                time.sleep(0.05)
            yield
            assert process.poll() is None, "it worked to the end"
        finally:
            process.kill()


def losses(disk: Path, work: Path, images: int, synchronous: str = "FULL") -> Generator[Loss, None, None]:
    """The same machine loses its power again and again, and each time in another life."""
    image, output, copy = new_image(disk / "disk.img", 128), work / "output", work / "copy.img"
    chance = random.Random()
    with mounted(image, work / "disk") as folder, till(folder, output, synchronous):
        before = Said.until_now(output)
        for _ in range(images):
            enough = len(before.rows) + BETWEEN
            while len(Said.until_now(output).rows) < enough:
                time.sleep(0.05)
            time.sleep(chance.uniform(0.05, 0.5))
            before = Said.until_now(output)
            snapshot(image, copy)
            yield Loss(before, Said.until_now(output).doomed, copy)
    image.unlink()


@contextmanager
def switched_on(loss: Loss, work: Path) -> Iterator[tuple[Path, Vault, KeyRing]]:
    """The machine afterwards: the journal is replayed, the store and the ring are opened."""
    with mounted(loss.copy, work / "after") as folder:
        vault, ring = shop(folder)
        try:
            yield folder, vault, ring
        finally:
            vault.store.close()
            del vault, ring


def rows_after(vault: Vault, folder: Path) -> set[bytes]:
    """What opens of the rows, in a database that says that it is whole."""
    rows = {row.key for row in vault.store.rows(DAY) if vault.open(DAY, row) == row.key}
    with closing(sqlite3.connect(path_of(folder / "visits", DAY))) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return rows


def check_keys(ring: KeyRing, loss: Loss) -> None:
    """Keys stay made, and stay destroyed."""
    for day in loss.before.made.keys() - loss.doomed:
        ring.use(KeyName(Purpose.INTAKE, day))
    for day in loss.before.destroyed:
        name = KeyName(Purpose.INTAKE, day)
        with pytest.raises(KeyDestroyed):
            ring.use(name)
        with pytest.raises(DayDestroyed):
            ring.ensure(name, oldest=0)


def needles(loss: Loss) -> dict[int, bytes]:
    """12 bytes out of each slot that grep can take as a line; few have none."""
    parts = {}
    for day, body in loss.before.made.items():
        some = (body[at : at + 12] for at in range(len(body) - 12))
        if part := next((part for part in some if not {0, 10} & set(part)), None):
            parts[day] = part
    return parts


def test_what_a_program_wrote_is_in_the_copy_only_once_it_was_synced(disk: Path, tmp_path: Path) -> None:
    """Otherwise a copy would be no power loss, and what follows would show nothing."""
    image, copy = new_image(disk / "disk.img", 16), tmp_path / "copy.img"
    secret = {"it": random_bytes(16).hex().encode()}
    with mounted(image, tmp_path / "disk") as folder, (folder / "note").open("wb", buffering=0) as note:
        note.write(secret["it"])
        snapshot(image, copy)
        assert found(copy, secret, tmp_path) == set()
        os.fsync(note.fileno())
        snapshot(image, copy)
        assert found(copy, secret, tmp_path) == {"it"}


def test_an_image_shows_what_it_holds_now_though_its_former_device_is_in_use(disk: Path, tmp_path: Path) -> None:
    """Otherwise a key that was made since the copy before would seem to be lost, which happened under load."""
    copy, after = tmp_path / "copy.img", tmp_path / "after"
    after.mkdir()
    with ExitStack() as held:
        for day in range(2):
            with mounted(new_image(disk / "disk.img", 16), tmp_path / "disk") as folder:
                (folder / f"day-{day}").touch()
            shutil.copyfile(disk / "disk.img", copy)
            mount_image(copy, after)
            try:
                assert [path.name for path in after.glob("day-*")] == [f"day-{day}"]
                devices = re.findall(
                    r"^/dev/loop\d+", run("losetup", "--associated", copy).stdout.decode(), re.MULTILINE
                )
                held.enter_context(Path(devices[-1]).open("rb"))
            finally:
                run("umount", after)


def test_a_disk_is_held_still_no_longer_than_whoever_holds_it_lives(disk: Path) -> None:
    """A run that somebody kills would otherwise leave a machine on which every `sync` waits for good."""
    hold = "import sys; from tests.faults.disk import *\nwith still(Path(sys.argv[1])): print(flush=True); input()"

    def writable() -> bool:
        with suppress(OSError), still(disk):
            return True
        return False

    with subprocess.Popen(
        [sys.executable, "-c", hold, str(disk)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        assert not writable(), "control: it is held"
        process.kill()
    until(writable)


def survives(loss: Loss, work: Path) -> None:
    """All of it, or the test fails."""
    parts = needles(loss)
    there = found(loss.copy, parts, work)
    assert there & loss.before.destroyed == set(), "a destroyed key lies on the disk"
    assert there >= parts.keys() - loss.doomed, "control: keys that are held are found"
    with switched_on(loss, work) as (folder, vault, ring):
        check_keys(ring, loss)
        lost = loss.before.rows - rows_after(vault, folder)
        del vault, ring  # slots are mapped until then
    assert not lost, f"{len(lost)} rows are lost"


def test_a_power_loss_loses_no_acknowledged_check_in_and_revives_no_destroyed_key(disk: Path, tmp_path: Path) -> None:
    """Eight writers check in all the time, a ninth makes and destroys keys; the power may fail within any fsync."""
    checked = 0
    for start in range(0, IMAGES, A_DISK):
        with closing(losses(disk, tmp_path, min(A_DISK, IMAGES - start))) as instants:
            for loss in instants:
                survives(loss, tmp_path)
                checked += len(loss.before.rows)
    assert checked > 100 * IMAGES


def test_the_same_power_loss_takes_check_ins_away_from_a_store_that_does_not_sync(disk: Path, tmp_path: Path) -> None:
    """The control: with `synchronous = OFF` acknowledged rows are lost, and the same comparison says so."""
    lost = 0
    with closing(losses(disk, tmp_path, 2, "OFF")) as instants:
        for loss in instants:
            left: set[bytes] = set()
            with switched_on(loss, tmp_path) as (_, vault, _), suppress(NotReady):  # it may not even open
                left |= {row.key for row in vault.store.rows(DAY)}
            lost += len(loss.before.rows - left)
    assert lost > 10
