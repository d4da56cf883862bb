"""Frames of a bad camera before the scanner page: what it reads, and how fast it says so."""

from __future__ import annotations

from tests.browser.conftest import Launch
from tests.browser.judging import judge, tokens
from tests.browser.pages import Camera, ScannerPage
from tests.support.deployment_in_processes import Site
from tests.support.frames import frames

COUNT = 24
MOST = 0.75  # of these frames; docs/benchmarks.md has the counts of 120


def test_most_bad_frames_are_read_and_none_is_read_wrongly(site: Site, launch: Launch, camera: Camera) -> None:
    """Turned, blurred, dim and noisy; each code that is read is genuine, and nothing else is ever answered."""
    texts, now = tokens(site, COUNT)
    scanner = ScannerPage(site, launch(), camera)
    scanner.enrol(site.venue().device("front"))
    for size in ((1280, 720), (640, 480)):
        results = judge(scanner.page, [picture for _, picture in frames(texts, COUNT, size, seed=size[0])], now)
        outcomes = [result.outcome for result in results]
        # The second size shows codes again that the first has let in.
        assert set(outcomes) <= {"queued", "already_used", None}
        assert sum(outcome is not None for outcome in outcomes) >= MOST * COUNT, size
