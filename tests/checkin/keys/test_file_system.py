"""A key ring refuses a place from which destroyed keys could be recovered."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import StorageUnfit
from checkin.keys.file_system import Mount, check_storage, find_mount, parse_mounts

LINE = "27 1 254:0 / {point} rw,relatime shared:1 - {kind} /dev/vda rw{options}\n"


def mountinfo(folder: Path, kind: str, options: str = "", point: str = "/") -> Path:
    file = folder / "mountinfo"
    file.write_text(LINE.format(point=point, kind=kind, options=options))
    return file


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4", "xfs", "tmpfs"])
def test_file_systems_that_overwrite_in_place_are_accepted(tmp_path: Path, kind: str) -> None:
    check_storage(tmp_path, mountinfo(tmp_path, kind, ",data=ordered"))


@pytest.mark.parametrize("kind", ["btrfs", "zfs", "overlay", "nfs4", "f2fs", "fuse.sshfs", "bcachefs", "9p"])
def test_every_other_file_system_is_refused_and_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StorageUnfit, match=kind):
        check_storage(tmp_path, mountinfo(tmp_path, kind))


def test_a_journal_of_file_data_is_refused_because_it_keeps_copies(tmp_path: Path) -> None:
    with pytest.raises(StorageUnfit, match="data=journal"):
        check_storage(tmp_path, mountinfo(tmp_path, "ext4", ",data=journal"))


def test_a_machine_that_does_not_say_what_is_mounted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageUnfit, match="cannot be read"):
        check_storage(tmp_path, tmp_path / "absent")
    with pytest.raises(StorageUnfit, match="cannot be read"):
        check_storage(tmp_path, mountinfo(tmp_path, "ext4", point="/elsewhere"))


def test_the_deepest_mount_counts_and_of_two_at_one_place_the_last() -> None:
    """A mount over a mount hides the first; a folder whose name merely starts alike is another folder."""
    places = [("/", "ext4"), ("/srv/keys", "xfs"), ("/srv/keys", "btrfs"), ("/srv", "zfs"), ("/k", "tmpfs")]
    mounts = parse_mounts("".join(LINE.format(point=point, kind=kind, options="") for point, kind in places))
    for path, kind in {"/srv/keys/a/b": "btrfs", "/srv/keysafe": "zfs", "/k": "tmpfs", "/kk": "ext4"}.items():
        mount = find_mount(Path(path), mounts)
        assert mount is not None and mount.kind == kind


def test_escaped_names_are_read_and_broken_lines_are_passed_over() -> None:
    mounts = parse_mounts(r"1 2 3:4 / /my\040keys\134 ro - ext4 /dev/sdb rw,data=journal" + "\nnonsense\n1 2 - x\n")
    assert mounts == [Mount(Path("/my keys\\"), "ext4", frozenset({"ro", "rw", "data=journal"}))]


def test_a_folder_behind_a_symbolic_link_is_judged_by_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    file = tmp_path / "mountinfo"
    real = LINE.format(point=tmp_path / "real", kind="btrfs", options="")
    file.write_text(LINE.format(point="/", kind="ext4", options="") + real)
    check_storage(tmp_path / "other", file)
    with pytest.raises(StorageUnfit):
        check_storage(tmp_path / "link" / "keys", file)
