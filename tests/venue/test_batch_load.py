"""Many entries, many batches, at once: each code is accepted once, and who is too many is told to come back."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from checkin.stores.sqlite import SqliteStore
from checkin.visit import CONFLICT
from tests.venue.conftest import Scene
from tests.venue.test_batches import entry, flags
from tests.venue.world import bearer, upload


def test_a_thousand_at_once_are_taken_and_a_thousand_and_one_refused(scene: Scene) -> None:
    one = entry(scene, scene.phone())
    batch = [one] * 999 + [entry(scene, scene.phone())]
    assert Counter(upload(scene.client, scene.at, batch)) == {"accepted": 2, "repeated": 998}
    for wrong in ([one] * 1001, []):
        answer = scene.client.post("/v1/check-ins/batch", json={"sealed": wrong}, headers=bearer(scene.at.scanner))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_the_same_codes_in_many_batches_at_once_are_accepted_once(scene: Scene) -> None:
    phones = [scene.phone() for _ in range(20)]
    results: list[str] = []

    def run() -> None:
        batch = [entry(scene, phone) for phone in phones]
        for _ in range(100):
            answer = scene.client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(scene.at.scanner))
            if answer.status_code == 200:  # otherwise both turns are taken
                results.extend(item["result"] for item in answer.json()["results"])
                return

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(results) == {"accepted": 20, "conflict": 60}
    assert Counter(flags(scene)) == {0: 20, CONFLICT: 20}  # of a code and a venue one conflict is kept


def test_no_more_batches_than_turns_are_worked_on_and_the_next_is_told_to_come_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go, answers = threading.Semaphore(0), threading.Event(), []
    inner = SqliteStore.insert

    def insert(store: SqliteStore, day: int, rows: list[object]) -> list[bool]:
        held.release()
        assert go.wait(10)
        return inner(store, day, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(SqliteStore, "insert", insert)
    batches = [[entry(scene, scene.phone())] for _ in range(3)]
    threads = [
        threading.Thread(target=lambda batch=batch: answers.append(upload(scene.client, scene.at, batch)))
        for batch in batches[:2]
    ]
    for thread in threads:
        thread.start()
        assert held.acquire(timeout=10)
    answer = scene.client.post("/v1/check-ins/batch", json={"sealed": batches[2]}, headers=bearer(scene.at.scanner))
    assert (answer.status_code, answer.json()["code"], "retry-after" in answer.headers) == (503, "not_ready", True)
    go.set()
    for thread in threads:
        thread.join()
    assert answers == [["accepted"], ["accepted"]]
    assert upload(scene.client, scene.at, batches[2]) == ["accepted"]
