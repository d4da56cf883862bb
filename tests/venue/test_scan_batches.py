"""Queued scans: each entry judged by itself, the good ones on the disk, the bad ones with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.clock import CLOSING_DAYS
from checkin.errors import CheckinError, ClockUntrusted, NoteUntrusted, NotReady
from checkin.keys.key_ring import KeyRing
from checkin.protocol.credential import Mode
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.service.vault_folder import VaultFolder
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.visit import CONFLICT, open_visit
from tests.support.registry_service import (
    METRICS,
    Phone,
    Registry,
    add_scanner,
    check_in,
    enrol,
    intake_keys,
    sealed,
    upload,
)
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.venue.conftest import NewIssuer, Scene, verifier
from tests.venue.test_checkins import MIDNIGHT, code, vault_of

CLOSES = int(CALENDAR.closes(DAY))


def entry(scene: Scene, phone: Phone, scanned_at: float = NOON, scan: bytes | None = None) -> str:
    """A code made and scanned at that moment, queued."""
    return sealed(scene.at, scene.intake, phone.bytes_at(scanned_at), scanned_at, scan)


def flags(scene: Scene) -> list[int]:
    """Of all rows of the day."""
    vault = vault_of(scene.registry)
    try:
        return sorted(open_visit(vault, DAY, row).flags for row in vault.store.rows(DAY))
    finally:
        vault.store.close()


def test_queued_scans_are_accepted_with_the_scanners_time(scene: Scene) -> None:
    scene.registry.set(NOON + 7200)
    assert (
        upload(scene.client, scene.at, [entry(scene, scene.phone(), NOON + 61 * n) for n in range(3)])
        == ["accepted"] * 3
    )
    vault = vault_of(scene.registry)
    assert sorted(open_visit(vault, DAY, row).minute for row in vault.store.rows(DAY)) == [
        NOON // 60 + n for n in range(3)
    ]
    vault.store.close()


def test_a_batch_sent_again_changes_nothing(scene: Scene) -> None:
    batch = [entry(scene, scene.phone()) for _ in range(3)]
    assert upload(scene.client, scene.at, batch) == ["accepted"] * 3
    assert upload(scene.client, scene.at, batch) == ["repeated"] * 3
    assert flags(scene) == [0, 0, 0]


def test_a_scan_that_was_answered_but_not_heard_is_repeated_when_it_comes_queued(scene: Scene) -> None:
    phone, scan = scene.phone(), random_bytes(16)
    assert code(check_in(scene.client, scene.at, phone.at(NOON), b64url_encode(scan))) == "accepted"
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON, scan)]) == ["repeated"]


def test_a_second_use_is_a_conflict_kept_beside_the_first_and_only_once(scene: Scene) -> None:
    phone = scene.phone()
    first, second = entry(scene, phone), entry(scene, phone, NOON + 5)
    assert upload(scene.client, scene.at, [first]) == ["accepted"]
    assert upload(scene.client, scene.at, [second]) == ["conflict"]
    assert upload(scene.client, scene.at, [second]) == ["conflict"]
    assert flags(scene) == [0, CONFLICT]
    assert code(check_in(scene.client, scene.at, phone.at(NOON))) == "already_used"


def test_twice_in_one_batch_is_the_same_as_in_two_uploads(scene: Scene) -> None:
    phone = scene.phone()
    first, second = entry(scene, phone), entry(scene, phone, NOON + 5)
    assert upload(scene.client, scene.at, [first, first, second, second, first]) == [
        "accepted",
        "repeated",
        "conflict",
        "conflict",
        "repeated",
    ]
    assert flags(scene) == [0, CONFLICT]


def test_the_same_scan_id_at_two_venues_is_a_conflict_not_a_repetition(scene: Scene) -> None:
    phone, other, scan = scene.phone(), scene.venue(), random_bytes(16)
    assert upload(scene.client, scene.at, [entry(scene, phone, NOON, scan)]) == ["accepted"]
    assert upload(scene.client, other, [sealed(other, scene.intake, phone.bytes_at(NOON), NOON, scan)]) == ["conflict"]


def test_bad_entries_never_lose_the_good_ones_and_every_result_is_in_its_place(scene: Scene) -> None:
    stranger = SigningKey(random_bytes(32))
    unknown, forged, shown = scene.phone(), scene.phone(), scene.phone()
    unknown.bytes_at(NOON, signer=stranger)
    forged.bytes_at(NOON)
    forged.holder = stranger
    batch = [
        entry(scene, scene.phone()),
        "",
        "=" * 508,
        "A" * 508,
        "A" * 20_000,
        "é",
        entry(scene, unknown),
        entry(scene, forged),
        sealed(scene.at, scene.intake, random_bytes(309), NOON, day=DAY),
        sealed(scene.at, scene.intake, scene.phone().bytes_at(NOON), NOON, day=DAY + 1),
        sealed(scene.at, scene.intake, scene.phone(DAY + 1).bytes_at(NOON), NOON, day=DAY + 1),
        sealed(scene.venue(), scene.intake, shown.bytes_at(NOON), NOON),
        entry(scene, scene.phone()),
    ]
    assert upload(scene.client, scene.at, batch) == [
        "accepted",
        *["entry_unreadable"] * 2,
        "day_destroyed",  # its day reads 0
        *["entry_unreadable"] * 2,
        "unknown_issuer_key",
        "bad_signature",
        "token_malformed",
        "wrong_day",
        "wrong_day",
        "entry_unreadable",
        "accepted",
    ]


def test_an_entry_of_another_scanner_of_the_same_venue_does_not_open(scene: Scene) -> None:
    other = add_scanner(scene.client, scene.at.venue_id, scene.at.operator)
    assert upload(scene.client, other, [entry(scene, scene.phone())]) == ["entry_unreadable"]


def test_the_scan_must_lie_in_the_codes_window_to_the_second(scene: Scene) -> None:
    scene.registry.set(NOON + 600)
    batch = [sealed(scene.at, scene.intake, scene.phone().bytes_at(NOON), NOON + age) for age in (-6, -5, 20, 21)]
    assert upload(scene.client, scene.at, batch) == ["scan_time_invalid", "accepted", "accepted", "scan_time_invalid"]


def test_a_scan_from_the_future_is_refused_but_for_5_seconds_of_a_fast_clock(scene: Scene) -> None:
    batch = [entry(scene, scene.phone(), NOON + 5), entry(scene, scene.phone(), NOON + 6)]
    assert upload(scene.client, scene.at, batch) == ["accepted", "scan_time_invalid"]


def test_a_scan_may_be_72_hours_old_to_the_second(scene: Scene) -> None:
    scene.registry.set(NOON + 72 * 3600)
    batch = [entry(scene, scene.phone(), NOON), entry(scene, scene.phone(), NOON - 1)]
    assert upload(scene.client, scene.at, batch) == ["accepted", "scan_too_old"]


def test_the_last_upload_of_a_printed_code_scanned_after_midnight(scene: Scene) -> None:
    """Scanned at D+1 00:01:05, the latest moment there is, it may come until D+4 00:01:05."""
    scene.registry.set(MIDNIGHT + 65 + 72 * 3600)
    papers = [Phone(scene.issuer, DAY, mode=Mode.PAPER) for _ in range(2)]
    tokens = [paper.bytes_at(CALENDAR.start(DAY)) for paper in papers]
    assert upload(scene.client, scene.at, [sealed(scene.at, scene.intake, tokens[0], MIDNIGHT + 65)]) == ["accepted"]
    scene.registry.set(MIDNIGHT + 66 + 72 * 3600)
    late = [sealed(scene.at, scene.intake, tokens[1], MIDNIGHT + 65)]
    assert upload(scene.client, scene.at, late) == ["scan_too_old"]


def test_a_day_is_closed_at_five_past_midnight_after_four_days_and_gone_after_28(scene: Scene) -> None:
    """To the second, whether or not anything has run at that hour."""
    queued, answers = [entry(scene, scene.phone(), MIDNIGHT - 1)], {}
    # No tasks run here: nothing has closed or purged yet.
    for now in (CLOSES - 1, CLOSES, CALENDAR.due(DAY) - 1, CALENDAR.due(DAY)):
        scene.registry.set(now)
        answers[now] = upload(scene.client, scene.at, queued)[0]
    assert CALENDAR.rfc3339(CLOSES)[:19] == f"{CALENDAR.date(DAY + CLOSING_DAYS)}T00:05:00"
    assert list(answers.values()) == ["scan_too_old", "day_closed", "day_closed", "day_destroyed"]


def test_days_that_were_never_and_days_to_come_are_refused(scene: Scene) -> None:
    queued = entry(scene, scene.phone())
    days = (0, DAY - 1, DAY + 1, 2**32 - 1)
    moved = [b64url_encode(day.to_bytes(4, "big") + b64url_decode(queued)[4:]) for day in days]
    assert upload(scene.client, scene.at, moved) == [
        "day_destroyed",
        "entry_unreadable",
        "entry_unreadable",
        "entry_unreadable",
    ]


def test_what_was_queued_on_a_day_on_which_the_registry_was_down_is_accepted(
    tmp_path: Path, new_issuer: NewIssuer
) -> None:
    """The scanner holds the intake keys of the coming days; the registry makes the day's key when it is back."""
    issuer = new_issuer()
    issuer.list_days(DAY + 2, DAY + 3)
    registry = Registry(tmp_path / "registry", [issuer])
    with registry.client() as client:
        at = enrol(client)
        keys = intake_keys(client, at, verifier(client, at))
    registry.set(NOON + 3 * 86400 - 3600)
    scanned = NOON + 2 * 86400
    queued = sealed(at, keys, Phone(issuer, DAY + 2).bytes_at(scanned), scanned)
    confirmed = VaultFolder(registry.config, registry.folder / "clock")  # somebody compares it after the downtime
    confirmed.guard.confirm()
    confirmed.close()
    with registry.client() as client:
        assert upload(client, at, [queued]) == ["accepted"]


