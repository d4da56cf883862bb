"""One archive of a service's data folder, made while it runs, and putting it back (docs/operating.md, Backups).

The archive is a tar file: the files of `data` under their names, and at the end `backup.json`, which names the service,
the day and every file with its SHA-256; one that was cut short has none. Locks, drafts and write-ahead logs stay
out, and so do the messages in `outbox`, with their phones. No key ever goes in.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal

from pydantic import ValidationError

from checkin.errors import BackupInvalid, CheckinError, NotReady, RequestInvalid, SettingsInvalid
from checkin.files.database import DATABASES, copy_database, opening
from checkin.files.durable import held_alone, make_private, new_file, private_folder, sync_folder
from checkin.files.format import require_format
from checkin.keys.generation import Generation
from checkin.protocol.primitives import sha256_of
from checkin.service.identity import IN_USE, MARK, RESTORING
from checkin.service.settings import ServiceSettings, Strict

CONTENTS: Final = "backup.json"
_LEFT_OUT: Final = re.compile(r"outbox/.*|log/drafts/.*|\.restoring/.*|.*\.(new|lock)|.*-(wal|shm|journal)")
_KEYS: Final = (".key", ".token", ".slot")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,7}")
_MOST_FILES: Final = 1_000_000
_LONGEST: Final = 256 << 20  # of `backup.json`: a million names with their hashes
_CHUNK: Final = 1 << 20


class BackupContents(Strict):
    """`backup.json`: which service's data of which day, and the SHA-256 of every file, in hex."""

    format: Literal[1] = 1
    service: str
    day: str
    files: dict[str, str]


def back_up(settings: ServiceSettings, archive: Path) -> BackupContents:
    """Writes the archive, which must not be there yet. Raises `SettingsInvalid` where keys lie in the data folder,
    `NotReady` for a service that was never started, `DatabaseUnusable`."""
    data = settings.data
    _refuse_keys(settings)
    if not (data / MARK).is_file():
        raise NotReady(f"There is no service's data in {data}: start the service once, or mount its volume.")
    if archive.exists():
        raise RequestInvalid(f"There is a file {archive}: name another one.")
    draft, copy = archive.with_name(f".{archive.name}.new"), archive.with_name(f".{archive.name}.db.new")
    with ExitStack() as stack:
        for path in (draft, copy):
            path.unlink(missing_ok=True)
            stack.callback(path.unlink, missing_ok=True)
        day = Generation(data, settings.keys).day  # before anything is read: so nothing is older than this
        with new_file(draft) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            hashes = dict(_add_all(tar, data, copy))
            contents = BackupContents(service=settings.name, day=day, files=hashes)
            _add(tar, CONTENTS, io.BytesIO(contents.model_dump_json().encode()))
        draft.rename(archive)
    sync_folder(archive.absolute().parent)
    return contents


def read_contents(settings: ServiceSettings, archive: Path) -> BackupContents:
    """What an archive has, if it may be put back here; raises `BackupInvalid`. Only names and sizes are looked at."""
    with _reading(archive) as tar:
        contents = None
        names: set[str] = set()
        for member in tar:
            if contents is not None or not member.isfile() or member.issparse() or len(names) == _MOST_FILES:
                raise BackupInvalid(f"{archive} holds something else than the files of a backup.")
            if member.name == CONTENTS:
                contents = _parsed(archive, tar, member)
                continue
            if not _NAME.fullmatch(member.name) or member.name in names:
                raise BackupInvalid(f"{archive} holds a file that no service makes.")
            if member.name.endswith(_KEYS):
                raise BackupInvalid(f"{archive} holds keys, which are never backed up nor put back.")
            names.add(member.name)
    if contents is None or contents.files.keys() != names or MARK not in names:
        raise BackupInvalid(f"{archive} is not whole: take another backup.")
    if contents.service != settings.name:
        raise BackupInvalid(f"{archive} is a backup of another service, not of {settings.name}.")
    return contents


