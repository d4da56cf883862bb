"""Many entries, many batches, at once: each code is accepted once, and who is too many is told to come back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.visit import CONFLICT
from tests.support.registry_service import Enrolled, sealed, upload
from tests.support.service_folder import NOON, bearer
from tests.venue.conftest import Scene
from tests.venue.test_scan_batches import entry, flags


def test_a_thousand_at_once_are_taken_and_a_thousand_and_one_refused(scene: Scene) -> None:
    one = entry(scene, scene.phone())
    batch = [one] * 999 + [entry(scene, scene.phone())]
    assert Counter(upload(scene.client, scene.at, batch)) == {"accepted": 2, "repeated": 998}
    for wrong in ([one] * 1001, []):
        answer = scene.client.post("/v1/check-ins/batch", json={"sealed": wrong}, headers=bearer(scene.at.scanner))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def one_entry(scene: Scene, at: Enrolled) -> list[str]:
    """A batch of one new code."""
    return [sealed(at, scene.intake, scene.phone().bytes_at(NOON), NOON)]


def post(scene: Scene, at: Enrolled, batch: list[str]) -> httpx.Response:
    return scene.client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(at.scanner))


def begin(scene: Scene, at: Enrolled, batch: list[str], answers: list[list[str]]) -> threading.Thread:
    """An upload in a thread of its own."""
    thread = threading.Thread(target=lambda: answers.append(upload(scene.client, at, batch)))
    thread.start()
    return thread


@contextmanager
def held_inserts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Semaphore, threading.Event]]:
    """Every batch stops before the disk and says so, until it may go on."""
    held, go, inner = threading.Semaphore(0), threading.Event(), SqliteStore.insert

    def insert(store: SqliteStore, day: int, rows: list[object]) -> list[bool]:
        held.release()
        assert go.wait(120)
        return inner(store, day, rows)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "insert", insert)
        try:
            yield held, go
        finally:
            go.set()


def test_the_same_codes_in_many_batches_at_once_are_accepted_once(scene: Scene) -> None:
    phones = [scene.phone() for _ in range(20)]
    results: list[str] = []

    def run(at: Enrolled) -> None:
        batch = [sealed(at, scene.intake, phone.bytes_at(NOON), NOON) for phone in phones]
        while (answer := post(scene, at, batch)).status_code == 503:  # both turns are taken
            time.sleep(0.01)
        results.extend(item["result"] for item in answer.json()["results"])

    threads = [threading.Thread(target=run, args=(scene.venue(f"Venue {n}"),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(results) == {"accepted": 20, "conflict": 60}
    assert Counter(flags(scene)) == {0: 20, CONFLICT: 60}


def test_no_more_batches_than_turns_are_worked_on_and_the_next_is_told_to_come_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    venues = [scene.venue(f"Venue {n}") for n in range(3)]
    batches = [one_entry(scene, at) for at in venues]
    with held_inserts(monkeypatch) as (held, go):
        answers: list[list[str]] = []
        threads = [begin(scene, at, batch, answers) for at, batch in zip(venues[:2], batches, strict=False)]
        assert all(held.acquire(timeout=120) for _ in threads)
        answer = post(scene, venues[2], batches[2])
        assert (answer.status_code, answer.json()["code"], "retry-after" in answer.headers) == (503, "not_ready", True)
        go.set()
        for thread in threads:
            thread.join()
    assert answers == [["accepted"], ["accepted"]]
    assert upload(scene.client, venues[2], batches[2]) == ["accepted"]


def test_one_venue_that_uploads_without_end_leaves_a_turn_to_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief with one scanner's token sends batch after batch at once: only one is worked on, and others get in."""
    thief, other = scene.venue("Thief"), scene.venue("Other")
    first, more, honest = one_entry(scene, thief), one_entry(scene, thief), one_entry(scene, other)
    with held_inserts(monkeypatch) as (held, go):
        answers: list[list[str]] = []
        threads = [begin(scene, thief, first, answers)]
        assert held.acquire(timeout=120)
        refused = post(scene, thief, more)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        threads.append(begin(scene, other, honest, answers))
        assert held.acquire(timeout=120)
        go.set()
        for thread in threads:
            thread.join()
    assert answers == [["accepted"], ["accepted"]]
    assert upload(scene.client, thief, more) == ["accepted"]