def test_a_queued_forgery_raises_an_alarm_that_names_nobody(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    forged = scene.phone()
    forged.bytes_at(NOON)
    forged.holder = SigningKey(random_bytes(32))
    assert "queued_signatures" not in scene.findings()
    batch = [entry(scene, forged), entry(scene, forged), entry(scene, scene.phone())]
    assert upload(scene.client, scene.at, batch) == ["bad_signature", "bad_signature", "accepted"]
    assert scene.findings()["queued_signatures"] == "warning"
    assert scene.client.get("/readyz").status_code == 200
    assert "checkin_bad_queued_signatures_total 2.0" in scene.client.get("/metrics", headers=bearer(METRICS)).text
    logged = "".join(capfd.readouterr())  # a command that ran in this process may have sent the log to stderr
    assert "queued_signature_failed" in logged
    assert scene.at.venue_id not in logged
    scene.registry.set(MIDNIGHT + 60)
    assert "queued_signatures" not in scene.findings()


def test_a_broken_disk_loses_nothing_that_was_answered_and_the_batch_can_be_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[bool]:
        raise NotReady("disk")

    batch = [entry(scene, scene.phone()) for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "insert", broken)
        answer = scene.client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(scene.at.scanner))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert upload(scene.client, scene.at, batch) == ["accepted"] * 3


