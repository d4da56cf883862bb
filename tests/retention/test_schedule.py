"""When the retention service asks: once a day, again after a failure, and at once when a new day begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkin.audit.point import SELF_AUDIT
from checkin.protocol.note import NoteSigner, sign_note
from retention.tasks import Schedule
from tests.support.retention_service import Retention, Service, pinned
from tests.support.service_folder import CALENDAR, DAY


def asked(service: Service) -> list[str]:
    """What the schedule asked: the newest checkpoint that a service saw is asked for before, once."""
    return [request for request in service.server.asked if request != "GET /v1/checkpoint"]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the schedule's stopwatch, for a test to set."""
    seconds = [1000.0]
    monkeypatch.setattr("retention.tasks.STOPWATCH", SimpleNamespace(boot=lambda: seconds[0]))
    return seconds


def test_a_service_that_did_not_answer_is_asked_as_soon_as_a_new_day_begins(tmp_path: Path, boot: list[float]) -> None:
    """What it failed with yesterday is no reason to let a day that became due wait for a minute."""
    service = Service()
    retention = Retention(tmp_path / "retention", pinned(service))
    parts = retention.parts()
    schedule = Schedule(parts)
    boot[0] += 3600
    answer = service.server.routes.pop("/v1/purge")
    schedule.run()
    before = len(asked(service))
    service.server.routes["/v1/purge"] = answer
    boot[0] += 59.9
    schedule.run()
    assert len(asked(service)) == before, "the same day: not before a minute is over"
    retention.go(DAY + 1)
    schedule.run()
    assert asked(service)[before:] == ["POST /v1/purge", "GET /v1/statements"]
    parts.close()
    service.server.stop()


def test_who_does_not_answer_is_asked_sooner_while_the_service_is_new(tmp_path: Path, boot: list[float]) -> None:
    """Services that start together find one another within seconds; one that stays away costs ever less."""
    service = Service()
    del service.server.routes["/v1/purge"]
    parts = Retention(tmp_path / "retention", pinned(service)).parts()
    schedule, begun, tried = Schedule(parts), boot[0], list[float]()
    for _ in range(400):
        before = len(asked(service))
        schedule.run()
        if len(asked(service)) > before:
            tried.append(boot[0] - begun)
        assert schedule.urgent() == (boot[0] - begun <= 60)
        boot[0] += 0.5
    assert tried == [0, 1, 2, 4, 8, 16, 32, 64, 124, 184]
    parts.close()
    service.server.stop()


@pytest.mark.parametrize(
    "answer",
    [
        lambda signer: {"statements": [sign_note(f"checkin/x/v1\nclock simulated\n{'x' * 66_000}\n", signer)]},
        lambda _: {"statements": ["\ud800", "\u2014 \n\n"]},
        lambda _: {"statements": 7},
        lambda _: {"statements": [{"note": None}, None, [], {}]},
    ],
)
def test_nothing_that_a_service_says_keeps_the_next_one_from_being_asked(
    tmp_path: Path, answer: Callable[[NoteSigner], object]
) -> None:
    """One statement longer than the log takes ended the round, that day and on every day after."""
    bad, good = Service("a.example"), Service("b.example")
    bad.server.routes["/v1/statements"] = lambda: answer(bad.signer)
    good.make_key(DAY)
    parts = Retention(tmp_path / "retention", pinned(bad), pinned(good)).parts()
    Schedule(parts).run()
    assert asked(good) == ["POST /v1/purge", "GET /v1/statements"]
    assert len(parts.statements.find(service=good.name)) == 1
    parts.close()
    for service in (bad, good):
        service.server.stop()


def test_a_statement_too_long_for_the_log_is_refused_and_the_other_statements_of_its_service_come_in(
    tmp_path: Path,
) -> None:
    service = Service()
    values = {"service": service.name, "day": CALENDAR.date(DAY), "clock": "simulated"}
    long = SELF_AUDIT.write(values | {"point": [f"pass oldest-day registry.example {'x' * 66_000}"]})
    service.notes.append(sign_note(long, service.signer))
    service.report(DAY - 29)
    parts = Retention(tmp_path / "retention", pinned(service)).parts()
    Schedule(parts).run()
    assert [stated.note for stated in parts.statements.find()] == service.notes[1:]
    assert parts.statements.asking(service.name).failure == "request_too_large"
    assert parts.statements.refused() == {service.name: 1}
    parts.close()
    service.server.stop()


def test_statements_are_collected_page_by_page(tmp_path: Path) -> None:
    """Every page once, in one round."""
    service = Service("registry.example")
    notes = [service.make_key(DAY + ahead) for ahead in range(5)]

    def paged() -> object:
        start = int(service.server.query.get("after", ["0"])[0])
        page = {"statements": [{"name": "x", "note": note} for note in notes[start : start + 2]]}
        return page | ({"next": str(start + 2)} if start + 2 < len(notes) else {})

    service.server.routes["/v1/statements"] = paged
    parts = Retention(tmp_path / "retention", pinned(service)).parts()
    Schedule(parts).run()
    assert len(parts.statements.find(service=service.name)) == 5
    assert asked(service) == ["POST /v1/purge", *["GET /v1/statements"] * 3]
    parts.close()
    service.server.stop()


@pytest.mark.parametrize("leading", ["a", 7, "\ud800"])
def test_pages_that_lead_nowhere_end_the_round(tmp_path: Path, leading: object) -> None:
    """A service that always names one more page is asked again later, as one that answers nonsense."""
    service = Service("registry.example")
    service.make_key(DAY)
    listed = service.server.routes["/v1/statements"]
    service.server.routes["/v1/statements"] = lambda: listed() | {"next": leading}
    parts = Retention(tmp_path / "retention", pinned(service)).parts()
    Schedule(parts).run()
    assert len(asked(service)) <= 3
    assert parts.statements.asking(service.name).failure
    parts.close()
    service.server.stop()


def test_a_service_that_shows_junk_without_end_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.statements.MOST_REFUSED", 3)
    service = Service()
    parts = Retention(tmp_path / "retention", pinned(service)).parts()
    [known] = parts.settings.services
    assert len(parts.intake.take_all(known, [f"junk {number}" for number in range(9)])) == 9
    assert parts.statements.refused() == {service.name: 3}
    parts.close()
    service.server.stop()
