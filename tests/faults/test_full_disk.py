"""No due key stays alive because a disk is full, read-only or not there: real ext4 volumes, filled to the last byte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from checkin.errors import ClockUntrusted, NotReady
from tests.faults.disk import INSTALL, Needs, can_mount, fill, mount_image, new_image, readable, run
from tests.support.commands import command
from tests.support.purging_service import REPORT, House, age, day_key
from tests.support.service_folder import CALENDAR, DAY, HOUR, make_service


@contextmanager
def bound(source: Path, point: Path) -> Iterator[None]:
    """The folder is there a second time."""
    for folder in (source, point):
        folder.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", source, point)
    try:
        yield
    finally:
        run("umount", "--lazy", point)


@contextmanager
def lazily(image: Path, point: Path) -> Iterator[Path]:
    """The image's files under `point`; who still has some open keeps them."""
    point.mkdir(parents=True, exist_ok=True)
    mount_image(image, point)
    try:
        yield point
    finally:
        run("umount", "--lazy", point)


class Volumes:
    """`keys` and `data` of a service's folder on file systems of their own, or both on one."""

    def __init__(self, folder: Path, work: Path, stack: ExitStack, *, one: bool) -> None:
        self.folder, self.one, self._stack = folder, one, stack
        folder.mkdir(exist_ok=True)
        if one:
            whole = stack.enter_context(lazily(new_image(work / "whole.img", 16), work / "whole"))
            for name in ("keys", "data"):
                stack.enter_context(bound(whole / name, folder / name))
        else:
            for name in ("keys", "data"):
                stack.enter_context(lazily(new_image(work / f"{name}.img", 16), folder / name))

    def fill(self) -> None:
        """Not a byte fits on the data's volume any more."""
        filler = self.folder / "data" / "filler"
        fill(filler)
        with filler.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            file.write(b"x")
        with pytest.raises(OSError, match="No space left"):  # a control: nothing new fits either
            (self.folder / "data" / "probe").write_bytes(b"x" * 4096)
        (self.folder / "data" / "probe").unlink(missing_ok=True)

    def free(self) -> None:
        """There is room again."""
        (self.folder / "data" / "filler").unlink()

    def read_only(self, *, on: bool) -> None:
        """Mounts the data anew."""
        run("mount", "-o", f"remount,{'ro' if on else 'rw'}", self.folder / "data")


@pytest.fixture(params=["one volume", "two volumes"])
def volumes(request: pytest.FixtureRequest, tmp_path: Path, needs: Needs) -> Iterator[Volumes]:
    """A registry's, both layouts."""
    needs("a disk of one's own (root)", can_mount(tmp_path), INSTALL)
    with ExitStack() as stack:
        yield Volumes(tmp_path / "registry", tmp_path, stack, one=request.param == "one volume")


@pytest.fixture
def two(tmp_path: Path, needs: Needs) -> Iterator[Volumes]:
    """A registry's, keys and data apart."""
    needs("a disk of one's own (root)", can_mount(tmp_path), INSTALL)
    with ExitStack() as stack:
        yield Volumes(tmp_path / "registry", tmp_path, stack, one=False)


def lived(folder: Path) -> House:
    """A registry with twelve visits, on the last day on which they are held."""
    make_service(folder)
    house = House(folder)
    house.first_day()
    age(house, 27)
    return house


def slot(folder: Path) -> Path:
    """Of the day that is about to be due."""
    return folder / "keys" / f"{day_key()}.slot"


def test_a_full_disk_keeps_no_due_key_alive(volumes: Volumes) -> None:
    """The key goes, and the partition, which makes room; then the day is reported as if nothing had been."""
    house = lived(volumes.folder)
    wrapped = slot(volumes.folder).read_bytes()[8:84]
    assert readable(volumes.folder / "keys", wrapped)
    volumes.fill()
    house.go(DAY + 28, HOUR)
    with suppress(NotReady):
        house.purger.run()
    assert not readable(volumes.folder / "keys", wrapped)
    assert house.party.ring.is_gone(day_key())
    assert DAY not in house.store.days()
    volumes.free()
    house.purger.run()
    assert house.statement(REPORT)["rows"] == "12"
    assert not slot(volumes.folder).exists() and house.party.ring.overwritten(day_key())
    house.store.close()


