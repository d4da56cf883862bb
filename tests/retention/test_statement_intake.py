"""What a service with a stolen key or token cannot do to the public page and to the log."""

from __future__ import annotations

import httpx
import pytest

from checkin.audit.point import SELF_AUDIT
from checkin.protocol.note import NoteSigner, add_signature, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey
from checkin.purge.statement_store import KEY_MADE, PURGE_REPORT
from checkin.tlog.checkpoint import open_checkpoint
from checkin.tlog.reader import LogReader
from retention.statements import Stated
from tests.support.retention_service import TOKEN, Retention, Service
from tests.support.service_folder import CALENDAR, DAY, bearer

BEARER = bearer(TOKEN)
DIGITS = "9" * 5000
PLACES = ("/", "/v1/purge-reports", "/readyz", "/v1/orders")
REPORT = {
    "day": CALENDAR.date(DAY - 28),
    "rows": "12",
    "bytes": "4096",
    "root": "ab" * 32,
    "closing": "-",
    "key": f"day-{DAY - 28}",
    "commitment": "ab" * 32,
    "due": CALENDAR.date(DAY),
    "done": CALENDAR.date(DAY),
    "oldest_day_held": CALENDAR.date(DAY - 27),
    "days_held": "28",
    "hold": "none",
}
STRANGER = NoteSigner("stranger.example", SigningKey(b"\x09" * 32))


def bring(client: httpx.Client, note: str) -> httpx.Response:
    """With the service's token."""
    return client.post("/v1/entries", json={"note": note}, headers=BEARER)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "day-9999999999"},
        {"key": "day-65536"},
        {"day": "9999-12-31"},
        {"due": "0001-01-01"},
        {"done": "1969-12-31"},
        {"oldest_day_held": "9999-12-31"},
        {"oldest_day_held": "unknown"},
        {"rows": DIGITS},
        {"rows": "3"},
        {"rows": "1٣"},
        {"bytes": DIGITS},
        {"days_held": DIGITS},
        {"days_held": "-"},
        {"hold": "all that I ever wanted to say, " * 60 + "and more"},
    ],
)
def test_a_statement_of_a_day_or_a_number_that_cannot_be_is_refused(
    retention: Retention, service: Service, change: dict[str, str]
) -> None:
    """Whoever has a service's key signs one absurd statement, and from then on nobody can read the public page."""
    note = service.say(PURGE_REPORT, **{**REPORT, **change})
    with retention.client() as client:
        assert bring(client, note).json()["code"] == "note_malformed"
        for path in PLACES:
            assert client.get(path).status_code == 200, path
        assert client.get("/v1/purge-reports").json()["reports"] == []


@pytest.mark.parametrize(
    "change",
    [{}, {"rows": "unknown", "bytes": "unknown"}, {"rows": "fewer than 10", "bytes": "-"}, {"oldest_day_held": "-"}],
)
def test_what_a_service_says_about_a_damaged_or_small_day_is_taken(
    retention: Retention, service: Service, change: dict[str, str]
) -> None:
    """The control: every way in which the purge itself fills the fields."""
    note = service.say(PURGE_REPORT, **{**REPORT, "days_held": "0", **change})
    with retention.client() as client:
        assert bring(client, note).status_code == 200


@pytest.mark.parametrize(
    "change", [{"key": f"{purpose}-9999999999", "day": CALENDAR.date(DAY)} for purpose in ("day", "intake")]
)
def test_a_key_of_a_day_that_cannot_be_is_refused(
    retention: Retention, service: Service, change: dict[str, str]
) -> None:
    """One statement about the key of day 9,999,999,999 kept the page, the reports and /readyz from everybody."""
    service.say(KEY_MADE, commitment="ab" * 32, **change)
    with retention.client() as client:
        for path in PLACES:
            assert client.get(path).status_code == 200, path


def test_an_absurd_statement_that_is_kept_already_is_passed_over(retention: Retention, service: Service) -> None:
    """Taken in by an earlier version: the page shows what can be shown, and the rest of the days is as it was."""
    made = service.say(KEY_MADE, key="day-9999999999", commitment="ab" * 32, day=CALENDAR.date(DAY))
    report = service.say(PURGE_REPORT, **{**REPORT, "rows": DIGITS})
    service.notes.clear()
    parts = retention.parts()
    for place, (kind, day, key, note) in enumerate(
        [
            (KEY_MADE.kind, CALENDAR.date(DAY), "day-9999999999", made),
            (PURGE_REPORT.kind, REPORT["day"], REPORT["key"], report),
        ]
    ):
        stated = Stated(place, service.name, kind, day, key, note, CALENDAR.date(DAY))
        parts.statements.add([(stated, bytes([place]) * 32)])
    parts.close()
    with retention.client() as client:
        for path in PLACES:
            assert client.get(path).status_code == 200, path


