"""A backup that one command makes of a running service is put back by another one, and the service names it."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from checkin.demo.stage import registered
from checkin.deployment.child import Child, end
from checkin.deployment.deployment import Deployment
from checkin.errors import (
    BackupInvalid,
    CheckinError,
    FolderInUse,
    FormatUnsupported,
    NotReady,
    SettingsInvalid,
    Unauthorized,
)
from checkin.files.database import copy_database
from checkin.files.durable import hold_shared
from checkin.http.client import Client
from checkin.keys.generation import Generation
from checkin.parties.wallet import Wallet
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey, sha256
from checkin.service import backup, identity
from checkin.service.addresses import free_ports
from checkin.service.backup import CONTENTS, back_up, put_back
from checkin.service.identity import IN_USE, MARK, RESTORING, ServiceIdentity
from checkin.service.settings import ServiceSettings
from retention.log import Log
from tests.services.test_commands import checkin
from tests.support.purging_service import House
from tests.support.service_folder import make_service
from tests.support.waiting import answers, until

PATIENCE = 300.0
AHN, KIM = "+821012345678", "+821023456789"


class Issuer:
    """The issuer of a deployment on this machine, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.deployment = Deployment.open_or_make(folder, free_ports(3))
        self.config = str(self.deployment.config("issuer"))
        self.url = self.deployment.url("issuer")
        self.folder = folder

    def start(self) -> Child:
        process = Child(["serve", "issuer", "--config", self.config], self.folder / "log")
        until(lambda: process.ended or answers(f"{self.url}/healthz"))
        assert not process.ended, process.last_words()
        return process

    def register(self, phone: str) -> Wallet:
        return registered(self.deployment, "Ahn", phone)

    def opens(self, wallet: Wallet) -> bool:
        try:
            with Client(self.url, wallet.token) as client:
                client.get("/v1/wallet")
        except Unauthorized:
            return False
        return True

    def finding(self, name: str) -> str:
        """What /readyz says of it, '' for nothing."""
        with Client(self.url) as client:
            found = client._exchange.send("GET", "/readyz").json()["findings"]
        return next((one["text"] for one in found if one["name"] == name), "")


def test_what_was_registered_before_the_backup_is_back_and_what_ended_is_not(tmp_path: Path) -> None:
    """Made while the service runs; not put back while it runs; killed, so that it could not count on at its end."""
    issuer = Issuer(tmp_path / "mine")
    restore = ("restore", "issuer.tar", "--config", issuer.config, "--yes")
    process = issuer.start()
    try:
        kept, deleted = issuer.register(AHN), issuer.register("+821034567890")
        made = checkin(tmp_path, "backup", "--config", issuer.config, "-o", "issuer.tar")
        assert made.returncode == 0, made.stderr
        again = checkin(tmp_path, "backup", "--config", issuer.config, "-o", "issuer.tar")
        assert (again.returncode, again.stderr.partition(": There")[0]) == (1, "checkin: invalid_request")
        later = issuer.register(KIM)
        with Client(issuer.url, deleted.token) as client:
            client.delete("/v1/wallet")
        for line in (restore, restore[:-1]):  # before anything is asked
            refused = checkin(tmp_path, *line)
            assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
            assert refused.stderr.startswith("checkin: folder_in_use: ")
        assert [issuer.opens(wallet) for wallet in (kept, deleted, later)] == [True, False, True]
    finally:
        process.kill()
    unasked = checkin(tmp_path, *restore[:-1])
    assert (unasked.returncode, "nothing was put back" in unasked.stderr) == (1, True)
    done = checkin(tmp_path, *restore)
    assert done.returncode == 0, done.stderr
    process = issuer.start()
    try:
        assert [issuer.opens(wallet) for wallet in (kept, deleted, later)] == [True, False, False]
        assert "put back" in issuer.finding("restored")
        confirmed = checkin(tmp_path, "purge", "run", "--config", issuer.config, "--confirm-restored")
        assert confirmed.returncode == 0, confirmed.stderr
        assert issuer.finding("restored") == ""
    finally:
        end([process])


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A registry's folder with a day of twelve visits."""
    make_service(tmp_path / "registry")
    house = House(tmp_path / "registry")
    house.purger.make_keys()
    house.open_day()
    return house


def archive_of(house: House) -> Path:
    """A backup of its data."""
    archive = house.party.data.parent / "registry.tar"
    back_up(house.party.settings, archive)
    return archive


