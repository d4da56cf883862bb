"""The health authority's commands in docs/operating.md, in their order, beside a running `checkin up`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkin.deployment.deployment import Deployment
from checkin.deployment.processes import Processes
from checkin.errors import StorageUnfit
from checkin.keys.file_system import check_storage
from checkin.service.addresses import free_ports

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
NEEDS_STORAGE = re.compile(r"(checkin authority (?:keys (?:make|list|destroy|status|publish)|order|trace))\b")


def commands() -> list[str]:
    """The lines of the section's shell blocks."""
    section = PAGE.read_text(encoding="utf-8").partition("## The health authority\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Path]:
    """The folder in which somebody types, beside services as `checkin up` runs them."""
    issuer, venue, retention = free_ports(3)
    deployment = Deployment.open_or_make(tmp_path / "my-checkin", (issuer, venue, retention))
    with Processes(deployment):
        yield tmp_path


def test_the_commands_of_the_page_work_one_after_the_other(beside: Path) -> None:
    """Each is answered with yes where it asks, and succeeds; on storage that is not fit, with the option for that."""
    lines = commands()
    assert len(lines) >= 12
    try:
        check_storage(beside)
        option = ""
    except StorageUnfit:
        option = " --allow-unfit-storage"
    path = f"PATH={Path(sys.executable).parent}:$PATH; "
    for line in lines:
        typed = path + NEEDS_STORAGE.sub(rf"\1{option}", line)
        done = subprocess.run(
            ["/bin/bash", "-c", typed],
            cwd=beside,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if " sign " in line and "destroyed" not in line:
            assert "Sign " in done.stderr and ("as " in done.stderr or "order" in done.stderr)
    assert {file.name for file in (beside / "result").iterdir()} == {"trace.csv", "trace.json", "trace.html"}