@pytest.mark.parametrize("error", [ClockUntrusted, NoteUntrusted])
def test_no_scan_is_refused_because_its_key_cannot_be_had(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: type[CheckinError]
) -> None:
    """As from nodes of a ring whose clocks are others, or that lie: that says nothing of the entry."""

    def refuse(*_: object) -> OpeningKey:
        raise error

    batch = [entry(scene, scene.phone())]
    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, "opening_key", refuse)
        answer = scene.client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(scene.at.scanner))
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert upload(scene.client, scene.at, batch) == ["accepted"]


def test_conflicts_of_a_venue_are_counted_with_it(scene: Scene) -> None:
    phone = scene.phone()
    upload(scene.client, scene.at, [entry(scene, phone), entry(scene, phone)])
    days = scene.client.get(f"/v1/venues/{scene.at.venue_id}/stats", headers=bearer(scene.at.operator)).json()["days"]
    assert [day["total"] for day in days] == [2]


def test_a_code_of_a_day_for_which_no_list_has_come_yet_can_be_sent_again_later(
    tmp_path: Path, new_issuer: NewIssuer
) -> None:
    """The good entries beside it are stored; the scanner keeps its queue and hears `repeated` then."""
    issuer = new_issuer()
    today = issuer.keys.pop(DAY)
    registry = Registry(tmp_path / "registry", [issuer], now=CALENDAR.start(DAY) - 60)
    with registry.client() as client:
        at = enrol(client)
        keys = intake_keys(client, at, verifier(client, at))
        yesterday = Phone(issuer, DAY - 1).bytes_at(CALENDAR.start(DAY) - 60)
        registry.set(CALENDAR.start(DAY) + 1)
        issuer.keys[DAY] = today
        early = Phone(issuer, DAY).bytes_at(CALENDAR.start(DAY))
        batch = [
            sealed(at, keys, yesterday, CALENDAR.start(DAY) - 60),
            sealed(at, keys, early, CALENDAR.start(DAY)),
        ]
        answer = client.post("/v1/check-ins/batch", json={"sealed": batch}, headers=bearer(at.scanner))
        assert (answer.status_code, answer.json()["code"]) == (503, "key_missing")
        online = check_in(client, at, Phone(issuer, DAY).at(CALENDAR.start(DAY)))
        assert (online.status_code, code(online)) == (503, "key_missing")
    with registry.client() as client:
        assert upload(client, at, batch) == ["repeated", "accepted"]