def closed(house: House) -> ServiceSettings:
    """The settings, once nothing holds the folders any more."""
    settings = house.party.settings
    house.store.close()
    for name in list(vars(house)):
        delattr(house, name)
    gc.collect()
    return settings


def members(archive: Path) -> dict[str, bytes]:
    """Its files in their order."""
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def write(archive: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> None:
    """Another archive in its place; the last file is of this kind."""
    with tarfile.open(archive, "w") as tar:
        for number, (name, content) in enumerate(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if number == len(files) - 1 and kind != tarfile.REGTYPE:
                member.type, member.size, member.linkname = kind, 0, "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))


def test_a_backup_holds_what_the_data_map_knows_and_no_key_lock_or_message(house: House) -> None:
    """Also the rows that lie only in a write-ahead log; every file is its owner's alone and has no time."""
    data = house.party.data
    (data / "outbox").mkdir()
    (data / "outbox" / "x.txt").write_text("+821012345678\n\n123456")
    (data / "a.lock").touch()
    archive = archive_of(house)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    files = members(archive)
    contents = json.loads(files.pop(CONTENTS))
    assert contents["service"] == "registry.example" and contents["day"] == "2026-11-20"
    assert contents["files"] == {name: sha256(content).hex() for name, content in files.items()}
    assert {MARK, "format", "generation.json", "visits/day-20777.db"} <= files.keys()
    assert not [name for name in files if name.endswith((".lock", ".new", "-wal", "-shm")) or "outbox" in name]
    assert sorted(path.name for path in archive.parent.iterdir()) == [
        "clock", "data", "keys", "master.key", "registry.tar", "settings.toml", "statement.key",
    ]  # fmt: skip
    copy = archive.with_name("copy.db")
    copy.write_bytes(files["visits/day-20777.db"])
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (12,)


def test_what_is_put_back_is_the_data_of_before_and_nothing_else(house: House) -> None:
    """And it is named, although the numbers of the two folders are the same."""
    archive = archive_of(house)
    files = members(archive)
    settings = closed(house)
    (settings.data / "visits" / "day-20778.db").write_bytes(b"later")
    (settings.data / "later").mkdir()
    put_back(settings, archive)
    found = {str(path.relative_to(settings.data)): path for path in settings.data.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        name: content for name, content in files.items() if name != CONTENTS
    }
    assert Generation(settings.data, settings.keys).restored == "2026-11-20"


def test_a_folder_whose_service_runs_is_not_replaced(house: House) -> None:
    archive = archive_of(house)
    held = hold_shared(house.party.settings.keys / IN_USE)
    settings = closed(house)
    try:
        with pytest.raises(FolderInUse):
            put_back(settings, archive)
    finally:
        os.close(held)
    put_back(settings, archive)


def altered(files: dict[str, bytes], name: str, content: bytes, *, listed: bool = True) -> dict[str, bytes]:
    """One file is another one, and the list at the end says so if it is `listed`."""
    contents = json.loads(files[CONTENTS])
    rest = {key: value for key, value in files.items() if key != CONTENTS} | {name: content}
    if listed:
        contents["files"] = {key: sha256(value).hex() for key, value in rest.items()}
    return {**rest, CONTENTS: json.dumps(contents).encode()}


SLOT = b"\0" * 512


@pytest.mark.parametrize(
    ("error", "forged"),
    [
        (BackupInvalid, lambda files: altered(files, "keys/day-20777.slot", SLOT)),
        (BackupInvalid, lambda files: altered(files, "master.key", SLOT)),
        (BackupInvalid, lambda files: altered(files, "../escaped", b"x")),
        (BackupInvalid, lambda files: altered(files, "/escaped", b"x")),
        (BackupInvalid, lambda files: altered(files, "visits/../../escaped", b"x")),
        (BackupInvalid, lambda files: altered(files, "generation.json", b"{}", listed=False)),
        (BackupInvalid, lambda files: altered(files, "more", b"", listed=False)),
        (BackupInvalid, lambda files: {key: value for key, value in files.items() if key != CONTENTS}),
        (BackupInvalid, lambda files: {key: value for key, value in files.items() if key != MARK}),
        (BackupInvalid, lambda files: {**files, CONTENTS: files[CONTENTS].replace(b"registry.", b"other.")}),
        (BackupInvalid, lambda files: {**files, CONTENTS: files[CONTENTS].replace(b'"format":1', b'"format":2')}),
        (BackupInvalid, lambda files: {**files, CONTENTS: b"[]"}),
        (BackupInvalid, lambda _: {}),
        (FormatUnsupported, lambda files: altered(files, "format", b"key ring 1\nwritten by checkin 0.1.0\n")),
        (FormatUnsupported, lambda files: altered(files, "format", b"data folder 7\nwritten by checkin 9\n")),
    ],
)
def test_an_archive_that_is_no_backup_of_this_service_leaves_all_as_it_is(
    house: House, error: type[CheckinError], forged: Callable[[dict[str, bytes]], dict[str, bytes]]
) -> None:
    """With a key ring in it, with names that lead out, altered, cut short, another service's, another version's."""
    archive = archive_of(house)
    write(archive, forged(members(archive)))
    settings = closed(house)
    before = {path: path.read_bytes() for path in settings.data.parent.rglob("*") if path.is_file()}
    with pytest.raises(error):
        put_back(settings, archive)
    assert {path: path.read_bytes() for path in settings.data.parent.rglob("*") if path.is_file()} == before
    assert not (settings.data / RESTORING).exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_an_archive_holds_files_alone(house: House, kind: bytes) -> None:
    archive = archive_of(house)
    files = members(archive)
    write(archive, {**files, "link": b""}, kind)
    with pytest.raises(BackupInvalid):
        put_back(house.party.settings, archive)


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_an_archive_that_was_cut_short_is_refused(house: House, size: int) -> None:
    archive = archive_of(house)
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(BackupInvalid):
        put_back(house.party.settings, archive)


def test_a_restore_that_was_stopped_on_the_way_starts_no_service_and_is_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut when the old files are gone."""
    archive = archive_of(house)
    settings = closed(house)

    def stopped(_: Generation) -> None:
        os._exit(9)

    child = os.fork()
    if not child:
        monkeypatch.setattr(Generation, "put_back", stopped)
        put_back(settings, archive)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with pytest.raises(NotReady, match="checkin restore again"):
        ServiceIdentity(settings, settings.data.parent / "clock")
    put_back(settings, archive)
    ServiceIdentity(settings, settings.data.parent / "clock")


def test_a_restore_that_failed_on_the_way_starts_no_service_until_one_succeeds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails when the old files are gone; then somebody takes an archive that was altered."""
    archive = archive_of(house)
    good = members(archive)
    settings = closed(house)

    def broken(_: Generation) -> None:
        raise OSError(5, "Input/output error")

    def starts() -> None:
        ServiceIdentity(settings, settings.data.parent / "clock")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input"):
        patch.setattr(Generation, "put_back", broken)
        put_back(settings, archive)
    with pytest.raises(NotReady, match="checkin restore again"):
        starts()
    write(archive, altered(good, "format", b"", listed=False))
    with pytest.raises(BackupInvalid):
        put_back(settings, archive)
    with pytest.raises(NotReady, match="checkin restore again"):
        starts()
    write(archive, good)
    put_back(settings, archive)
    starts()


def test_keys_that_lie_in_the_data_folder_are_not_backed_up(house: House) -> None:
    (house.party.data / "master.key").write_bytes(SLOT)
    with pytest.raises(SettingsInvalid):
        archive_of(house)
    inside = house.party.settings.model_copy(update={"keys": house.party.data / "keys"})
    (house.party.data / "master.key").unlink()
    with pytest.raises(SettingsInvalid):
        back_up(inside, house.party.data.parent / "registry.tar")


def test_a_log_that_is_put_back_is_whole_although_it_grew_while_it_was_copied(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each database is copied an entry comes in: the log's own is the newest of what is in the archive."""
    signer = NoteSigner("registry.example/log", SigningKey(b"\1" * 32))
    logs = [Log(house.party.data / "log", signer)]
    logs[0].append([b"entry %d" % number for number in range(300)])

    def copy(source: Path, target: Path) -> None:
        logs[0].append([f"while {source.name}".encode()])
        copy_database(source, target)

    monkeypatch.setattr(backup, "copy_database", copy)
    archive = archive_of(house)
    logs.clear()
    settings = closed(house)
    put_back(settings, archive)
    again = Log(settings.data / "log", signer)
    assert again.append([b"entry 299"]) == [299]
    assert again.append([b"another"])[0] > 300


def test_a_lock_of_another_user_is_told_and_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nothing would keep a restored folder, or another master key, from a service that runs."""
    make_service(tmp_path / "registry")

    def foreign(path: Path) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(identity, "hold_shared", foreign)
    with pytest.raises(SettingsInvalid, match="chown"):
        House(tmp_path / "registry")