def test_where_nothing_can_be_removed_either_the_key_goes_and_the_slot_waits(volumes: Volumes) -> None:
    """Neither a tombstone of its own nor a mark can be written: the tombstone stands in the slot. What is known of the
    day is in the report that is made when there is room, in another process."""
    house = lived(volumes.folder)
    wrapped, store = slot(volumes.folder).read_bytes()[8:84], house.vault.store
    store.drop = _refuse  # type: ignore[method-assign,assignment]  # a partition that cannot be removed makes no room
    volumes.fill()
    house.go(DAY + 28, HOUR)
    for _ in range(2):
        with pytest.raises(NotReady):
            house.purger.run()
        assert not readable(volumes.folder / "keys", wrapped)
        assert house.party.ring.is_gone(day_key())
        assert slot(volumes.folder).exists() == volumes.one
    assert house.party.ring.tombstone(day_key()) is not None
    assert day_key() in House(volumes.folder).party.ring.tombstones()
    house.store.close()
    volumes.free()
    again = House(volumes.folder)
    again.purger.run()
    assert again.statement(REPORT)["rows"] == "12"
    assert again.statement(REPORT)["commitment"] == again.statement(f"key-made-day-{CALENDAR.date(DAY)}")["commitment"]
    assert not again.live() and again.party.ring.overwritten(day_key())
    again.store.close()


def _refuse(_: int) -> None:
    raise OSError("the partition is held")


def test_a_clock_that_jumped_ahead_destroys_nothing_on_a_full_disk(volumes: Volumes) -> None:
    """Also in a process that starts on it; and the doubt is recorded, because its file needs no room."""
    house = lived(volumes.folder)
    volumes.fill()
    house.clock.set(CALENDAR.rfc3339(CALENDAR.start(DAY + 60), "milliseconds"), house.clock.boot() + 20)
    for one in (house, House(volumes.folder)):
        with pytest.raises(ClockUntrusted):
            one.purger.run()
    assert slot(volumes.folder).exists()
    assert House(volumes.folder).guard.doubt is not None
    house.store.close()


def checkin(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own, as an operator calls it."""
    options = ["--config", str(folder / "settings.toml"), "--simulated-clock", str(folder / "clock")]
    return command(*words, *options)


def settings(folder: Path) -> None:
    """The common ones; no service is installed under this vault's name, so that the days are all there is."""
    (folder / "settings.toml").write_text(
        'name = "registry.example"\ndata = "data"\nkeys = "keys"\nmaster_key = "master.key"\n'
        'statement_key = "statement.key"\nenrolment_secret_sha256 = "00"\n'
    )


@pytest.mark.parametrize("trouble", ["full", "read-only", "missing"])
def test_the_command_destroys_keys_whatever_the_data_is_like(two: Volumes, trouble: str) -> None:
    """It names what is left and ends with status 1; with the data back it makes up for the rest."""
    house = lived(two.folder)
    settings(two.folder)
    wrapped = slot(two.folder).read_bytes()[8:84]
    house.go(DAY + 28, HOUR)
    house.store.close()
    data = two.folder / "data"
    if trouble == "full":
        two.fill()
    elif trouble == "read-only":
        two.read_only(on=True)
    else:
        run("umount", data)
    done = checkin(two.folder, "purge", "run")
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert done.returncode == 1, told
    assert not readable(two.folder / "keys", wrapped) and not slot(two.folder).exists()
    if trouble != "full":  # there the partition made the room for the report
        assert f"{day_key()}" in done.stdout and str(data) in done.stdout
        shown = checkin(two.folder, "purge", "status")
        assert shown.returncode == 0 and "Traceback" not in shown.stderr
    if trouble == "full":
        two.free()
    elif trouble == "read-only":
        two.read_only(on=False)
    else:
        mount_image(two.folder.parent / "data.img", data)
    assert "purge-2026-11-20" in told + checkin(two.folder, "purge", "run").stdout
    report = House(two.folder).statement(REPORT)
    assert report["rows"] == ("unknown" if trouble == "missing" else "12")
