"""A real nginx in front of services, with all that it writes in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.waiting import until

NGINX: Final = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
_PLACES: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx(folder: Path, http: str, ready: Callable[[], bool]) -> Iterator[None]:
    """Runs until the block ends; `http` is what stands in that block of its settings, `ready` whether it answers."""
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _PLACES)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(f"{user}daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{places}{http}\n}}\n")
    command = [str(NGINX), "-c", str(config), "-e", str(folder / "start")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: process.poll() is not None or ready())
            assert process.poll() is None, (folder / "start").read_text()
            yield
        finally:
            process.terminate()
