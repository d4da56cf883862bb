"""What the inner loop leaves out is what its words say."""

from __future__ import annotations

import re

from tests.groups import GROUPS, ROOT, groups_of

STARTS = re.compile(r"\b(Popen|Child|Processes|visiting|serving|processes)\(|\"-m\", \"checkin\"")


def test_every_group_names_what_is_there() -> None:
    """A folder that moved takes its marks along, or this fails."""
    assert [place for places in GROUPS.values() for place in places if not (ROOT / place).exists()] == []


def test_what_starts_processes_or_servers_is_marked() -> None:
    """By looking into the files: nobody has to remember it."""
    files = [path for path in ROOT.rglob("test_*.py") if STARTS.search(path.read_text(encoding="utf-8"))]
    assert len(files) > 20
    assert [str(path.relative_to(ROOT)) for path in files if "process" not in groups_of(path)] == []
