"""A party's files are its owner's alone, whatever the umask, and no planted link leads a write elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

from checkin.errors import SettingsInvalid
from checkin.files.database import StateFile
from checkin.files.durable import close_folder, create_file, locked, make_private, replace_file
from checkin.files.json_file import read_private, write_private
from checkin.keys.officer_folder import load_share
from checkin.keys.secret_file import make_secret, read_secret, read_token
from tests.conftest import Needs


@pytest.fixture(autouse=True)
def lax() -> Iterator[None]:
    """The umask that most machines have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _one_table(tables: sqlite_utils.Database) -> None:
    tables.table("t").create({"a": int}, if_not_exists=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_planted_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    """Control: the file that the links lead to is writable, and a plain write goes there."""
    victim = tmp_path / "victim"
    victim.write_text("before")
    for name in ("wallet.json", "wallet.json.new", "key", "note", "lock", "db"):
        (tmp_path / name).symlink_to(victim)
    write_private(tmp_path / "wallet.json", {"token": "secret"})
    replace_file(tmp_path / "note", b"secret")
    with pytest.raises(FileExistsError):
        make_secret(tmp_path / "key")
    with pytest.raises(OSError, match="symbolic link"), locked(tmp_path / "lock"):
        pass
    assert not create_file(tmp_path / "key", b"secret")
    assert victim.read_text() == "before"
    assert read_private(tmp_path / "wallet.json") == {"token": "secret"}
    (tmp_path / "db").write_text("after")
    assert victim.read_text() == "after"


def test_every_way_to_make_a_file_makes_it_for_its_owner_alone(tmp_path: Path) -> None:
    make_secret(tmp_path / "key")
    write_private(tmp_path / "wallet.json", {})
    create_file(tmp_path / "created", b"")
    make_private(tmp_path / "made")
    state = StateFile(tmp_path / "state" / "state.db", _one_table)
    with locked(tmp_path / "lock"):
        assert {mode(path) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}
    assert mode(tmp_path / "state") == 0o700
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    state.close()


def test_a_folder_that_stood_open_is_closed_and_links_in_it_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "old.db").write_text("")
    (folder / "link").symlink_to(outside)
    (folder / "inner" / "signing.key").write_text("a secret that somebody may have read stays as it is, to be refused")
    assert close_folder(folder) == 2
    assert mode(folder / "inner" / "signing.key") == 0o644
    assert [mode(path) for path in (folder, folder / "inner", folder / "inner" / "old.db")] == [0o700, 0o700, 0o600]
    assert mode(outside) == 0o644
    assert close_folder(folder) == 0


def test_nothing_in_another_users_folder_is_touched(tmp_path: Path, needs: Needs) -> None:
    """He could put a link in its place, and root would close what it leads to. Control: the same in ours."""
    needs("a folder of another user (root)", os.geteuid() == 0, "run as root")
    for name in ("his", "ours"):
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name / "file").write_text("")
    os.chown(tmp_path / "his", 65534, 65534)
    close_folder(tmp_path)
    assert [mode(tmp_path / name) for name in ("his", "his/file", "ours", "ours/file")] == [0o700, 0o644, 0o700, 0o600]


def test_a_secret_that_others_can_read_is_refused_with_what_to_run(tmp_path: Path) -> None:
    """Control: the same file is taken once that was run."""
    token, share, key = tmp_path / "a.token", tmp_path / "share.txt", tmp_path / "key"
    token.write_text("abc\n")
    share.write_text("words\n")
    make_secret(key)
    for path in (token, share, key):
        path.chmod(0o640)
    for path, read in ((token, read_token), (share, lambda path: load_share(path.parent)), (key, read_secret)):
        with pytest.raises(SettingsInvalid, match=f"run chmod 600 {path}"):
            read(path)
        path.chmod(0o600)
        assert read(path)


def test_a_token_file_holds_one_token(tmp_path: Path) -> None:
    path = tmp_path / "a.token"
    for content in (b"", b"two words\n", b"two\nlines\n", b"\xff"):
        replace_file(path, content)
        with pytest.raises(SettingsInvalid):
            read_token(path)


def test_a_wallet_that_others_could_read_is_closed_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    path.write_text("{}")
    assert read_private(path) == {}
    assert mode(path) == 0o600
