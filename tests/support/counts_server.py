"""A real Redis for tests, on a socket in a folder of its own, set up as docs/scaling.md says."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.support.waiting import until

SERVER: Final = shutil.which("redis-server") or shutil.which("valkey-server")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "scaling.md"
_SOCKET: Final = "/run/checkin/throttles.sock"


class CountsServer:
    """`dsn_file` stays the same over restarts; `client` is the test's own look into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "s"
        self.dsn_file = folder / "throttles.dsn"
        self.dsn_file.touch(mode=0o600)
        self.dsn_file.write_text(f"unix://{self._socket}\n")
        self.client = self._client()
        self.start()

    def start(self) -> None:
        """Empty, as each time: it keeps nothing."""
        _, _, after = _PAGE.read_text(encoding="utf-8").partition("```conf\n")
        config = self._folder / "conf"
        config.write_text(after.partition("```")[0].replace(_SOCKET, str(self._socket)) + f"dir {self._folder}\n")
        self.process = subprocess.Popen([str(SERVER), str(config)], stdout=subprocess.DEVNULL)
        until(self._answers)

    def kill(self) -> None:
        """By `kill -9`."""
        self.process.kill()
        self.process.wait()

    def stop_answering(self) -> None:
        """It still takes connections."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answers what waits."""
        self.process.send_signal(signal.SIGCONT)

    def kept(self) -> dict[str, tuple[str, int]]:
        """All that is in it: name → the value, and how many milliseconds it still lives."""
        names = list(self.client.scan_iter())
        return {name.decode(): (self.client.get(name).decode(), self.client.pttl(name)) for name in names}

    def close(self) -> None:
        """Ends it."""
        self.client.close()
        self.kill()

    def _client(self) -> Any:
        import redis  # noqa: PLC0415 - not every run has it

        return redis.from_url(self.dsn_file.read_text().strip())

    def _answers(self) -> bool:
        with suppress(Exception):  # the library's own; it is not there yet
            return bool(self.client.ping())
        return False
