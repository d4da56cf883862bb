"""An operator's numbers, and what the registry destroys: by itself, when asked, and never too late to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import SimulationRefused
from checkin.protocol.note import open_note
from checkin.purge.statement_store import KINDS
from checkin.service import tasks
from tests.support.registry_service import RETENTION, Enrolled, Registry, check_in, sealed, upload
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.waiting import until
from tests.venue.conftest import NewIssuer, Scene, verifier
from tests.venue.test_checkins import MIDNIGHT
from venue.app import create_app


def stats(scene: Scene, at: Enrolled) -> list[tuple[str, int, dict[int, int]]]:
    """(day, total, hour → count)"""
    answer = scene.client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator))
    assert answer.status_code == 200
    days = answer.json()["days"]
    assert all(len(day["hours"]) == 25 for day in days)
    return [(day["day"], day["total"], {hour: n for hour, n in enumerate(day["hours"]) if n}) for day in days]


def test_an_operator_sees_his_own_venues_hours_and_nobody_elses(scene: Scene) -> None:
    other = scene.venue()
    for moment in (NOON, NOON + 59 * 60, NOON + 3600):
        scene.registry.set(moment)
        assert check_in(scene.client, scene.at, scene.phone().at(moment)).status_code == 201
    assert check_in(scene.client, other, scene.phone().at(NOON + 3600)).status_code == 201
    assert stats(scene, scene.at) == [("2026-11-20", 3, {12: 2, 13: 1})]
    assert stats(scene, other) == [("2026-11-20", 1, {13: 1})]


def test_overdue_days_are_not_shown_even_if_nothing_has_purged_yet(scene: Scene) -> None:
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    scene.registry.set(CALENDAR.due(DAY) - 1)
    assert [day for day, _, _ in stats(scene, scene.at)] == ["2026-11-20"]
    scene.registry.set(CALENDAR.due(DAY))
    assert stats(scene, scene.at) == []


def test_until_todays_key_is_made_the_registry_is_not_ready(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """After a jump of the clock a good readiness means that a visit can be recorded."""
    registry = Registry(tmp_path / "registry", [new_issuer()], now=NOON)
    with registry.client() as client:
        assert client.get("/readyz").status_code == 200
        registry.set(CALENDAR.start(DAY + 3))
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert ("day_key", "failure") in {(item["name"], item["level"]) for item in answer.json()["findings"]}


def statements(scene: Scene) -> dict[str, str]:
    """Name → note."""
    answer = scene.client.get("/v1/statements", headers=bearer(RETENTION))
    return {item["name"]: item["note"] for item in answer.json()["statements"]}


def test_the_purge_destroys_what_is_due_and_states_it_under_the_registrys_key(scene: Scene) -> None:
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    key = verifier(scene.client, scene.at)
    assert "key-made-day-2026-11-20" in statements(scene)
    scene.registry.set(CALENDAR.due(DAY))
    answer = scene.client.post("/v1/purge", json={}, headers=bearer(RETENTION))
    assert answer.status_code == 200
    kinds = set()
    for note in answer.json()["statements"]:
        text = open_note(note, [key]).text
        kind = KINDS[text.partition("\n")[0]]
        assert kind.read(text)["service"] == "registry.example"
        kinds.add(kind.kind)
    assert "checkin/purge-report/v1" in kinds
    assert "purge-2026-11-20" in statements(scene)
    assert list((scene.registry.folder / "data" / "visits").glob(f"day-{DAY}*")) == []
    assert not (scene.registry.folder / "keys" / f"day-{DAY}.slot").exists()
    assert scene.client.post("/v1/purge", json={}, headers=bearer(RETENTION)).json() == {"statements": []}


def test_a_restart_after_the_day_is_due_serves_nothing_of_it(scene: Scene) -> None:
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    scene.registry.set(CALENDAR.due(DAY))
    with scene.registry.client() as second:
        answer = second.get(f"/v1/venues/{scene.at.venue_id}/stats", headers=bearer(scene.at.operator))
        assert [day for day in answer.json()["days"] if day["total"] or day["day"] == "2026-11-20"] == []


def test_a_queue_cannot_bring_back_a_day_that_was_destroyed(scene: Scene) -> None:
    queued = sealed(scene.at, scene.intake, scene.phone().bytes_at(NOON), NOON)
    scene.registry.set(CALENDAR.due(DAY))
    scene.client.post("/v1/purge", json={}, headers=bearer(RETENTION))
    assert upload(scene.client, scene.at, [queued]) == ["day_destroyed"]
    assert list((scene.registry.folder / "data" / "visits").glob(f"day-{DAY}*")) == []


def test_after_a_day_is_closed_its_intake_key_is_gone_and_the_digest_is_stated(
    tmp_path: Path, new_issuer: NewIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself: the tasks run several times a second here."""
    monkeypatch.undo()
    monkeypatch.setattr(tasks, "SIMULATED_PERIOD_SECONDS", 0.1)
    registry = Registry(tmp_path / "registry", [new_issuer()])
    keys, stated = registry.folder / "keys", registry.folder / "data" / "statements"
    with registry.client() as client:
        assert client.get("/healthz").status_code == 200
        registry.set(CALENDAR.closes(DAY) - 1)
        until((keys / f"intake-{CALENDAR.day(CALENDAR.closes(DAY)) + 14}.slot").exists)  # the tasks were there
        assert (keys / f"intake-{DAY}.slot").exists()
        registry.set(CALENDAR.closes(DAY))
        until((stated / "closed-2026-11-20.txt").exists)
        until(lambda: not (keys / f"intake-{DAY}.slot").exists())
        assert (keys / f"intake-{DAY + 1}.slot").exists()
        assert (keys / f"day-{DAY}.slot").exists()


