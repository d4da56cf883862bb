"""Whether the file system under a folder overwrites in place, read from /proc/self/mountinfo.

A key ring destroys by overwriting. On a copy-on-write or log-structured file system the old bytes stay, and
in a journal of file data they stay too; so everything not known to overwrite is unfit (docs/spec/keys.md §6).
What lies beneath (a snapshot of the volume, a drive's spare blocks) cannot be seen from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from checkin.errors import StorageUnfit

_OVERWRITES = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
_MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """Where a file system is mounted, its type as the kernel names it, and its options of both columns."""

    point: Path
    kind: str
    options: frozenset[str]


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The lines of proc_pid_mountinfo(5) in order; a line without the separator ` - ` is passed over."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if separator and len(fields) >= 6 and len(rest) >= 3:
            options = frozenset(fields[5].split(",")) | frozenset(rest[2].split(","))
            # Spaces, tabs, newlines and backslashes are written as three octal digits.
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            mounts.append(Mount(Path(point), rest[0], options))
    return mounts


def find_mount(folder: Path, mounts: list[Mount]) -> Mount | None:
    """The mount that holds `folder` (which need not exist yet): the deepest, and of those the last mounted."""
    real = folder.resolve()
    holders = [mount for mount in mounts if real.is_relative_to(mount.point)]
    return max(reversed(holders), key=lambda mount: len(mount.point.parts), default=None)


def check_storage(folder: Path, mountinfo: Path = _MOUNTINFO) -> None:
    """Raises `StorageUnfit` unless the file system under `folder` is known to overwrite in place."""
    try:
        mount = find_mount(folder, parse_mounts(mountinfo.read_text(errors="surrogateescape")))
    except OSError:
        mount = None
    if mount is None:
        raise StorageUnfit("Which file system holds the key ring cannot be read from /proc/self/mountinfo.")
    if mount.kind not in _OVERWRITES:
        raise StorageUnfit(
            f"The key ring lies on {mount.kind}, which is not known to overwrite in place: a destroyed key could "
            "be recovered. Put its folder on ext4 or xfs."
        )
    if "data=journal" in mount.options:
        raise StorageUnfit(
            "The key ring lies on a file system mounted with data=journal: copies of its keys would stay in the "
            "journal. Mount it with data=ordered."
        )
