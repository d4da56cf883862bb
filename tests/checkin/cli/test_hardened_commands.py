"""A command holds keys as a service does: no dump of its memory is left anywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from checkin import cli
harden = cli.harden
cli.harden = lambda: [*harden(), "Keys may be written to a swap that this test made up."]
cli.app = lambda: print(resource.getrlimit(resource.RLIMIT_CORE))
cli.main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line with a command that tells how large a dump of it may be."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("command", "warns"),
    [("purge", True), ("authority", True), ("key", True), ("witness", True), ("qr", False), ("serve", False)],
)
def test_a_crash_of_a_command_leaves_no_copy_of_its_keys(command: str, warns: bool) -> None:
    """Core dumps are off before it reads anything. Who runs one that holds others' keys is told what could not be had;
    a service tells that in its log."""
    done = run(command, "run")
    assert done.stdout == "(0, 0)\n"
    assert ("a swap that this test made up" in done.stderr) == warns
