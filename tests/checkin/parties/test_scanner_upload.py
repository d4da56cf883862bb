"""A queue leaves the command-line scanner: over a slow line in smaller batches, and whatever the lists are like."""

from __future__ import annotations

from typing import Any

import pytest

from checkin.clock import SystemClock
from checkin.errors import ListRefused, NoteUntrusted, Unreachable
from checkin.http.asking import Ask
from checkin.parties.scanner import Scanner
from checkin.parties.scanner_trust import Trust
from tests.support.answered import Answers


class Line:
    """A registry behind a line that carries `most` entries at once."""

    def __init__(self, most: int = 1000, undecided: set[str] | None = None) -> None:
        self.most = most
        self.undecided = undecided or set()
        self.sizes: list[int] = []

    def __call__(self, ask: Ask) -> dict[str, Any]:
        if ask.body is None:
            return {}
        sealed = ask.body["sealed"]
        self.sizes.append(len(sealed))
        if len(sealed) > self.most:
            raise Unreachable
        words = ("undecided" if entry in self.undecided else "accepted" for entry in sealed)
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


def scanner(queued: int, trust: Trust | None = None) -> Scanner:
    """Its queue is full of something."""
    queue = [str(number) for number in range(queued)]
    return Scanner("00" * 8, "11" * 8, "token", trust or Trust(), queue)


def test_a_batch_that_does_not_get_through_is_halved_and_grows_again_slowly() -> None:
    """Also from one run of the command to the next; and what was answered is out of the file before more is sent."""
    line, held = Line(300), scanner(1500)
    answers = Answers(line)
    for _ in range(3):
        with pytest.raises(Unreachable):
            answers.to(held.upload())
        held = Scanner.of(answers.kept[-1])
    answers.to(held.upload())
    assert line.sizes == [1000, 500, 250, 300, 350, 175, 225, 275, 275]
    assert [len(kept["queue"]) for kept in answers.kept] == [1500, 1500, 1250, 950, 950, 775, 550, 275, 0]


def test_a_queue_is_uploaded_also_when_lists_are_refused_but_to_no_other_registry() -> None:
    """Visits must not be lost for somebody's bad list, nor to somebody who says `accepted` and throws them away."""
    line, trust = Line(), Refusing()
    held, answers = scanner(3, trust), Answers(line)
    trust.ours = False
    with pytest.raises(NoteUntrusted):
        answers.to(held.tend(SystemClock()))
    assert line.sizes == []
    trust.ours = True
    with pytest.raises(ListRefused):
        answers.to(held.tend(SystemClock()))
    assert (line.sizes, held.queue) == ([3], [])


def test_what_is_undecided_stays_in_the_queue_and_is_asked_once_a_call() -> None:
    """Whatever the batches' sizes; what the registry decided about leaves, also from between."""
    line, held = Line(undecided={"1", "2", "5"}), scanner(7)
    answers, held.batch = Answers(line), 2
    assert [said["result"] for said in answers.to(held.upload())].count("undecided") == 3
    assert answers.kept[-1]["queue"] == ["1", "2", "5"]
    assert sum(line.sizes) == 7
    line.undecided = set()
    answers.to(held.upload())
    assert (sum(line.sizes), answers.kept[-1]["queue"]) == (10, [])