def test_a_clock_set_back_neither_revives_a_day_nor_stops_the_service(scene: Scene) -> None:
    assert check_in(scene.client, scene.at, scene.phone().at(NOON)).status_code == 201
    scene.registry.set(CALENDAR.due(DAY))
    scene.client.post("/v1/purge", json={}, headers=bearer(RETENTION))
    scene.registry.set(NOON)
    answer = check_in(scene.client, scene.at, scene.phone().at(NOON))
    assert (answer.status_code, answer.json()["code"]) == (410, "day_destroyed")
    assert stats(scene, scene.at) == []


def test_midnight_makes_no_gap(scene: Scene) -> None:
    """Tomorrow's key and tomorrow's list are there before tomorrow is."""
    scene.registry.set(MIDNIGHT)
    assert check_in(scene.client, scene.at, scene.phone(DAY + 1).at(MIDNIGHT)).status_code == 201


def test_a_simulated_folder_is_refused_by_a_real_clock(scene: Scene) -> None:
    with pytest.raises(SimulationRefused):
        create_app(scene.registry.config)


def test_statements_come_in_pages_to_who_asks_for_them(scene: Scene) -> None:
    """The pages together are what comes without asking for any; the last one names no next."""
    everything = list(statements(scene))
    assert len(everything) > 4
    paged, query = [], {"limit": "2"}
    while True:
        page = scene.client.get("/v1/statements", params=query, headers=bearer(RETENTION)).json()
        paged += [item["name"] for item in page["statements"]]
        assert len(page["statements"]) <= 2
        if "next" not in page:
            break
        query["after"] = page["next"]
    assert paged == everything
    rest = scene.client.get("/v1/statements", params={"after": everything[0]}, headers=bearer(RETENTION)).json()
    assert [item["name"] for item in rest["statements"]] == everything[1:]
    for wrong in ({"limit": "0"}, {"limit": "1001"}, {"after": "../x"}, {"after": ""}):
        assert scene.client.get("/v1/statements", params=wrong, headers=bearer(RETENTION)).status_code == 422
