"""Lists of keys that services bring to the log: what it takes has one owner, and one key for each day for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlite_utils

from checkin.audit.sweep import sweep
from checkin.errors import SettingsInvalid
from checkin.protocol.key_list import HORIZON_DAYS, IntakeKey, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SigningKey
from checkin.tlog.proof import LogProof, PinnedLog
from retention.statement_intake import MAX_LISTS
from tests.support.retention_service import TOKEN, Retention, Service, pinned
from tests.support.service_folder import CALENDAR, DAY, bearer

BEARER = bearer(TOKEN)


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that lists keys."""
    service = Service("issuer.example")
    yield service
    service.server.stop()


@pytest.fixture
def retention(tmp_path: Path, service: Service) -> Retention:
    """Knows it."""
    return Retention(tmp_path / "retention", pinned(service), issuers={service.name: 7})


def bring(client: httpx.Client, note: str) -> tuple[int, str]:
    """Status and code, or the place."""
    answer = client.post("/v1/entries", json={"note": note}, headers=BEARER)
    return answer.status_code, answer.json().get("code") or str(answer.json()["index"])


def issuer_list(service: Service, *days: int, seed: int = 1, number: int = 7, simulated: bool = True) -> str:
    publics = {day: SigningKey(bytes([day % 251, seed] * 16)).public for day in days}
    keys = {day: ListedKey(issuer_kid(number, public), public) for day, public in publics.items()}
    return sign_note(IssuerList(number, keys, simulated).text(), service.signer)


def intake_list(service: Service, registry: str) -> str:
    keys = {DAY: IntakeKey(OpeningKey(b"\x01" * 32).public)}
    return sign_note(IntakeList(registry, keys, simulated=True).text(), service.signer)


def test_a_list_is_taken_once_and_one_that_goes_on_too(retention: Retention, service: Service) -> None:
    first, next_day = issuer_list(service, DAY, DAY + 1), issuer_list(service, DAY + 1, DAY + 2)
    with retention.client() as client:
        before = bring(client, first)
        assert before[0] == 200
        assert bring(client, next_day) > before
        assert bring(client, first) == before


def test_a_second_key_for_a_day_is_refused_whatever_was_listed_between(retention: Retention, service: Service) -> None:
    """Leaving a day out of one list makes no room for another key in the next."""
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY, DAY + 1))[0] == 200
        retention.go(DAY + 20)
        assert bring(client, issuer_list(service, DAY + 20))[0] == 200
        assert bring(client, issuer_list(service, DAY, DAY + 20, seed=2)) == (409, "list_refused")
        assert "issuer.example: 1" in client.get("/readyz").text


@pytest.mark.parametrize("far", [HORIZON_DAYS + 1, 400])
def test_keys_far_ahead_are_refused(retention: Retention, service: Service, far: int) -> None:
    """Who has a statement key for an hour does not own the years to come in the log either."""
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY, DAY + far)) == (403, "note_untrusted")


def test_more_days_than_any_service_holds_are_refused(retention: Retention, service: Service) -> None:
    with retention.client() as client:
        assert bring(client, issuer_list(service, *range(DAY - 60, DAY + 10))) == (400, "note_malformed")


def test_a_registry_lists_intake_keys_in_its_own_name(tmp_path: Path, service: Service) -> None:
    retention = Retention(tmp_path / "retention", pinned(service))
    with retention.client() as client:
        assert bring(client, intake_list(service, "another.example"))[1] == "note_untrusted"
        assert bring(client, intake_list(service, service.name))[0] == 200


def test_a_list_under_real_time_is_refused_by_a_simulated_log(retention: Retention, service: Service) -> None:
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY, simulated=False))[1] == "note_untrusted"


def test_what_looks_like_a_list_and_is_none_is_refused(retention: Retention, service: Service) -> None:
    note = sign_note("checkin/issuer-keys/v1\nissuer 7\nclock simulated\nkey tomorrow\n", service.signer)
    with retention.client() as client:
        assert bring(client, note)[1] == "note_malformed"


def test_nobody_lists_keys_under_an_issuers_number_but_the_issuer_of_the_settings(
    tmp_path: Path, service: Service
) -> None:
    """Neither a registry nor another issuer, though nobody has listed keys under it before; nor an issuer as a
    registry."""
    registry = Retention(tmp_path / "registry", pinned(service))
    with registry.client() as client:
        assert bring(client, issuer_list(service, DAY)) == (403, "note_untrusted")
    issuer = Retention(tmp_path / "issuer", pinned(service), issuers={service.name: 7})
    with issuer.client() as client:
        assert bring(client, issuer_list(service, DAY, number=8)) == (403, "note_untrusted")
        assert bring(client, intake_list(service, service.name)) == (403, "note_untrusted")
        assert bring(client, issuer_list(service, DAY))[0] == 200


