"""A disk of one's own: an ext4 image on a loop device, what lies in its raw bytes, and a copy of it while it is in use.

Whoever mounts needs root, loop devices and e2fsprogs.
"""

from __future__ import annotations

import fcntl
import filecmp
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.support.waiting import until

INSTALL = "run as root on Linux with loop devices, and install e2fsprogs and grep"
_FREEZE, _THAW = 0xC0045877, 0xC0045878  # FIFREEZE, FITHAW of linux/fs.h
Needs = Callable[[str, object, str], None]
K = TypeVar("K")


def run(*command: object) -> subprocess.CompletedProcess[bytes]:
    """A system tool; its failure is an error."""
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})


def mount_image(image: Path, point: Path) -> None:
    """On a loop device of its own. `mount -o loop` takes one that is still there for the file, and whoever looks at all
    loop devices holds it for a moment after its end: an image that was written anew would show former blocks of it."""
    device = run("losetup", "--find", "--show", image).stdout.decode().strip()
    try:
        run("mount", device, point)
    finally:
        run("losetup", "--detach", device)  # the kernel waits with it until nothing is mounted


@contextmanager
def mounted(image: Path, point: Path) -> Iterator[Path]:
    """The image's files under `point`; mounting replays the journal of an image that was never unmounted."""
    point.mkdir(exist_ok=True)
    mount_image(image, point)
    try:
        yield point
    finally:
        _unmount(image, point)


def _unmount(image: Path, point: Path) -> None:
    """Until the device is free: a process in a mount namespace that was made meanwhile has the file system, too."""

    def unmounted() -> bool:
        with suppress(subprocess.CalledProcessError):
            if point.is_mount():
                run("umount", point)
            return not run("losetup", "--associated", image).stdout
        return False

    try:
        until(unmounted)
    finally:
        if point.is_mount():  # a test that failed has files open
            run("umount", "--lazy", point)


def can_mount(folder: Path) -> bool:
    """Whether this machine lets us."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "losetup", "mount", "umount", "grep"))):
        return False
    image = new_image(folder / "probe.img", 8)
    try:
        with mounted(image, folder / "probe"):
            return True
    except subprocess.CalledProcessError:
        return False


def new_image(path: Path, mebibytes: int, block: int = 1024) -> Path:
    """A formatted disk, sparse. Small ones have blocks of 1 KiB: three quarters of a page of SQLite's shared memory are
    not on such a disk until they are written to, and where it is full by then the kernel ends the process (SIGBUS)."""
    with path.open("wb") as file:
        file.truncate(mebibytes << 20)
    run("mkfs.ext4", "-q", "-F", "-b", block, "-N", 16384, path)
    return path


def found(image: Path, needles: dict[K, bytes], work: Path) -> set[K]:
    """The names of the needles that lie anywhere in the image. No needle has a newline or a zero in it."""
    patterns = work / "patterns"
    patterns.write_bytes(b"\n".join(needles.values()) + b"\n")
    search = subprocess.run(
        ["grep", "-aoF", "-f", str(patterns), str(image)],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    hits = set(search.stdout.split(b"\n"))
    return {name for name, value in needles.items() if value in hits}


def fill(filler: Path) -> None:
    """Not a byte fits on its volume any more, for root neither."""
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 512, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    os.sync()


def readable(folder: Path, wrapped: bytes) -> bool:
    """Whether a key lies in any file of the ring in this folder, as it was wrapped."""
    return any(wrapped in path.read_bytes() for path in folder.iterdir() if path.is_file())


@contextmanager
def still(folder: Path) -> Iterator[None]:
    """Nothing is written to the file system of `folder`; writers wait. It ends with this process, too, if that is
    killed: every `sync` of the machine would wait for it."""
    thaw = ["sh", "-c", 'cat; exec fsfreeze --unfreeze "$0"', str(folder)]
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with subprocess.Popen(thaw, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True):
            fcntl.ioctl(descriptor, _FREEZE, 0)
            try:
                yield
            finally:
                fcntl.ioctl(descriptor, _THAW, 0)
    finally:
        os.close(descriptor)


def snapshot(image: Path, copy: Path) -> None:
    """What a mounted image's disk holds at one instant, between any two of its writes, perhaps within an fsync.

    The image lies on a file system of its own, which is held still: the device's writes wait there, while what the
    mounted files have only in memory stays in memory. `copy` lies elsewhere. A second look proves that it held still.
    """
    for _ in range(20):
        with still(image.parent):
            shutil.copyfile(image, copy)
            if filecmp.cmp(image, copy, shallow=False):
                return
    raise AssertionError("the image did not hold still")
