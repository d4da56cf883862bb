"""`checkin` as a command in a process of its own, forked from one that has imported.

So a test waits for what a command does, not for Python to read its libraries. `tests/services/test_endings.py` and the
story's tests start it as a shell does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from checkin.cli import main
from checkin.deployment.child import fork_server

PATIENCE: Final = 300.0
UMASK: Final = 0o022  # of most machines


def command(
    *words: object, folder: Path | None = None, stdin: str | bytes = "", patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """What `checkin` with these words says and ends with, called in `folder`."""
    line = [str(word) for word in words]
    done = command_in_bytes(line, folder, stdin.encode() if isinstance(stdin, str) else stdin, patience)
    return subprocess.CompletedProcess(line, done.returncode, done.stdout.decode(), done.stderr.decode())


def command_in_bytes(
    line: Sequence[str], folder: Path | None = None, stdin: bytes = b"", patience: float = PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    """The same, with what it printed as it stands."""
    with ExitStack() as stack:
        streams = [stack.enter_context(tempfile.NamedTemporaryFile()) for _ in range(3)]
        streams[0].write(stdin)
        streams[0].flush()
        names = [stream.name for stream in streams]
        process = fork_server().Process(target=_run, args=(tuple(line), os.fspath(folder or Path.cwd()), names))
        process.start()
        process.join(patience)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(line, patience)
        output, errors = (stream.read() for stream in streams[1:])
        return subprocess.CompletedProcess(line, process.exitcode, output, errors)


def _run(line: Sequence[str], folder: str, names: Sequence[str]) -> Any:
    os.chdir(folder)
    os.umask(UMASK)
    for number, name in enumerate(names):
        os.dup2(os.open(name, os.O_RDWR), number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["checkin", *line]
    main()