def put_back(settings: ServiceSettings, archive: Path) -> BackupContents:
    """Replaces the whole of `data` by what the archive has; until that is seen to be whole, nothing is removed. When it
    fails after that, the service does not start, and putting back begins anew. Afterwards `/readyz` names the day until
    a person confirms it. Raises `FolderInUse` while the service runs, `BackupInvalid`."""
    contents = read_contents(settings, archive)
    data = settings.data
    private_folder(data)
    staged = data / RESTORING
    with ExitStack() as stack:
        stack.enter_context(stopped(settings))
        private_folder(staged)
        _clear(staged)
        stack.callback(_end_staging, data, staged)
        with _reading(archive) as tar:
            for member in tar:
                if member.name != CONTENTS and _extract(tar, member, staged) != contents.files.get(member.name):
                    raise BackupInvalid(f"{archive} was altered or damaged: take another backup.")
        require_format(staged, "data folder")
        _replace(data, staged)
        if settings.keys.is_dir():
            Generation(data, settings.keys).put_back()
        (staged / MARK).rename(data / MARK)
        sync_folder(data)
    return contents


def stopped(settings: ServiceSettings) -> AbstractContextManager[None]:
    """The service does not run, nor starts, inside. Raises `FolderInUse`."""
    return held_alone(settings.keys / IN_USE) if settings.keys.is_dir() else nullcontext()


def _end_staging(data: Path, staged: Path) -> None:
    """Removes what is staged, unless the mark is missing: then it is the sign that the data is not whole."""
    if (data / MARK).exists():
        shutil.rmtree(staged, ignore_errors=True)


def _clear(folder: Path, but: Path | None = None) -> None:
    for old in folder.iterdir():
        if old == but:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()


def _replace(data: Path, staged: Path) -> None:
    """Everything but the mark, without which no service starts here."""
    (data / MARK).unlink(missing_ok=True)
    sync_folder(data)
    _clear(data, but=staged)
    for new in staged.iterdir():
        if new.name != MARK:
            new.rename(data / new.name)
    sync_folder(data)


def _refuse_keys(settings: ServiceSettings) -> None:
    secret = settings.ring.key if settings.ring else settings.master_key or settings.keys
    own = (settings.keys, secret, settings.statement_key)
    if any(path.is_relative_to(settings.data) for path in own) or any(_found(settings.data, _KEYS)):
        raise SettingsInvalid(f"There are keys in {settings.data}, and keys are never backed up: move them elsewhere.")


def _found(data: Path, endings: tuple[str, ...] = ("",)) -> Iterator[str]:
    for where, _, files in os.walk(data):
        below = PurePosixPath(Path(where).relative_to(data))
        yield from (str(below / name) for name in files if name.endswith(endings))


def _add_all(tar: tarfile.TarFile, data: Path, copy: Path) -> Iterator[tuple[str, str]]:
    """Files first, then databases, those in folders last: a log's database is never older than its checkpoint, nor than
    what another database says of it. A file that is destroyed meanwhile is left out."""
    names = [name for name in _found(data) if not _LEFT_OUT.fullmatch(name)]
    for name in sorted(names, key=lambda name: (name.endswith(DATABASES), name.count("/"), name)):
        source = data / name
        try:
            if name.endswith(DATABASES):
                copy.unlink(missing_ok=True)
                make_private(copy)
                with opening(source):
                    copy_database(source, copy)
                source = copy
            with source.open("rb") as file:
                yield name, _add(tar, name, file)
        except (OSError, CheckinError):
            if (data / name).exists():
                raise


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> str:
    """Adds a file as its owner's alone, without a time; its SHA-256."""
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o600, file.seek(0, os.SEEK_END)
    file.seek(0)
    digest = sha256_of(iter(lambda: file.read(_CHUNK), b"")).hex()
    file.seek(0)
    tar.addfile(member, file)
    return digest


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """Writes a file below the folder, on the disk; its SHA-256."""
    target = folder / member.name
    private_folder(target.parent)
    source = tar.extractfile(member)
    if source is None:
        raise BackupInvalid("The archive holds something else than files.")

    def written(file: IO[bytes]) -> Iterator[bytes]:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            yield chunk

    with new_file(target) as file:
        digest = sha256_of(written(file)).hex()
    sync_folder(target.parent)
    return digest


@contextmanager
def _reading(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, mode="r:") as tar:
            yield tar
    except tarfile.TarError:
        raise BackupInvalid(f"{archive} is no archive, or is not whole.") from None


def _parsed(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> BackupContents:
    file = tar.extractfile(member) if member.size <= _LONGEST else None
    try:
        return BackupContents.model_validate_json(file.read() if file else b"")
    except ValidationError:
        raise BackupInvalid(f"{archive} does not say what it has, or is of another version.") from None