def test_two_services_with_one_issuers_number_are_found_at_start(tmp_path: Path, service: Service) -> None:
    other = Service("other.example")
    other.server.stop()
    numbers = dict.fromkeys((service.name, other.name), 7)
    with pytest.raises(SettingsInvalid, match="number"):
        Retention(tmp_path / "retention", pinned(service), pinned(other), issuers=numbers).parts()


def test_keys_of_days_long_past_are_refused(retention: Retention, service: Service) -> None:
    """No visitor has a code of such a day, and the log would have to remember every day for each list."""
    with retention.client() as client:
        for day in (3, DAY - 36):
            assert bring(client, issuer_list(service, day, DAY)) == (403, "note_untrusted")
        assert bring(client, issuer_list(service, DAY - 35, DAY))[0] == 200


def test_a_service_cannot_make_the_log_take_lists_without_end(retention: Retention, service: Service) -> None:
    """So many differ in a day and no more; the next day is another one, and what is known keeps its place."""
    lists = [issuer_list(service, *range(DAY, DAY + 1 + number)) for number in range(16)]
    lists += [issuer_list(service, *range(DAY - 1 - number, DAY)) for number in range(MAX_LISTS - 16)]
    with retention.client() as client:
        places = [bring(client, note) for note in lists]
        assert {status for status, _ in places} == {200}
        assert bring(client, issuer_list(service, DAY - 20)) == (409, "list_refused")
        assert bring(client, lists[0]) == places[0]
        retention.go(DAY + 1)
        assert bring(client, issuer_list(service, DAY - 20))[0] == 200


def test_a_list_has_a_proof_of_its_own_under_a_new_statement_key(tmp_path: Path, service: Service) -> None:
    """The key was replaced, the listed keys were not: whoever pins the log asks for the proof of the new note."""
    folder = tmp_path / "retention"
    retention = Retention(folder, pinned(service), issuers={service.name: 7})
    first = issuer_list(service, DAY)
    with retention.client() as client:
        place = bring(client, first)
    old = service.signer
    service.signer = NoteSigner(service.name, SigningKey(b"\x07" * 32))
    settings = retention.config.read_text()
    retention.config.write_text(settings.replace(old.verifier.vkey, service.signer.verifier.vkey))
    second = issuer_list(service, DAY)
    with retention.client() as client:
        status, number = bring(client, second)
        assert status == 200 and number != place[1]
        assert bring(client, second) == (200, number)
    parts = retention.parts()
    LogProof.read(parts.log.proof(int(number))).verify(second.encode(), PinnedLog(parts.log_verifier))
    parts.close()


def test_lists_that_an_earlier_version_took_bind_their_owner(retention: Retention, service: Service) -> None:
    """The table of first keys is made of the lists that are there."""
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY))[0] == 200
    with sqlite_utils.Database(retention.folder / "data" / "retention.db") as tables:
        tables.table("listed").drop()
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY, seed=2)) == (409, "list_refused")


def test_a_key_id_that_is_digits_alone_is_no_phone_number_in_any_file(retention: Retention, service: Service) -> None:
    """SQLite sets a row's texts side by side: `2026-12-01` and `84979818` read as 01 84979818, a Korean mobile, and
    every audit of such a log failed. One key id in a hundred is like that."""
    day = CALENDAR.parse_date("2026-12-01")
    publics = (SigningKey(number.to_bytes(32)).public for number in range(10_000))
    kids = ((issuer_kid(7, public), public) for public in publics)
    kid, public = next(pair for pair in kids if re.fullmatch(r"[016789]\d{7}", pair[0].hex()))
    listed = sign_note(IssuerList(7, {day: ListedKey(kid, public)}, simulated=True).text(), service.signer)
    with retention.client() as client:
        assert bring(client, listed)[0] == 200
        data = retention.folder / "data"
        assert any(kid.hex().encode() in path.read_bytes() for path in data.glob("retention.db*"))
        assert sweep(data).hits == ()


def test_a_table_whose_texts_stood_side_by_side_is_made_anew(retention: Retention, service: Service) -> None:
    """With what it held."""
    path = retention.folder / "data" / "retention.db"
    with retention.client() as client:
        assert bring(client, issuer_list(service, DAY))[0] == 200
    with sqlite_utils.Database(path) as tables:
        tables.table("listed").transform(column_order=["kind", "owner", "day", "key"])
    retention.parts().close()
    with sqlite_utils.Database(path) as tables:
        assert next(column.name for column in tables.table("listed").columns) == "key"
        assert tables.table("listed").count == 1