def size(client: httpx.Client) -> int:
    """How many entries the log has."""
    return int(client.get("/checkpoint").text.split("\n")[1])


def test_what_a_service_states_at_once_stands_under_one_checkpoint_and_one_that_is_refused_keeps_none_from_it(
    retention: Retention, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night costs one head of the log, not one a statement; what others depend on to be read still comes first."""
    notes = [service.report(DAY - 28), service.say(KEY_MADE, key="day-9", commitment="ab" * 32, day="1970-01-10")]
    bad = service.say(PURGE_REPORT, **{**REPORT, "rows": DIGITS})
    service.notes.clear()
    parts = retention.parts()
    before, shown = parts.log.size(), len(parts.log._state.notes())
    assert parts.intake.take_all(parts.settings.services[0], [*notes, bad]) == ["note_malformed"]
    head = open_checkpoint(parts.log.checkpoint(), parts.log_verifier)
    logged = list(LogReader(parts.log.file, head).entries(before))
    assert logged == [note.encode() for note in notes[::-1]]
    assert (parts.log.size(), len(parts.log._state.notes())) == (before + 2, shown + 1)
    assert parts.intake.take_all(parts.settings.services[0], notes) == []
    assert [stated.note for stated in parts.statements.find(service=service.name)] == notes[::-1]
    assert parts.log.size() == before + 2
    asked = list[object]()
    monkeypatch.setattr(parts.log, "append", asked.append)
    assert parts.intake.take_all(parts.settings.services[0], [bad]) == ["note_malformed"]
    assert asked == [], "nothing is left for the log"
    parts.close()


def test_a_stolen_token_writes_nothing_of_its_own_into_the_log(retention: Retention, service: Service) -> None:
    """Any text fits into the name and the bytes of a signature line of nobody: it would stay public for good."""
    note = service.report(DAY - 28)
    service.notes.clear()
    with retention.client() as client:
        before = size(client)
        for written in (add_signature(note, STRANGER), note + note.splitlines(keepends=True)[-1]):
            assert bring(client, written).json()["code"] == "note_untrusted"
        assert size(client) == before
        assert bring(client, note).json() == {"index": before}


def test_a_text_that_is_known_stays_one_entry_however_it_is_signed(retention: Retention, service: Service) -> None:
    """The same note is answered with the place it has; one with another line is refused."""
    first, second = service.report(DAY - 28), service.report(DAY - 29)
    service.notes.clear()
    with retention.client() as client:
        places = [bring(client, note).json() for note in (first, second)]
        before = size(client)
        assert bring(client, first).json() == places[0]
        for signers in ((STRANGER, service.signer), (STRANGER,)):
            assert bring(client, sign_note(unverified_text(first), *signers)).json()["code"] == "note_untrusted"
        assert size(client) == before


@pytest.mark.parametrize(
    "text",
    [
        "checkin/later/v9\nclock simulated\nCall +82 10 1234 5678 about this.\n",
        "checkin/audit/v1\nclock simulated\n",
        "checkin/authority-keys/v1\nauthority health.example\nclock simulated\nkey x\n",
        "checkin/order-logged/v1\nauthority health.example\nclock simulated\n",
        "checkin/self-audit/v1\nservice registry.example\nday 2026-11-22\npoint anything\nclock simulated\n",
        "checkin/self-audit/v1\nservice registry.example\nday today\npoint pass x y z\nclock simulated\n",
    ],
)
def test_a_service_states_what_services_state_and_nothing_else(
    retention: Retention, service: Service, text: str
) -> None:
    """Free text would be public for good; an audit or officers' keys in a service's name would fail every audit."""
    with retention.client() as client:
        before = size(client)
        answer = bring(client, sign_note(text, service.signer)).json()
        assert answer["code"] == "note_malformed"
        if "self-audit" not in text:
            assert "checkin/purge-report/v1" in answer["detail"] and "checkin/issuer-keys/v1" in answer["detail"]
        assert size(client) == before


def test_a_self_audit_about_another_service_is_refused(retention: Retention, service: Service) -> None:
    text = f"{SELF_AUDIT.kind}\nservice other.example\nday 2026-11-22\npoint pass x other.example y\nclock simulated\n"
    with retention.client() as client:
        assert bring(client, sign_note(text, service.signer)).json()["code"] == "note_untrusted"
