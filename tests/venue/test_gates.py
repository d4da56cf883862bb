"""Counts by gate and hour, and scanners' signs of life: right, coarse, apart from the visits, and gone in time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from checkin.protocol.primitives import random_bytes
from tests.support.registry_service import (
    BUCKETS,
    ENROLMENT,
    Enrolled,
    Phone,
    Process,
    Registry,
    add_scanner,
    check_in,
    enrol,
    intake_keys,
    processes,
    scan_id,
    sealed,
    upload,
)
from tests.support.service_folder import CALENDAR, DAY, NOON, bearer
from tests.support.waiting import until
from tests.venue.conftest import NewIssuer, verifier


def day_of(client: httpx.Client, at: Enrolled) -> dict[str, Any]:
    """The operator's numbers of the one day there is."""
    [day] = client.get(f"/v1/venues/{at.venue_id}/stats", headers=bearer(at.operator)).json()["days"]
    return dict(day)


def split(client: httpx.Client, at: Enrolled) -> dict[str, dict[int, int]]:
    """Scanner → hour → count."""
    gates = day_of(client, at)["gates"]
    assert all(len(gate["hours"]) == BUCKETS and gate["label"] == "door" for gate in gates)
    return {gate["scanner_id"]: {hour: n for hour, n in enumerate(gate["hours"]) if n} for gate in gates}


def listed(client: httpx.Client, at: Enrolled) -> dict[str, str | None]:
    """Scanner → its last sign of life."""
    answer = client.get(f"/v1/venues/{at.venue_id}/scanners", headers=bearer(at.operator))
    return {item["scanner_id"]: item["last_seen"] for item in answer.json()["scanners"]}


def rows(folder: Path, table: str) -> list[tuple[Any, ...]]:
    """What somebody who copies the file reads."""
    with closing(sqlite3.connect(folder / "data" / "gates.db")) as database:
        return database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - a constant


