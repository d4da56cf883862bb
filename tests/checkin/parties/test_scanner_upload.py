"""A queue leaves the command-line scanner: over a slow line in smaller batches, and whatever the lists are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkin.clock import SystemClock
from checkin.errors import ListRefused, NoteUntrusted, Unreachable
from checkin.parties.scanner import Scanner
from checkin.parties.scanner_trust import Trust


class Line:
    """A registry behind a line that carries `most` entries at once."""

    def __init__(self, most: int = 1000, undecided: set[str] | None = None) -> None:
        self.most = most
        self.undecided = undecided or set()
        self.sizes: list[int] = []

    def get(self, _: str, **__: str) -> dict[str, str]:
        return {}

    def post(self, _: str, body: dict[str, list[str]]) -> dict[str, Any]:
        self.sizes.append(len(body["sealed"]))
        if len(body["sealed"]) > self.most:
            raise Unreachable
        words = ("undecided" if entry in self.undecided else "accepted" for entry in body["sealed"])
        return {"results": [{"result": word} for word in words]}


class Refusing(Trust):
    """Lists that contradict, from the pinned registry or from somebody else."""

    ours = True

    def update(self, *_: Any) -> dict[int, str]:
        raise ListRefused

    def time_told(self, *_: Any) -> float:
        if not self.ours:
            raise NoteUntrusted
        return 0.0


def scanner(path: Path, queued: int, trust: Trust | None = None) -> Scanner:
    """Its queue is full of something."""
    queue = [str(number) for number in range(queued)]
    return Scanner(path / "scanner.json", "00" * 8, "11" * 8, "token", trust or Trust(), queue)


def test_a_batch_that_does_not_get_through_is_halved_and_grows_again_slowly(tmp_path: Path) -> None:
    """Also from one run of the command to the next."""
    line: Any = Line(300)
    held = scanner(tmp_path, 1500)
    for _ in range(3):
        with pytest.raises(Unreachable):
            held.upload(line)
        held = Scanner.load(held.path)
    held.upload(line)
    assert line.sizes == [1000, 500, 250, 300, 350, 175, 225, 275, 275]
    assert Scanner.load(held.path).queue == []


def test_a_queue_is_uploaded_also_when_lists_are_refused_but_to_no_other_registry(tmp_path: Path) -> None:
    """Visits must not be lost for somebody's bad list, nor to somebody who says `accepted` and throws them away."""
    line: Any = Line()
    trust = Refusing()
    held = scanner(tmp_path, 3, trust)
    trust.ours = False
    with pytest.raises(NoteUntrusted):
        held.tend(line, SystemClock())
    assert line.sizes == []
    trust.ours = True
    with pytest.raises(ListRefused):
        held.tend(line, SystemClock())
    assert (line.sizes, held.queue) == ([3], [])


def test_what_is_undecided_stays_in_the_queue_and_is_asked_once_a_call(tmp_path: Path) -> None:
    """Whatever the batches' sizes; what the registry decided about leaves, also from between."""
    line: Any = Line(undecided={"1", "2", "5"})
    held = scanner(tmp_path, 7)
    held.batch = 2
    assert [said["result"] for said in held.upload(line)].count("undecided") == 3
    assert Scanner.load(held.path).queue == ["1", "2", "5"]
    assert sum(line.sizes) == 7
    line.undecided = set()
    held.upload(line)
    assert (sum(line.sizes), Scanner.load(held.path).queue) == (10, [])