def test_an_operator_sees_through_which_gate_people_came_in_which_hour(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """Two gates, two hours, and another venue that sees nothing of it; after the service has stopped and started."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with registry.client() as client:
        front, other = enrol(client), enrol(client, "Library")
        back = add_scanner(client, front.venue_id, front.operator)
        add_scanner(client, front.venue_id, front.operator)
        for at, moment in ((front, NOON), (front, NOON), (back, NOON), (front, NOON + 3600), (other, NOON + 3600)):
            registry.set(moment)
            assert check_in(client, at, Phone(issuer, DAY).at(moment)).status_code == 201
        assert day_of(client, front)["total"] == 4, "the venue's own numbers wait for nothing"
    with registry.client() as client:
        assert day_of(client, front)["hours"][12:14] == [3, 1]
        assert split(client, front) == {front.scanner_id: {12: 2, 13: 1}, back.scanner_id: {12: 1}}
        assert split(client, other) == {other.scanner_id: {13: 1}}


def test_only_what_was_accepted_counts_at_a_gate(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """Not the same scan again, not a second use, nothing that was refused; a queued scan in the hour of the scan."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with registry.client() as client:
        at = enrol(client)
        keys = intake_keys(client, at, verifier(client, at))
        phone, queued, scan, again = Phone(issuer, DAY), Phone(issuer, DAY), scan_id(), random_bytes(16)
        assert [check_in(client, at, phone.at(NOON), scan).status_code for _ in range(2)] == [201, 200]
        assert check_in(client, at, phone.at(NOON)).status_code == 409
        entry = sealed(at, keys, queued.bytes_at(NOON), NOON, again)
        registry.set(NOON + 5 * 3600)
        assert upload(client, at, [entry, "AAAA"]) == ["accepted", "entry_unreadable"]
        conflict = sealed(at, keys, phone.bytes_at(NOON), NOON)
        assert upload(client, at, [entry, conflict]) == ["repeated", "conflict"]
    with registry.client() as client:
        assert split(client, at) == {at.scanner_id: {12: 2}}
        assert day_of(client, at)["hours"][12] == 3, "the conflict is kept, and belongs to no gate"


def test_the_counts_of_two_processes_add_up_within_moments(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """Nobody has to stop for it: about once a minute, here by a clock that runs faster."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with processes(registry, 2) as running:
        clients = [process.client() for process in running]
        at = enrol(clients[0])
        for client in clients * 3:
            assert check_in(client, at, Phone(issuer, DAY).at(NOON)).status_code == 201
        until(lambda: split(clients[0], at) == {at.scanner_id: {12: 6}})
        assert split(clients[1], at) == split(clients[0], at)
        for client in clients:
            client.close()


def test_a_power_cut_takes_at_most_the_split_of_the_last_minute(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """The venue's numbers lose nothing, and no gate counts more than came."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    process = Process(registry)
    until(process.answers)
    with process.client() as client:
        at = enrol(client)
        for _ in range(5):
            assert check_in(client, at, Phone(issuer, DAY).at(NOON)).status_code == 201
    process.kill()
    with registry.client() as client:
        assert day_of(client, at)["total"] == 5
        assert split(client, at).get(at.scanner_id, {}).get(12, 0) <= 5


def test_the_file_names_no_gate_and_keeps_nothing_finer_than_the_hour(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """A thief of it without the day's key finds numbers; with yesterday's file he cannot tell which gate is which."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with registry.client() as client:
        at = enrol(client)
        for day, moment in ((DAY, NOON), (DAY + 1, NOON + 86400)):
            registry.set(moment)
            assert check_in(client, at, Phone(issuer, day).at(moment)).status_code == 201
    counted = rows(registry.folder, "counts")
    assert [(day, hour, number) for day, _, hour, number in counted] == [(DAY, 12, 1), (DAY + 1, 12, 1)]
    assert len({gate for _, gate, _, _ in counted}) == 2
    content = (registry.folder / "data" / "gates.db").read_bytes()
    for secret in (at.scanner_id, at.venue_id):
        assert bytes.fromhex(secret) not in content
        assert secret.encode() not in content
    log = registry.folder / "data" / "gates.db-wal"
    assert not log.exists() or not log.read_bytes()


def test_the_split_goes_when_the_day_is_closed_and_the_venues_numbers_stay(
    tmp_path: Path, new_issuer: NewIssuer
) -> None:
    """From that second on nobody is shown it, and the file forgets it with the next round of tasks."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer])
    with processes(registry, 1) as [server], server.client() as client:
        at = enrol(client)
        assert check_in(client, at, Phone(issuer, DAY).at(NOON)).status_code == 201
        until(lambda: split(client, at) == {at.scanner_id: {12: 1}})
        registry.set(CALENDAR.closes(DAY) - 1)
        assert split(client, at) == {at.scanner_id: {12: 1}}
        registry.set(CALENDAR.closes(DAY))
        assert (day_of(client, at)["gates"], day_of(client, at)["total"]) == ([], 1)
        until(lambda: rows(registry.folder, "counts") == [])
        assert day_of(client, at)["hours"][12] == 1


# --- signs of life --------------------------------------------------------------------------------------------------


def test_a_scanner_is_seen_when_it_asks_for_its_lists_and_never_because_somebody_came(
    tmp_path: Path, new_issuer: NewIssuer
) -> None:
    """To five minutes; check-ins and uploads leave no sign."""
    issuer = new_issuer()
    registry = Registry(tmp_path / "registry", [issuer], now=NOON + 299)
    with registry.client() as client:
        at = enrol(client)
        silent = add_scanner(client, at.venue_id, at.operator)
        keys = intake_keys(client, at, verifier(client, at))
        assert listed(client, at) == {at.scanner_id: None, silent.scanner_id: None}
    with registry.client() as client:
        assert listed(client, at) == {at.scanner_id: "2026-11-20T12:00:00+09:00", silent.scanner_id: None}
        registry.set(NOON + 3600)
        assert check_in(client, at, Phone(issuer, DAY).at(NOON + 3600)).status_code == 201
        assert check_in(client, silent, Phone(issuer, DAY).at(NOON + 3600)).status_code == 201
        entry = sealed(silent, keys, Phone(issuer, DAY).bytes_at(NOON), NOON)
        assert upload(client, silent, [entry]) == ["accepted"]
    with registry.client() as client:
        assert listed(client, at) == {at.scanner_id: "2026-11-20T12:00:00+09:00", silent.scanner_id: None}


def test_who_is_no_scanner_any_more_leaves_no_sign(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """A revoked one is not shown from that second on; the file forgets it with the next round, and a closed venue's."""
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with registry.client() as client:
        at, closed = enrol(client), enrol(client, "Closed")
        stays = add_scanner(client, at.venue_id, at.operator)
        for scanner in (at, closed, stays):
            assert client.get("/v1/trust", headers=bearer(scanner.scanner)).status_code == 200
    assert len(rows(registry.folder, "heard")) == 3
    with registry.client() as client:
        path = f"/v1/venues/{at.venue_id}/scanners/{at.scanner_id}"
        assert client.delete(path, headers=bearer(at.operator)).status_code == 204
        assert listed(client, at)[at.scanner_id] is None
        assert client.delete(f"/v1/venues/{closed.venue_id}", headers=bearer(ENROLMENT)).status_code == 204
    with registry.client() as client:
        assert listed(client, at)[stays.scanner_id]
    assert [scanner for scanner, *_ in rows(registry.folder, "heard")] == [stays.scanner_id]


def test_a_scanner_that_lives_is_seen_by_itself(tmp_path: Path, new_issuer: NewIssuer) -> None:
    """Between two processes the later time stays."""
    registry = Registry(tmp_path / "registry", [new_issuer()])
    with processes(registry, 2) as running:
        clients = [process.client() for process in running]
        at = enrol(clients[0])
        for client, moment, shown in ((clients[0], NOON, "12:00"), (clients[1], NOON + 601, "12:10")):
            registry.set(moment)
            assert client.get("/v1/trust", headers=bearer(at.scanner)).status_code == 200
            until(lambda shown=shown: shown in str(listed(clients[0], at)[at.scanner_id]))  # type: ignore[misc]
        for client in clients:
            client.close()
